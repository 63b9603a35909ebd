"""Restore a file root into a new folder: nothing is written outside it, and nothing unverified stays in it.

The index is checked as a whole before the first name is made. Every name is then opened below the folder's own
descriptor, component by component, and no symbolic link is followed: not even a link put there meanwhile leads out.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edms_tasks.errors import NoSpace, TargetExists, TerminalError
from edms_tasks.files.index import OpenedIndex, readable
from edms_tasks.files.index_fetch import open_index
from edms_tasks.files.pack_contents import PackReader, StoredFile, files_by_pack, query_index
from edms_tasks.files.progress import Meter, Progress
from edms_tasks.manifest import FileIndex
from edms_tasks.repository import Repository


def restore_files(
    index: FileIndex,
    repository: Repository,
    destination: Path,
    progress: Progress | None = None,
    *,
    scratch: Path | None = None,
) -> None:
    """Restore a root's files and folders into `destination`, which must not exist or must be empty.

    Times and permissions are restored exactly, including set-user-id bits; owners only if this runs as root. Long runs of zeros
    become holes, so a sparse file takes no more space than it did.

    Raises:
        TargetExists: the destination is not empty, or is a link.
        DamagedRepository: the index or a pack is damaged; the files written so far are incomplete.
        NoSpace: the destination's disk is full.
    """
    with open_index(index, repository, scratch) as opened:
        restore_opened(opened, repository, destination, progress)


def restore_opened(
    opened: OpenedIndex, repository: Repository, destination: Path, progress: Progress | None = None
) -> None:
    """Restore the files of an opened index, which may be a part of one if it has the folders of all its files."""
    with _writing(destination):
        _make_destination(destination)
        with _Tree(destination) as tree:
            for (path,) in query_index(opened, _FOLDERS):
                tree.make_folder(path)
            packs = PackReader(opened, repository)
            meter = Meter(progress)
            for file in files_by_pack(opened):
                tree.write(file, _metered(packs.blocks(file), meter))
                meter.count()
            _settle_folders(opened, tree)
    meter.tell()


def _metered(blocks: Iterator[memoryview], meter: Meter) -> Iterator[memoryview]:
    for block in blocks:
        meter.count(0, len(block))
        yield block


def _make_destination(destination: Path) -> None:
    if destination.is_symlink() or (destination.exists() and not destination.is_dir()):
        raise _exists(destination, "It is not a folder.")
    destination.parent.mkdir(parents=True, exist_ok=True)
    destination.mkdir(mode=0o700, exist_ok=True)
    if any(destination.iterdir()):
        raise _exists(destination, "It is not empty.")


def _settle_folders(opened: OpenedIndex, tree: _Tree) -> None:
    """Folders get their times and permissions last, the deepest first: a read-only folder takes no more files."""
    for path, mtime_ns, mode, uid, gid in query_index(opened, _FOLDERS_DEEPEST_FIRST):
        tree.settle_folder(path, mtime_ns, mode, uid, gid)


# A folder's path is shorter than those of the folders in it.
_FOLDERS = """
    SELECT path
    FROM read_parquet($paths)
    WHERE kind = 'dir' AND path <> ''::BLOB
    ORDER BY octet_length(path)
"""
_FOLDERS_DEEPEST_FIRST = """
    SELECT path, mtime_ns, mode, uid, gid
    FROM read_parquet($paths)
    WHERE kind = 'dir'
    ORDER BY octet_length(path) DESC
"""


class _Tree:
    """The destination, reached only through descriptors that follow no link."""

    def __init__(self, destination: Path) -> None:
        self._root = os.open(destination, _FOLDER)
        self._path = b""
        self._folder = os.dup(self._root)  # the folder that was used last
        self._as_root = os.geteuid() == 0

    def __enter__(self) -> _Tree:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._folder)
        os.close(self._root)

    def make_folder(self, path: bytes) -> None:
        """Create a folder whose parent exists."""
        folder, name = self._parent(path)
        os.mkdir(name, 0o700, dir_fd=folder)

    def write(self, file: StoredFile, blocks: Iterator[memoryview]) -> None:
        """Write a file; it is removed again if its content turns out to be damaged."""
        folder, name = self._parent(file.path)
        descriptor = os.open(name, _NEW_FILE, 0o600, dir_fd=folder)
        try:
            for block in blocks:
                _write_with_holes(descriptor, block)
            os.ftruncate(descriptor, file.size)  # a hole at the end
            if self._as_root:
                os.fchown(descriptor, file.uid, file.gid)
            os.fchmod(descriptor, file.mode)  # after the owner: a change of owner clears set-id bits
            os.utime(descriptor, ns=(file.mtime_ns, file.mtime_ns))
        except BaseException:
            os.unlink(name, dir_fd=folder)
            raise
        finally:
            os.close(descriptor)

    def settle_folder(self, path: bytes, mtime_ns: int, mode: int, uid: int, gid: int) -> None:
        """Set a folder's owner, permissions and time."""
        descriptor = self._open(path)
        try:
            if self._as_root:
                os.fchown(descriptor, uid, gid)
            os.fchmod(descriptor, mode)
            os.utime(descriptor, ns=(mtime_ns, mtime_ns))
        finally:
            os.close(descriptor)

    def _parent(self, path: bytes) -> tuple[int, bytes]:
        folder, _, name = path.rpartition(b"/")
        if folder != self._path:
            descriptor = self._open(folder)
            os.close(self._folder)
            self._folder, self._path = descriptor, folder
        return self._folder, name

    def _open(self, path: bytes) -> int:
        descriptor = os.dup(self._root)
        for name in path.split(b"/") if path else ():
            above = descriptor
            try:
                descriptor = os.open(name, _FOLDER, dir_fd=above)
            finally:
                os.close(above)
        return descriptor


_HOLE = bytes(64 * 1024)
"""Zeros worth leaving out; shorter runs are written, so that files do not come back in a hundred pieces."""


def _write_with_holes(descriptor: int, block: memoryview) -> None:
    """Write a block where the file stands; whole runs of zeros are skipped, and read back as zeros."""
    start = 0
    for place in range(0, len(block), len(_HOLE)):
        piece = block[place : place + len(_HOLE)]
        # The first byte distinguishes most pieces without a copy.
        if len(piece) == len(_HOLE) and not piece[0] and piece.tobytes() == _HOLE:
            _write(descriptor, block[start:place])
            os.lseek(descriptor, len(piece), os.SEEK_CUR)
            start = place + len(piece)
    _write(descriptor, block[start:])


def _write(descriptor: int, block: memoryview) -> None:
    while block:
        block = block[os.write(descriptor, block) :]


_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def _writing(destination: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        name = error.filename
        where = f"{destination}: {readable(name)}" if isinstance(name, bytes) else str(destination)
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        kind = NoSpace if full else TerminalError
        raise kind(
            "The files cannot be written.",
            where=where,
            why=error.strerror or str(error),
            fix="Free some space on that disk." if full else "Check that this user may write there, and restore again.",
        ) from error


def _exists(destination: Path, why: str) -> TargetExists:
    return TargetExists(
        "The folder to restore the files into exists already.",
        where=str(destination),
        why=why,
        fix="Name another folder, or remove this one.",
    )
