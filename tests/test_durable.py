"""A file of ours is there whole and on the disk, or as it was before."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from edms_tasks.durable import NewFile, private_folder, write_durably


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    path = tmp_path / "kept.json"
    path.write_text("as it was")
    return path


@pytest.mark.parametrize(("content", "expected"), [("é", b"\xc3\xa9"), (b"\xff\0", b"\xff\0")])
def test_text_and_bytes_replace_what_is_there_for_their_owner_alone(
    kept: Path, content: str | bytes, expected: bytes
) -> None:
    write_durably(kept, content)

    assert kept.read_bytes() == expected
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert list(kept.parent.iterdir()) == [kept]


def test_a_full_disk_leaves_the_file_as_it_was(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_durably(kept, "anew")

    assert kept.read_text() == "as it was"
    assert list(kept.parent.iterdir()) == [kept]


def test_a_file_that_is_given_up_never_gets_its_name(kept: Path) -> None:
    with pytest.raises(KeyboardInterrupt), NewFile(kept) as file:
        file.write(b"half")
        raise KeyboardInterrupt

    assert kept.read_text() == "as it was"
    assert list(kept.parent.iterdir()) == [kept]


def test_an_existing_name_is_not_replaced(kept: Path) -> None:
    with NewFile(kept) as file:
        file.write(b"of the second")
        assert not file.put_where_nothing_is()

    assert kept.read_text() == "as it was"
    assert list(kept.parent.iterdir()) == [kept]


def test_a_share_that_cannot_flush_folders_is_usable_for_the_journal(
    kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flush = os.fsync

    def of_a_share(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", of_a_share)
    write_durably(kept, "anew")

    assert kept.read_text() == "anew"


def test_a_new_folder_is_flushed_into_the_one_above(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[int] = []
    flush = os.fsync

    def noted(descriptor: int) -> None:
        flushed.append(os.fstat(descriptor).st_ino)
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    private_folder(tmp_path / "work" / "reports")

    assert flushed == [tmp_path.stat().st_ino, (tmp_path / "work").stat().st_ino]
