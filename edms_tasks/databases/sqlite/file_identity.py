"""Identify a database file, and detect that it was written to."""

from __future__ import annotations

import os
from pathlib import Path

from edms_tasks.errors import TargetChanged

_CHANGE_COUNTER = slice(24, 28)  # https://sqlite.org/fileformat.html#file_change_counter


def identity(path: Path) -> str:
    """The file's device and inode (of the file that a link leads to); "" if it does not exist."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return ""
    return f"file {status.st_dev}:{status.st_ino}"


def fingerprint(path: Path) -> str:
    """The identity, and values that change with every write: size, time, change counter, size of the log."""
    status = path.stat()
    with path.open("rb") as file:
        counter = file.read(_CHANGE_COUNTER.stop)[_CHANGE_COUNTER].hex()
    log = Path(f"{path}-wal")
    waiting = log.stat().st_size if log.exists() else 0
    return f"{identity(path)} size {status.st_size} written {status.st_mtime_ns} counter {counter} log {waiting}"


def require_same(path: Path, expected: str) -> None:
    """Check that a file's `fingerprint` or `identity` is the expected one ("": no check). Raises TargetChanged."""
    found = "" if not path.exists() else fingerprint(path)
    if expected and found != expected and identity(path) != expected:
        raise TargetChanged(
            "The database to be promoted is not the one that was validated.",
            where=str(path),
            why=f"It should be {expected}, and is {found or 'not there'}.",
            fix="Nothing was changed. Find out what writes to that folder, and run the restore again.",
        )


def beside(name: str, suffix: str) -> Path:
    """The path of a file beside a database; if `name` is a link, beside the file that it leads to."""
    return Path(os.path.realpath(name) + suffix)
