"""A prune that fails or is killed at any request leaves a repository that verifies, and the next prune finishes its work."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from edms_tasks.errors import EdmsBackupError
from edms_tasks.pruning.mark_snapshots import hold
from edms_tasks.repository import repository_lock, store
from edms_tasks.settings import RepositorySettings
from tests.retention.library import Faults, FaultyBackend, Killed, Library

KINDS = ("fails", "unanswered", "duplicated", "torn", "killed", "done, then killed")
Copies = Callable[[], RepositorySettings]


@pytest.fixture
def copies(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Library, Copies]]:
    """A repository of two EDMSs in which two snapshots go and one is held; and a function that copies it."""
    if request.param == "local":
        library = Library(RepositorySettings(url=str(tmp_path / "kept")), tmp_path / "work")
    else:
        top = secrets.token_hex(4)
        library = Library(RepositorySettings(url=f"memory://{top}/kept"), tmp_path / "work")
    made = [library.add(day, "shared", f"of {day} and {day + 1}") for day in range(4)]
    library.add(1, "shared", edms="theirs")
    hold(library.repository, library.workdir, made[1], reason="case 7", by="Ann")

    def copy() -> RepositorySettings:
        name = secrets.token_hex(4)
        if request.param == "local":
            shutil.copytree(tmp_path / "kept", tmp_path / name)
            return RepositorySettings(url=str(tmp_path / name))
        MemoryFileSystem().cp(f"/{top}/kept", f"/{top}/{name}", recursive=True)
        return RepositorySettings(url=f"memory://{top}/{name}")

    yield library, copy
    if request.param == "memory":
        _remove(library.settings)


def _remove(settings: RepositorySettings) -> None:
    """Take a copy away: the memory file system looks at all its files whenever it is asked for some."""
    if settings.url.startswith("memory://"):
        files = MemoryFileSystem()
        for path in [path for path in files.store if path.startswith(settings.url.removeprefix("memory:/"))]:
            del files.store[path]


# Each fault at each request is long. In the suite every fourth request has one of them.
@pytest.mark.parametrize(
    ("copies", "shift", "requests"),
    [
        pytest.param("local", 0, slice(0, None, 4), id="local-every-fourth"),
        *(
            pytest.param(store, shift, slice(None), id=f"{store}-{shift}", marks=pytest.mark.long)
            for store in ("local", "memory")
            for shift in range(len(KINDS))
        ),
    ],
    indirect=["copies"],
)
def test_a_fault_at_any_request(
    copies: tuple[Library, Copies], shift: int, requests: slice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, copy = copies
    monkeypatch.setattr(repository_lock, "VOID_SECONDS", -1.0)  # whoever was killed is gone
    undisturbed = Library(copy(), tmp_path / "undisturbed")
    _prune(undisturbed)
    _prune(undisturbed)
    number, tried, disturbed = requests.start or 0, 0, 0
    while True:
        faults = Faults(at=number, kind=KINDS[(tried + shift) % len(KINDS)])
        settings, workdir = copy(), tmp_path / f"work-{number}"
        failed = _prune_with(faults, settings, workdir, monkeypatch)
        disturbed += failed
        again = Library(settings, workdir)
        again.require_whole()

        _prune(again)
        _prune(again)
        again.require_whole()
        assert again.there() == undisturbed.there(), faults.log
        assert again.objects() == undisturbed.objects(), faults.log
        assert set(again.repository.survey().pruned) == kept.there() - again.there()
        left = [name for folder in ("tmp", "marks") for name, _ in again.repository.backend.names(folder)]
        assert left == [], faults.log
        _remove(settings)
        if faults.count <= number:
            break  # it has fewer requests
        number, tried = number + (requests.step or 1), tried + 1
    assert number > 30
    assert disturbed > tried / 2


def _prune(library: Library) -> None:
    library.prune(last=1, grace=timedelta(0))


def _prune_with(faults: Faults, settings: RepositorySettings, workdir: Path, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Prune twice with a fault, as a schedule would; returns whether it failed."""
    opened = store.open_backend
    with monkeypatch.context() as patch:
        patch.setattr(store, "open_backend", lambda settings: FaultyBackend(opened(settings), faults))
        try:
            library = Library(settings, workdir)
            _prune(library)
            _prune(library)
        except (EdmsBackupError, Killed):
            return True
    return False
