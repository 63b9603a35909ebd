"""Make a replaced database file refuse writes, and undo that.

A process that still has the old file open would commit into it, and those rows would be lost. So the header's write version
(byte 18, sqlite.org/fileformat2.html#file_format_version_numbers) is set to one that no SQLite knows: a connection that reads
the header then treats the file as read-only, and its next write fails with "attempt to write a readonly database". The change
counter is raised too, so that connections with a cached header read it again. Reading the file still works.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_MAGIC = b"SQLite format 3\0"
_HEADER_BYTES = 100
_WRITE_VERSION = 18
_CHANGE_COUNTER = 24
_RETIRED = {"delete": 3, "wal": 4}  # journal mode -> our mark; SQLite itself writes 1 and 2


class OpenedFile:
    """A database file by its descriptor, whatever its name is by now."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def retire(self, *, was_wal: bool) -> None:
        """Make the file refuse writes. The mark keeps the journal mode for `revive`. Does nothing if it is marked already."""
        header = os.pread(self._descriptor, _HEADER_BYTES, 0)
        if self._is_database(header) and header[_WRITE_VERSION] in _RETIRED.values():
            return
        self._write(_RETIRED["wal" if was_wal else "delete"], 1)

    def revive(self) -> None:
        """Allow writes again, in the journal mode that the file had. Does nothing if the file is not marked."""
        modes = {mark: mode for mode, mark in _RETIRED.items()}
        header = os.pread(self._descriptor, _HEADER_BYTES, 0)
        mode = modes.get(header[_WRITE_VERSION]) if self._is_database(header) else None
        if mode is not None:
            version = 2 if mode == "wal" else 1
            self._write(version, version)

    def _write(self, write_version: int, read_version: int) -> None:
        header = os.pread(self._descriptor, _HEADER_BYTES, 0)
        if not self._is_database(header):
            return  # SQLite does not write to such a file either
        (counter,) = struct.unpack_from(">I", header, _CHANGE_COUNTER)
        os.pwrite(self._descriptor, struct.pack(">I", (counter + 1) % 2**32), _CHANGE_COUNTER)
        os.pwrite(self._descriptor, bytes([write_version, read_version]), _WRITE_VERSION)
        os.fsync(self._descriptor)

    @staticmethod
    def _is_database(header: bytes) -> bool:
        return len(header) == _HEADER_BYTES and header.startswith(_MAGIC)


@contextmanager
def opened(path: Path) -> Iterator[OpenedFile]:
    """Open a file to retire or revive it. Close it last: closing it releases all locks of this process on the file."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        yield OpenedFile(descriptor)
    finally:
        os.close(descriptor)
