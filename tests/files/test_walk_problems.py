"""What cannot be kept as it is becomes a finding, and never ends a backup."""

from __future__ import annotations

import errno
import os
import shutil
import socket
from pathlib import Path

import pytest

from edms_tasks.errors import NoSpace
from edms_tasks.files import check_files, restore_files
from edms_tasks.files import read_ahead as reading
from edms_tasks.files.exclusions import LeaveOut
from edms_tasks.repository import Repository
from edms_tasks.settings import settings_from
from tests.files.conftest import Backup


def test_links_and_special_files_are_named(
    media: Path, repository: Repository, backup: Backup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "outside").write_bytes(b"outside")
    (media / "folder").mkdir()
    (media / "folder" / "a").write_bytes(b"a")
    (media / "link in").symlink_to("folder/a")
    (media / "link out").symlink_to(tmp_path / "outside")
    (media / "link to folder").symlink_to("folder")
    (media / "link up").symlink_to("..")
    (media / "link to nothing").symlink_to("nowhere")
    os.mkfifo(media / "pipe")
    monkeypatch.chdir(media)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")

    index, findings = backup()
    restore_files(index, repository, tmp_path / "out")

    assert findings["link-stored-as-file"].examples == ("link in", "link out")
    assert findings["link-to-folder"].examples == ("link to folder", "link up")
    assert findings["link-dangling"].examples == ("link to nothing",)
    assert findings["file-special"].examples == ("pipe", "socket")
    assert sorted(path.name for path in (tmp_path / "out").rglob("*")) == ["a", "folder", "link in", "link out"]
    assert (tmp_path / "out" / "link out").read_bytes() == b"outside"
    assert not (tmp_path / "out" / "link out").is_symlink()


def test_an_unreadable_file_is_named_and_the_rest_is_stored(
    media: Path, repository: Repository, backup: Backup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abc":
        (media / name).write_bytes(name.encode() * 100)
    original = reading.open_file

    def refuse(path: bytes, flags: int) -> int:
        if path.endswith(b"/b"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return original(path, flags)

    monkeypatch.setattr(reading, "open_file", refuse)
    index, findings = backup()
    restore_files(index, repository, tmp_path / "out")

    assert findings["file-unreadable"].examples == ("b",)
    assert findings["file-unreadable"].severity == "error"
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == {"a": b"a" * 100, "c": b"c" * 100}


def test_a_read_error_in_the_middle_of_a_file_stores_nothing_of_it(
    media: Path, repository: Repository, backup: Backup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "BLOCK", 10)
    for name in "abc":
        (media / name).write_bytes(name.encode() * 100)
    read, calls = os.read, []

    def fail(descriptor: int, length: int) -> bytes:
        block = read(descriptor, length)
        if block.startswith(b"b"):
            calls.append(block)
            if len(calls) == 3:
                raise OSError(errno.EIO, "Input/output error")
        return block

    monkeypatch.setattr(os, "read", fail)
    index, findings = backup()
    monkeypatch.undo()
    restore_files(index, repository, tmp_path / "out")

    assert findings["file-unreadable"].examples == ("b",)
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == {"a": b"a" * 100, "c": b"c" * 100}


@pytest.mark.parametrize("times", [1, 5])
def test_a_file_that_changes_while_it_is_read_is_reported(
    media: Path, repository: Repository, backup: Backup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    (media / "a").write_bytes(b"before")
    (media / "log").write_bytes(b"line\n")
    original, changes = reading.open_file, []

    def change(path: bytes, flags: int) -> int:
        descriptor = original(path, flags)
        if path.endswith(b"/log") and len(changes) < times:
            changes.append(path)
            read = os.fstat(descriptor)
            with Path(os.fsdecode(path)).open("ab") as file:
                file.write(b"more\n")
            # The backup sees the file as it was when it was opened.
            monkeypatch.setattr(os, "fstat", _first_then_real(descriptor, read))
        return descriptor

    monkeypatch.setattr(reading, "open_file", change)
    index, findings = backup()
    monkeypatch.undo()
    restore_files(index, repository, tmp_path / "out")

    assert check_files(index, repository, tmp_path / "out").success
    if times == 1:
        assert findings == {}
        assert (tmp_path / "out" / "log").read_bytes() == b"line\nmore\n"
    else:
        assert findings["file-changed-while-read"].examples == ("log",)
        assert (tmp_path / "out" / "log").read_bytes() == b"line\nmore\n"
    assert (tmp_path / "out" / "a").read_bytes() == b"before"


def _first_then_real(descriptor: int, first: os.stat_result):  # type: ignore[no-untyped-def]  # noqa: ANN202
    real, answers = os.fstat, [first]

    def fstat(asked: int) -> os.stat_result:
        return answers.pop() if asked == descriptor and answers else real(asked)

    return fstat


def test_a_file_that_vanishes_is_named(media: Path, backup: Backup, monkeypatch: pytest.MonkeyPatch) -> None:
    (media / "a").write_bytes(b"a")
    original = reading.open_file

    def vanish(path: bytes, flags: int) -> int:
        Path(os.fsdecode(path)).unlink()
        return original(path, flags)

    monkeypatch.setattr(reading, "open_file", vanish)
    index, findings = backup()
    assert index.files == 0
    assert list(findings) == ["file-vanished"]


def test_a_missing_root_is_an_error_finding(
    media: Path, repository: Repository, backup: Backup, tmp_path: Path
) -> None:
    media.rmdir()
    index, findings = backup()
    assert findings["file-root-missing"].severity == "error"
    assert index.files == 0
    restore_files(index, repository, tmp_path / "out")
    assert check_files(index, repository, tmp_path / "out").success


def test_excluded_files_are_left_out_and_counted(
    media: Path, repository: Repository, backup: Backup, tmp_path: Path
) -> None:
    for name in ("cache/1", "cache/2", "papers/a.pdf", "papers/a.tmp", "papers/Thumbs.db"):
        (media / name).parent.mkdir(exist_ok=True)
        (media / name).write_bytes(b"x")
    index, findings = backup(leave_out=LeaveOut(exclude=("cache/", "*.tmp", "Thumbs.db")))
    assert index.files == 1
    assert findings["file-excluded"].count == 3


def test_locks_process_ids_and_search_indexes_are_left_out_and_reported(
    media: Path, repository: Repository, backup: Backup, tmp_path: Path
) -> None:
    index_files = ("_MAIN_7.toc", "MAIN_1a2b.seg", "MAIN_WRITELOCK")
    for name in ("run/web.pid", "run/beat.lock", "papers/treaty.lock", *(f"index/{name}" for name in index_files)):
        (media / name).parent.mkdir(exist_ok=True)
        (media / name).write_bytes(b"1234")
    (media / "papers/treaty.lock").write_bytes(b"a document of that name" * 10)
    # Somebody has uploaded what looks like an index: the documents beside it are stored.
    for name in ("uploads/_MAIN_1.toc", "uploads/contract.pdf"):
        (media / name).parent.mkdir(exist_ok=True)
        (media / name).write_bytes(b"x")

    index, findings = backup(leave_out=LeaveOut.of(settings_from({}, where=tmp_path / "settings.toml")))

    assert index.files == 3
    found = {code: (one.severity, one.count, one.examples) for code, one in findings.items()}
    assert found == {
        "file-of-a-running-program": ("info", 2, ("run/beat.lock", "run/web.pid")),
        "search-index": ("info", 1, ("index",)),
    }
    restore_files(index, repository, tmp_path / "out")
    assert list((tmp_path / "out/index").iterdir()) == []
    every, _ = backup(leave_out=LeaveOut())
    assert every.files == 8


def test_a_repository_inside_the_root_does_not_back_itself_up(
    media: Path, repository: Repository, backup: Backup, tmp_path: Path
) -> None:
    shutil.move(tmp_path / "backups", media / "backups")
    (tmp_path / "backups").symlink_to(media / "backups")
    (media / "a").write_bytes(b"a")
    index, findings = backup()
    assert index.files == 1
    assert "repository-inside-root" in findings


def test_the_staging_folder_of_a_killed_merge_is_not_backed_up(media: Path, backup: Backup) -> None:
    (media / ".edms-backup-merge").mkdir()
    (media / ".edms-backup-merge" / "staged").write_bytes(b"b")
    (media / "kept").mkdir()
    (media / "kept" / ".edms-backup-merge").write_bytes(b"a document of that name, elsewhere")
    index, findings = backup()
    assert index.files == 1
    assert "merge-cut-short" in findings


def test_a_full_repository_ends_the_backup(
    media: Path, repository: Repository, backup: Backup, monkeypatch: pytest.MonkeyPatch
) -> None:
    (media / "a").write_bytes(b"a" * 100)

    def full(*data: bytes) -> None:
        raise NoSpace("The repository's disk is full.")

    monkeypatch.setattr(repository, "put_bytes", full)
    with pytest.raises(NoSpace):
        backup()
