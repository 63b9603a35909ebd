"""Make a replaced database file refuse writes, so that nobody continues to write to it unnoticed; and undo that.

A process that still has the old file open would commit into it, and nobody would ever see those rows. So the header's
write version (byte 18, sqlite.org/fileformat2.html#file_format_version_numbers) is set to one that no SQLite knows: every connection
that reads the header then treats the file as read-only, and its next write fails with "attempt to write a readonly
database". The change counter is raised with it, so that connections with a cached header read it again. Reading the file goes on working.
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
_RETIRED = {"delete": 3, "wal": 4}  # 1 and 2 are what SQLite itself writes for these


class OpenedFile:
    """The file by its descriptor, wherever its name points by now."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def retire(self, *, was_wal: bool) -> None:
        """Refuse writes from now on; the mark remembers the journal mode the file is to have again. Once is enough."""
        header = os.pread(self._descriptor, _HEADER_BYTES, 0)
        if self._is_database(header) and header[_WRITE_VERSION] in _RETIRED.values():
            return
        self._write(_RETIRED["wal" if was_wal else "delete"], 1)

    def revive(self) -> None:
        """Take writes again, in the journal mode it had; a file that is not retired stays as it is."""
        modes = {mark: mode for mode, mark in _RETIRED.items()}
        header = os.pread(self._descriptor, _HEADER_BYTES, 0)
        mode = modes.get(header[_WRITE_VERSION]) if self._is_database(header) else None
        if mode is not None:
            version = 2 if mode == "wal" else 1
            self._write(version, version)

    def _write(self, write_version: int, read_version: int) -> None:
        header = os.pread(self._descriptor, _HEADER_BYTES, 0)
        if not self._is_database(header):
            return  # no SQLite writes to it either
        (counter,) = struct.unpack_from(">I", header, _CHANGE_COUNTER)
        os.pwrite(self._descriptor, struct.pack(">I", (counter + 1) % 2**32), _CHANGE_COUNTER)
        os.pwrite(self._descriptor, bytes([write_version, read_version]), _WRITE_VERSION)
        os.fsync(self._descriptor)

    @staticmethod
    def _is_database(header: bytes) -> bool:
        return len(header) == _HEADER_BYTES and header.startswith(_MAGIC)


@contextmanager
def opened(path: Path) -> Iterator[OpenedFile]:
    """Open a file to retire or revive it. Closing it gives up this process's locks on the file: close it last."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        yield OpenedFile(descriptor)
    finally:
        os.close(descriptor)
