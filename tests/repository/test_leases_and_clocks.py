"""A wrong clock of the machine that prunes takes no lease away from a run that still reads."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from edms_tasks.repository import repository_lock
from edms_tasks.repository.reader_leases import readers, reading
from edms_tasks.settings import RepositorySettings
from tests.retention.library import Library
from tests.stores.s3_places import s3_settings
from tests.stores.swift_server import S3Account

DAY = 86_400.0


def shift_clock(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """The clock of this process is wrong; what it writes has the times of the place."""
    right = time.time
    monkeypatch.setattr(time, "time", lambda: right() + seconds)


def on_another_host(library: Library) -> None:
    """The lease is of a process on another host, which nobody here can look at."""
    backend = library.repository.backend
    (name,) = [name for name, _ in backend.names("locks") if "reading-" in name]
    body = json.loads(backend.read(name, 10**6))
    backend.write(name, [json.dumps(body | {"host": "elsewhere"}).encode()])


@pytest.mark.parametrize(
    ("place", "days"),
    [
        *(("a folder", days) for days in (-1, 1, 400)),
        ("S3", 400),
        *(pytest.param("S3", days, marks=pytest.mark.long) for days in (-1, 1)),
    ],
)
def test_a_snapshot_that_is_being_read_is_kept_by_a_prune_with_a_wrong_clock(
    place: str, days: int, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    if place == "S3":
        account: S3Account = request.getfixturevalue("s3_account")
        settings = s3_settings(account, request.getfixturevalue("s3_bucket"), tmp_path.name)
    else:
        settings = RepositorySettings(url=str(tmp_path / "backups"))
    library = Library(settings, tmp_path / "work")
    made = [library.add(day) for day in range(3)]
    with reading(library.repository.backend, [made[0]], "restore"):
        on_another_host(library)
        shift_clock(monkeypatch, days * DAY)
        assert set(readers(library.repository.backend)) == {made[0]}
        library.prune(last=1)
        assert library.there() == {made[0], made[2]}
    monkeypatch.undo()
    library.prune(last=1)
    assert library.there() == {made[2]}


def test_a_lease_that_nobody_renewed_ends_by_the_clock_of_the_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = Library(RepositorySettings(url=str(tmp_path / "backups")), tmp_path / "work")
    made = [library.add(day) for day in range(2)]
    backend = library.repository.backend
    with reading(backend, [made[0]], "restore"):
        on_another_host(library)
        (name,) = [name for name, _ in backend.names("locks") if "reading-" in name]
        body = json.loads(backend.read(name, 10**6)) | {"renewed": time.time() - 2 * DAY}
        (path,) = tmp_path.joinpath("backups/locks").glob("reading-*")
        path.write_text(json.dumps(body))
        assert set(readers(backend)) == {made[0]}, "it was written just now"
        import os

        os.utime(path, (time.time() - 2 * DAY,) * 2)
        assert readers(backend) == {}


def test_a_lease_of_a_process_of_this_machine_that_is_gone_ends_at_once(tmp_path: Path) -> None:
    library = Library(RepositorySettings(url=str(tmp_path / "backups")), tmp_path / "work")
    made = library.add(0)
    backend = library.repository.backend
    body = repository_lock.holder_body("restore") | {"snapshots": [made], "pid": 2**22 + 1}
    backend.write("locks/reading-0.json", [json.dumps(body).encode()])
    assert readers(backend) == {}
