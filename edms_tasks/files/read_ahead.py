"""Read files of the EDMS on several threads, in order, and detect files that change while they are read.

A file that changes is read once more, and the second reading is taken. A file that cannot be read is reported with the code of a
finding; it never ends a backup.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol, Self, TypeVar

from edms_tasks.files.deep_paths import open_path
from edms_tasks.files.index import PACK_BYTES

BLOCK = 1024 * 1024

# Large enough that a thread pays off, small enough that the memory of all groups does not matter.
_GROUP_BYTES = 1024 * 1024
_GROUP_FILES = 64

# A change so soon after the one that was seen may leave the same time stamps behind; file systems that keep whole
# seconds need a longer wait. Rows this young are never taken for unchanged.
_YOUNG_NS = 100_000_000
_YOUNG_COARSE_NS = 2_000_000_000


_Given = TypeVar("_Given")
_Made = TypeVar("_Made")


class FileToRead(NamedTuple):
    """A file to read."""

    position: int  # in the listing
    path: bytes
    link: bool  # a symbolic link, to be followed
    size: int  # when it was listed
    mtime_ns: int = 0  # and these two, where the source cannot tell them later
    inode: int = 0


class FileStatus(Protocol):
    """What an index says of a file besides its content: a part of `os.stat_result`."""

    @property
    def st_size(self) -> int: ...  # noqa: D102
    @property
    def st_mtime_ns(self) -> int: ...  # noqa: D102
    @property
    def st_ctime_ns(self) -> int: ...  # noqa: D102
    @property
    def st_ino(self) -> int: ...  # noqa: D102
    @property
    def st_dev(self) -> int: ...  # noqa: D102
    @property
    def st_mode(self) -> int: ...  # noqa: D102
    @property
    def st_uid(self) -> int: ...  # noqa: D102
    @property
    def st_gid(self) -> int: ...  # noqa: D102


class Content(NamedTuple):
    """A file that was read completely into memory."""

    file: FileToRead
    status: FileStatus  # when it was opened
    settled: bool  # the next change will change its time stamps
    data: bytes
    sha256: str
    trouble: str = ""  # a code of a finding


class TooLarge(NamedTuple):
    """A file that is larger than a pack, and was not read."""

    file: FileToRead


class NotRead(NamedTuple):
    """A file that could not be read; `trouble` is the code of a finding."""

    file: FileToRead
    trouble: str


Read = Content | TooLarge | NotRead


class FileFailed(Exception):
    """A file could not be read. The text is the code of a finding."""


class FileBeingRead(Protocol):
    """A file that is read, as a context manager. Failures of the file are `FileFailed`, unlike all others."""

    @property
    def status(self) -> FileStatus:
        """When it was opened."""

    @property
    def settled(self) -> bool:
        """Whether the next change will change its time stamps, or whatever tells that it is unchanged."""

    def blocks(self) -> Iterator[bytes]:
        """The file's bytes."""

    def changed(self, size: int) -> bool:
        """Whether the file changed since it was opened; `size` is the number of bytes read."""

    def __enter__(self) -> Self:
        """Open it."""

    def __exit__(self, *_: object) -> None:
        """Close it."""


Opening = Callable[[FileToRead], AbstractContextManager[FileBeingRead]]
"""Opens a file of a root."""


def read_ahead(opening: Opening, files: Iterable[FileToRead], threads: Executor, *, ahead: int) -> Iterator[list[Read]]:
    """Read files in order, in groups of at most 64 files or 1 MiB; the next `ahead` groups are read meanwhile.

    Args:
        opening: opens a file.
        files: the files to read.
        threads: read the groups.
        ahead: the number of groups to read in advance.
    """
    return in_order(threads, lambda group: [_read(opening, file) for file in group], _groups(files), ahead=ahead)


def in_order(
    threads: Executor, work: Callable[[_Given], _Made], given: Iterable[_Given], *, ahead: int
) -> Iterator[_Made]:
    """The results of `work` for each item, in the order of the items, on several threads, at most `ahead` in advance."""
    pending: deque[Future[_Made]] = deque()
    for one in given:
        pending.append(threads.submit(work, one))
        if len(pending) > ahead:
            yield pending.popleft().result()
    while pending:
        yield pending.popleft().result()


def _groups(files: Iterable[FileToRead]) -> Iterator[list[FileToRead]]:
    group: list[FileToRead] = []
    size = 0
    for file in files:
        if group and (size + file.size > _GROUP_BYTES or len(group) == _GROUP_FILES):
            yield group
            group, size = [], 0
        group.append(file)
        size += file.size
    if group:
        yield group


def _read(opening: Opening, file: FileToRead) -> Read:
    try:
        read = _read_once(opening, file)
        if isinstance(read, Content) and read.trouble:
            read = _read_once(opening, file)
    except FileFailed as failed:
        return NotRead(file, str(failed))
    return read


def _read_once(opening: Opening, file: FileToRead) -> Content | TooLarge:
    with opening(file) as reading:
        if reading.status.st_size > PACK_BYTES:
            return TooLarge(file)
        data = b"".join(reading.blocks())
        changed = reading.changed(len(data))
    return Content(
        file,
        reading.status,
        reading.settled and not changed,
        data,
        hashlib.sha256(data).hexdigest(),
        "file-changed-while-read" if changed else "",
    )


class OpenFile:
    """A file opened for reading. It distinguishes failures of the file (`FileFailed`) from all others."""

    def __init__(self, base: bytes, file: FileToRead) -> None:
        self._path = base + b"/" + file.path
        self._flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (0 if file.link else os.O_NOFOLLOW)

    def __enter__(self) -> OpenFile:
        try:
            self._descriptor = open_file(self._path, self._flags)
        except FileNotFoundError as error:
            raise FileFailed("file-vanished") from error
        except OSError as error:
            raise FileFailed("file-unreadable") from error
        self.status = os.fstat(self._descriptor)
        if not stat.S_ISREG(self.status.st_mode):
            os.close(self._descriptor)
            raise FileFailed("file-unreadable")
        newest = max(self.status.st_mtime_ns, self.status.st_ctime_ns)
        coarse = self.status.st_ctime_ns % 1_000_000_000 == 0
        self.settled = time.time_ns() - newest > (_YOUNG_COARSE_NS if coarse else _YOUNG_NS)
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def blocks(self) -> Iterator[bytes]:
        """The file's bytes in blocks, at most as many as it had when it was opened, because a file may grow faster than it is read."""
        left = self.status.st_size
        while left:
            try:
                block = os.read(self._descriptor, min(BLOCK, left))
            except OSError as error:
                raise FileFailed("file-unreadable") from error
            if not block:
                return
            left -= len(block)
            yield block

    def changed(self, size: int) -> bool:
        """Whether the file changed since it was opened; `size` is the number of bytes read."""
        now = os.fstat(self._descriptor)
        before = self.status
        return (size, now.st_size, now.st_mtime_ns) != (before.st_size, before.st_size, before.st_mtime_ns)


def open_file(path: bytes, flags: int) -> int:
    """Open a file of the EDMS. A backup opens such files only here."""
    return open_path(path, flags)
