"""Find the processes that have an SQLite file open, by its locks and by the open files of processes.

A connection in WAL mode keeps a shared lock on the file while it is open, idle or not, and the kernel shows it across
containers. An idle connection in other journal modes holds no lock: only the process's list of open files shows it, and only
for processes that this user may examine. `retired_file.py` protects against those that neither shows.
"""

from __future__ import annotations

import fcntl
import os
import struct
import sys
from pathlib import Path

_FLOCK = "@hhqqi4x"  # struct flock on 64-bit Linux: kind, whence, start, length, holder
_PENDING_BYTE = 0x40000000  # this byte and the 511 that follow carry SQLite's locks (sqlite.org/fileformat2.html#the_lock_byte_page)
_LOCK_BYTES = 512
_NAMED = 5


def users(path: Path, *, locks: bool = True) -> tuple[str, ...]:
    """Other processes that have the database open or locked, as texts: "4711 (python manage.py runserver)".

    With `locks` it opens and closes the file, which releases all locks of this process on it: never use it while holding one.
    """
    if sys.platform != "linux" or not path.exists():
        return ()
    found = _with_open_files(path)
    holder = _lock_holder(path) if locks else None
    if holder is not None and holder not in found:
        found[holder] = _command(holder)
    return tuple(f"{pid} ({command})" if pid > 0 else command for pid, command in sorted(found.items()))


def describe_users(found: tuple[str, ...]) -> str:
    """The processes in one sentence."""
    more = f", and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return f"Open in: process {', '.join(found[:_NAMED])}{more}."


def _with_open_files(path: Path) -> dict[int, str]:
    """Process id -> command of processes that have the file, its log or the log's index open. Only root sees other users' processes."""
    wanted = set()
    for companion in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
        if companion.exists():
            status = companion.stat()
            wanted.add((status.st_dev, status.st_ino))
    found: dict[int, str] = {}
    for process in os.scandir("/proc"):
        if process.name.isdigit() and int(process.name) != os.getpid() and _has_open(process.path, wanted):
            found[int(process.name)] = _command(int(process.name))
    return found


def _has_open(process: str, wanted: set[tuple[int, int]]) -> bool:
    """Whether a process, as its folder in /proc, has one of these files (device, inode) open. There may be thousands of descriptors."""
    try:
        with os.scandir(f"{process}/fd") as descriptors:
            return any(_identity(descriptor) in wanted for descriptor in descriptors)
    except OSError:
        return False  # it has ended, or belongs to another user


def _identity(descriptor: os.DirEntry[str]) -> tuple[int, int] | None:
    try:
        status = descriptor.stat()
    except OSError:
        return None  # closed meanwhile
    return status.st_dev, status.st_ino


def _lock_holder(path: Path) -> int | None:
    """The id of the process with one of SQLite's locks; 0 if it is in another container or host, None if there is none."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except OSError:
        return None  # a user who may not write it cannot swap it either; that is reported there
    try:
        asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, _PENDING_BYTE, _LOCK_BYTES, 0)
        kind, _, _, _, holder = struct.unpack(_FLOCK, fcntl.fcntl(descriptor, fcntl.F_GETLK, asked))
    except OSError:
        return None  # a file system without locks: SQLite's own test decides at the swap
    finally:
        os.close(descriptor)
    return None if kind == fcntl.F_UNLCK else max(int(holder), 0)


def _command(pid: int) -> str:
    """The first words of a process's command line, without options, which may contain secrets."""
    if pid <= 0:
        return "a process of another container or host"
    try:
        words = (Path("/proc") / str(pid) / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
    except OSError:
        return "unknown command"
    plain = [Path(word).name for word in words[:4] if word and not word.startswith("-") and "=" not in word]
    return " ".join(word[:40] for word in plain) or "unknown command"
