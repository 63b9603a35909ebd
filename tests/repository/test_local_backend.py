"""What only a folder on this machine can promise."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edms_tasks.errors import DamagedRepository, NoSpace, RepositoryForbidden, RepositoryLocked
from edms_tasks.repository import Repository
from edms_tasks.settings import RepositorySettings
from tests.repository.samples import Store, manifest_of

HOLDER = """
import sys, time
from edms_tasks.repository import Repository
from edms_tasks.settings import RepositorySettings
repository = Repository.open(RepositorySettings(url=sys.argv[1]))
with repository.lock("the run that is killed"):
    sys.stdout.write("held\\n")
    sys.stdout.flush()
    time.sleep(60)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "backups"


@pytest.fixture
def local(folder: Path) -> Repository:
    return Repository.create(RepositorySettings(url=str(folder)))


def test_a_killed_run_does_not_keep_the_lock(local: Repository, folder: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(folder)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(RepositoryLocked, match=str(holder.pid)), local.lock("backup"):
            pass
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        with local.lock("backup"):
            pass


def test_a_damaged_object_is_not_trusted_when_its_bytes_are_put_again(local: Repository, folder: Path) -> None:
    ref = local.put_bytes(b"whole")
    store = Store(RepositorySettings(url=str(folder)))
    store.flip(store.path_of(ref), 1)
    assert local.has(ref)
    local.put_bytes(b"whole")
    assert local.read(ref) == b"whole"


def test_an_object_is_on_disk_before_it_has_its_name(local: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []
    sync, rename = os.fsync, Path.replace

    def noted_sync(descriptor: int) -> None:
        events.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        sync(descriptor)

    def noted_rename(path: Path, target: Path) -> Path:
        events.append("rename")
        return rename(path, target)

    local.put_bytes(b"first of its folder")
    monkeypatch.setattr(os, "fsync", noted_sync)
    monkeypatch.setattr(Path, "replace", noted_rename)
    local.write_snapshot(b"{}")
    assert events[0] == "file"
    assert events[-2:] == ["rename", "folder"]


def test_only_its_user_may_read_the_repository(local: Repository, folder: Path) -> None:
    local.put_bytes(b"personal data")
    modes = {stat.S_IMODE(path.stat().st_mode) & 0o077 for path in (folder, *folder.rglob("*"))}
    assert modes == {0}


@pytest.mark.parametrize(
    ("number", "expected"), [(errno.ENOSPC, NoSpace), (errno.EDQUOT, NoSpace), (errno.EACCES, RepositoryForbidden)]
)
def test_a_full_or_forbidden_disk_says_so_and_leaves_nothing(
    local: Repository, folder: Path, monkeypatch: pytest.MonkeyPatch, number: int, expected: type[Exception]
) -> None:
    def refuse(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(expected):
        local.put_bytes(b"too much")
    monkeypatch.undo()
    assert list((folder / "tmp").iterdir()) == []
    assert not (folder / "objects").exists()


def test_what_somebody_is_writing_without_the_lock_is_not_swept_away(local: Repository, folder: Path) -> None:
    """As the lease of a restore, or an entry of the log, while a backup clears up."""
    left = folder / "tmp" / "of-a-killed-run"
    swept = []

    def written_while_another_run_sweeps() -> Iterator[bytes]:
        yield b"first half, "
        left.write_bytes(b"torn")
        with local.lock("backup"):
            swept.append(local.sweep().temporary)
        yield b"second half"

    local.backend.write("locks/reading-1.json", written_while_another_run_sweeps())

    assert swept == [1] and not left.exists()
    assert local.backend.read("locks/reading-1.json", 100) == b"first half, second half"


def test_a_lock_that_is_not_renewed_is_void_on_other_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = RepositorySettings(url="memory://void-lock/backups")
    first, second = Repository.create(settings), Repository.open(settings)
    monkeypatch.setattr("edms_tasks.repository.repository_lock.VOID_SECONDS", 0.05)
    with first.lock("the run that hangs"):
        time.sleep(0.1)
        with second.lock("the next run"), pytest.raises(RepositoryLocked, match="lost"):
            first.write_snapshot(b"{}")


WRITER = """
import sys
from edms_tasks.repository import Repository
from edms_tasks.settings import RepositorySettings
repository = Repository.open(RepositorySettings(url=sys.argv[1]))

def endless():
    yield b"x" * 1_000_000
    sys.stdout.write("writing\\n")
    sys.stdout.flush()
    sys.stdin.read()

with repository.lock("the run that is killed"):
    repository.begin()
    repository.put_bytes(b"of no snapshot")
    repository._backend.write("objects/aa/" + "a" * 64, endless())
"""


def test_a_run_killed_while_it_writes_leaves_nothing_after_the_next_one(local: Repository, folder: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "writing\n"
        writer.send_signal(signal.SIGKILL)
        writer.wait()
    assert not (folder / "objects" / "aa" / ("a" * 64)).exists()
    assert len(list((folder / "tmp").iterdir())) == 1

    with local.lock("backup"):
        run = local.begin()
        schema = local.put_bytes(b"schema")
        snapshot_id = local.write_snapshot(manifest_of(schema))
        swept = local.finish(run)

    assert (swept.objects, swept.temporary) == (1, 1)
    assert Store(RepositorySettings(url=str(folder))).names() == {
        "config.json",
        f"objects/{schema.sha256[:2]}/{schema.sha256}",
        f"snapshots/{snapshot_id}.json",
    }


def test_a_share_without_hard_links_and_folder_sync_is_usable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sync = os.fsync

    def no_link(path: Path, target: Path) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    def no_folder_sync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        sync(descriptor)

    monkeypatch.setattr(Path, "hardlink_to", no_link)
    monkeypatch.setattr(os, "fsync", no_folder_sync)
    repository = Repository.create(RepositorySettings(url=str(tmp_path / "share")))
    assert repository.read(repository.put_bytes(b"kept")) == b"kept"


@pytest.mark.parametrize("name", ["config.json", "log/000000000001.json", "keys/x.json", "objects/ab/cd"])
def test_a_pipe_in_the_folder_is_no_file_and_nothing_waits_for_it(tmp_path: Path, name: str) -> None:
    repository = Repository.create(RepositorySettings(url=str(tmp_path / "r")))
    path = tmp_path / "r" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    backend = repository.backend
    with pytest.raises(FileNotFoundError):
        backend.read(name, 100)
    with pytest.raises(FileNotFoundError):
        list(backend.blocks(name))
    assert backend.size(name) is None


def test_json_without_end_is_a_damaged_config(tmp_path: Path) -> None:
    settings = RepositorySettings(url=str(tmp_path / "r"))
    Repository.create(settings)
    (tmp_path / "r" / "config.json").write_bytes(b"[" * 20_000)
    with pytest.raises(DamagedRepository, match=r"config\.json"):
        Repository.open(settings)
