"""Read files of the EDMS with several threads, in order, and detect files that change while they are read.

A file that changes while it is read is read once more, then taken as it was read. What cannot be read is said, with a
code of a finding; it never ends a backup.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from typing import NamedTuple, TypeVar

from edms_tasks.files.deep_paths import open_path
from edms_tasks.files.index import PACK_BYTES

BLOCK = 1024 * 1024

# Enough for a thread to be worth its while, so little that the memory of all of them does not count.
_GROUP_BYTES = 1024 * 1024
_GROUP_FILES = 64

# A change so soon after the one that was seen may leave the same time stamps behind; file systems that keep whole
# seconds need a longer wait. Rows this young are never taken for unchanged.
_YOUNG_NS = 100_000_000
_YOUNG_COARSE_NS = 2_000_000_000


_Given = TypeVar("_Given")
_Made = TypeVar("_Made")


class Wanted(NamedTuple):
    """A file to be read."""

    position: int  # in the listing
    path: bytes
    link: bool  # a symbolic link, to be followed
    size: int  # when it was listed


class Content(NamedTuple):
    """A file that was read."""

    file: Wanted
    status: os.stat_result  # when it was opened
    settled: bool  # its time stamps will tell the next change
    data: bytes
    sha256: str
    trouble: str = ""  # a code of a finding


class TooLarge(NamedTuple):
    """A file that is larger than a pack: it was opened, and not read."""

    file: Wanted


class NotRead(NamedTuple):
    """A file that could not be read, and why: a code of a finding."""

    file: Wanted
    trouble: str


Read = Content | TooLarge | NotRead


class FileFailed(Exception):
    """The file, not the repository, failed; `str` of it is a code of a finding."""


def read_ahead(base: bytes, files: Iterable[Wanted], threads: Executor, *, ahead: int) -> Iterator[list[Read]]:
    """Read all files, in order, a group at a time; `ahead` groups more are being read meanwhile."""
    return in_order(threads, lambda group: [_read(base, file) for file in group], _groups(files), ahead=ahead)


def in_order(
    threads: Executor, work: Callable[[_Given], _Made], given: Iterable[_Given], *, ahead: int
) -> Iterator[_Made]:
    """The results of `work` for each item, in order, by several threads, at most `ahead` in advance."""
    pending: deque[Future[_Made]] = deque()
    for one in given:
        pending.append(threads.submit(work, one))
        if len(pending) > ahead:
            yield pending.popleft().result()
    while pending:
        yield pending.popleft().result()


def _groups(files: Iterable[Wanted]) -> Iterator[list[Wanted]]:
    group: list[Wanted] = []
    size = 0
    for file in files:
        if group and (size + file.size > _GROUP_BYTES or len(group) == _GROUP_FILES):
            yield group
            group, size = [], 0
        group.append(file)
        size += file.size
    if group:
        yield group


def _read(base: bytes, file: Wanted) -> Read:
    try:
        read = _read_once(base, file)
        if isinstance(read, Content) and read.trouble:
            read = _read_once(base, file)
    except FileFailed as failed:
        return NotRead(file, str(failed))
    return read


def _read_once(base: bytes, file: Wanted) -> Content | TooLarge:
    with Reading(base, file) as reading:
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


class Reading:
    """A file open for reading; tells errors of the file from errors of everything else."""

    def __init__(self, base: bytes, file: Wanted) -> None:
        self._path = base + b"/" + file.path
        self._flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (0 if file.link else os.O_NOFOLLOW)

    def __enter__(self) -> Reading:
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
        """The file's bytes, no more than it had when it was opened: a file that grows for ever is read once."""
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
        """Whether the file changed since it was opened."""
        now = os.fstat(self._descriptor)
        before = self.status
        return (size, now.st_size, now.st_mtime_ns) != (before.st_size, before.st_size, before.st_mtime_ns)


def open_file(path: bytes, flags: int) -> int:
    """The one place where a backup opens a file of the EDMS."""
    return open_path(path, flags)
