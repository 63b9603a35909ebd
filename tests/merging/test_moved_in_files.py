"""Files that a merge moves into a folder, and takes back: on disks with hard links, and on shares without them."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edms_tasks.errors import MergeRefused, TerminalError
from edms_tasks.merging import merged_folder
from edms_tasks.merging.merged_folder import MergedFolder

WRITES = {b"new/a.txt": (b"new/a.txt", False), b"b.txt": (b"b.txt", True), b"c.txt": (b"renamed/c.txt", False)}


def refused(number: int) -> Callable[..., None]:
    def link(*_: Any, **__: Any) -> None:
        raise OSError(number, os.strerror(number))

    return link


@pytest.fixture(params=["hard links", "none", "another disk"])
def live(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A live folder with files staged in it."""
    if request.param == "none":
        monkeypatch.setattr(os, "link", refused(errno.EPERM))
    if request.param == "another disk":
        link = os.link

        def links_below_live(source: Path, target: Path) -> None:
            if not Path(target).is_relative_to(tmp_path / "live"):
                raise OSError(errno.EXDEV, "Invalid cross-device link")
            link(source, target)

        monkeypatch.setattr(os, "link", links_below_live)
    folder = tmp_path / "live"
    staged = folder / merged_folder._STAGED
    (folder / merged_folder._REPLACED).mkdir(parents=True)
    (staged / "new").mkdir(parents=True)
    for name in ("new/a.txt", "b.txt", "c.txt"):
        (staged / name).write_text(f"the snapshot's {name}")
    (folder / "b.txt").write_text("live b")
    os.utime(folder / "b.txt", ns=(1, 2))
    return folder


def contents(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in folder.rglob("*")
        if path.is_file() and not path.is_relative_to(folder / merged_folder._STAGING)
    }


def test_files_are_added_and_replaced_and_those_replaced_are_kept(live: Path, tmp_path: Path) -> None:
    files = MergedFolder(live)
    files.move_in("media", WRITES, tmp_path / "aside")
    files.remove_staged()

    assert contents(live) == {
        "new/a.txt": "the snapshot's new/a.txt",
        "b.txt": "the snapshot's b.txt",
        "renamed/c.txt": "the snapshot's c.txt",
    }
    assert contents(tmp_path / "aside") == {"media/b.txt": "live b"}
    assert (tmp_path / "aside/media/b.txt").stat().st_mtime_ns == 2


def test_what_was_moved_in_is_taken_back(live: Path, tmp_path: Path) -> None:
    before = (live / "b.txt").stat()
    files = MergedFolder(live)
    files.move_in("media", WRITES, tmp_path / "aside")
    files.take_back()

    assert contents(live) == {"b.txt": "live b"}
    after = (live / "b.txt").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert contents(tmp_path / "aside") == {}


def test_a_file_that_has_appeared_is_never_replaced(live: Path, tmp_path: Path) -> None:
    (live / "renamed").mkdir()
    (live / "renamed/c.txt").write_text("somebody else's")
    files = MergedFolder(live)
    with pytest.raises(MergeRefused, match="has appeared"):
        files.move_in("media", WRITES, tmp_path / "aside")
    files.take_back()

    assert contents(live) == {"b.txt": "live b", "renamed/c.txt": "somebody else's"}


def test_what_cannot_be_taken_back_is_named_and_the_rest_is(live: Path, tmp_path: Path) -> None:
    files = MergedFolder(live)
    files.move_in("media", WRITES, tmp_path / "aside")
    shutil.rmtree(live / merged_folder._REPLACED)

    with pytest.raises(TerminalError, match=r"1 files: .*b\.txt"):
        files.take_back()

    assert contents(live) == {"b.txt": "the snapshot's b.txt"}
    assert contents(tmp_path / "aside") == {"media/b.txt": "live b"}
