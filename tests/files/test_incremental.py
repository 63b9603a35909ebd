"""A file that has not changed is not read again; one that has changed is, however little of it shows."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edms_tasks.files import check_files, index_files, restore_files, verify_files
from edms_tasks.files import read_ahead as reading
from edms_tasks.files.index import PACK_BYTES
from edms_tasks.inventory.model import FileRoot
from edms_tasks.manifest import FileIndex
from edms_tasks.repository import Repository
from tests.files.conftest import Backup, let_settle, listing


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The names of the files a backup opens."""
    names: list[bytes] = []
    original = reading.open_file

    def noted(path: bytes, flags: int) -> int:
        names.append(path.rpartition(b"/")[2])
        return original(path, flags)

    monkeypatch.setattr(reading, "open_file", noted)
    return names


def test_unchanged_files_are_not_opened(media: Path, backup: Backup, opened: list[bytes]) -> None:
    (media / "folder").mkdir()
    for number in range(20):
        (media / "folder" / f"{number}").write_bytes(b"%d" % number)
    let_settle()
    first, _ = backup()
    assert len(opened) == 20
    opened.clear()

    second, _ = backup(previous=first)

    assert opened == []
    assert second == first


class Watched:
    """Progress as it was told."""

    def __init__(self) -> None:
        self.expected: tuple[int, int] | None = None
        self.files = self.bytes = 0

    def __call__(self, count: int, size: int = 0) -> None:
        assert count >= 0 and size >= 0
        self.files += count
        self.bytes += size

    def expect(self, count: int, size: int = 0) -> None:
        self.expected = count, size


def test_progress_counts_every_byte_to_be_read(media: Path, repository: Repository, tmp_path: Path) -> None:
    for number in range(30):
        (media / str(number)).write_bytes(b"%d" % number * 1_000)
    with (media / "large").open("wb") as large:
        large.truncate(PACK_BYTES + 1)
    (media / "gone").symlink_to(tmp_path / "nowhere")
    root, size = FileRoot(name="media", path=str(media)), sum(path.stat().st_size for path in media.glob("[0-9l]*"))
    let_settle()

    def told(previous: FileIndex | None) -> tuple[FileIndex, Watched]:
        watched = Watched()
        scratch = tmp_path / "scratch"
        index, _ = index_files(root, repository, previous=previous, scratch=scratch, progress=watched)
        return index, watched

    index, first = told(None)
    (media / "new").write_bytes(b"new")
    _, second = told(index)
    restoring, checking, verifying = Watched(), Watched(), Watched()
    restore_files(index, repository, tmp_path / "out", restoring)
    check_files(index, repository, tmp_path / "out", progress=checking)
    assert verify_files(index, repository, progress=verifying) == ()

    assert (first.files, first.bytes) == first.expected == (31, size)
    assert (second.files, second.bytes) == second.expected == (1, 3)
    assert (verifying.files, verifying.bytes) == verifying.expected == (31, size)
    for watched in (restoring, checking):
        assert (watched.files, watched.bytes) == (31, size)


def test_only_changed_files_are_opened_and_all_files_are_restored(
    media: Path, repository: Repository, backup: Backup, opened: list[bytes], tmp_path: Path
) -> None:
    for name in ("kept", "edited", "removed", "touched", "z"):
        (media / name).write_bytes(name.encode() * 10)
    let_settle()
    first, _ = backup()
    opened.clear()
    before = (media / "edited").stat()
    (media / "edited").write_bytes(b"EDITED" * 10)
    os.utime(media / "edited", ns=(before.st_atime_ns, before.st_mtime_ns))  # only the change time tells
    (media / "removed").unlink()
    (media / "new").write_bytes(b"new")

    second, _ = backup(previous=first)
    restore_files(second, repository, tmp_path / "out")

    assert sorted(opened) == [b"edited", b"new"]
    assert listing(tmp_path / "out") == listing(media)
    assert set(first.packs) < set(second.packs)


def test_a_file_written_just_before_the_backup_is_read_again(
    media: Path, backup: Backup, opened: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    (media / "young").write_bytes(b"1")
    written = (media / "young").stat().st_ctime_ns
    with monkeypatch.context() as clock:
        # However long this machine takes from there to the backup: ten milliseconds.
        clock.setattr(reading.time, "time_ns", lambda: written + 10_000_000)
        first, _ = backup()
    opened.clear()
    backup(previous=first)
    assert opened == [b"young"]


def test_a_file_whose_pack_is_gone_is_read_again(
    media: Path, repository: Repository, backup: Backup, opened: list[bytes], tmp_path: Path
) -> None:
    (media / "a").write_bytes(b"a" * 100)
    let_settle()
    first, _ = backup()
    for pack_ref in first.packs:
        next((tmp_path / "backups").rglob(pack_ref.sha256)).unlink()
    opened.clear()

    second, _ = backup(previous=first)

    assert opened == [b"a"]
    restore_files(second, repository, tmp_path / "out")
    assert check_files(second, repository, tmp_path / "out").success


def test_a_damaged_previous_index_only_makes_the_backup_slower(
    media: Path, backup: Backup, opened: list[bytes], tmp_path: Path
) -> None:
    (media / "a").write_bytes(b"a" * 100)
    let_settle()
    first, _ = backup()
    next((tmp_path / "backups").rglob(first.index[0].sha256)).write_bytes(b"damaged")
    opened.clear()

    second, findings = backup(previous=first)

    assert opened == [b"a"]
    assert list(findings) == ["file-index-unusable"]
    assert second.digest == first.digest


def test_contents_stored_by_an_earlier_snapshot_are_not_stored_again(
    media: Path, repository: Repository, backup: Backup, opened: list[bytes], tmp_path: Path
) -> None:
    (media / "a").write_bytes(os.urandom(100))
    (media / "b").write_bytes(os.urandom(100))
    let_settle()
    first, _ = backup()
    opened.clear()
    (media / "a").rename(media / "moved")
    (media / "copied").write_bytes((media / "b").read_bytes())

    second, _ = backup(previous=first)

    assert sorted(opened) == [b"copied", b"moved"]
    assert second.packs == first.packs
    restore_files(second, repository, tmp_path / "out")
    assert listing(tmp_path / "out") == listing(media)


def test_a_pack_without_needed_contents_is_not_kept(media: Path, backup: Backup) -> None:
    (media / "a").write_bytes(b"a" * 100)
    let_settle()
    first, _ = backup()
    (media / "a").write_bytes(b"b" * 100)

    second, _ = backup(previous=first)

    assert first.packs and not set(first.packs) & set(second.packs)
