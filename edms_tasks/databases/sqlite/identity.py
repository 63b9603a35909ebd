"""Identify a database file, and detect whether it was written to since."""

from __future__ import annotations

import os
from pathlib import Path

from edms_tasks.errors import TargetChanged

_CHANGE_COUNTER = slice(24, 28)  # https://sqlite.org/fileformat.html#file_change_counter


def identity(path: Path) -> str:
    """The file itself, wherever a link leads to; "" where there is none."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return ""
    return f"file {status.st_dev}:{status.st_ino}"


def fingerprint(path: Path) -> str:
    """The identity, and what changes with every write."""
    status = path.stat()
    with path.open("rb") as file:
        counter = file.read(_CHANGE_COUNTER.stop)[_CHANGE_COUNTER].hex()
    log = Path(f"{path}-wal")
    waiting = log.stat().st_size if log.exists() else 0
    return f"{identity(path)} size {status.st_size} written {status.st_mtime_ns} counter {counter} log {waiting}"


def require_same(path: Path, expected: str) -> None:
    """Raises TargetChanged where the file is not what `fingerprint` or `identity` said; "" expects nothing."""
    found = "" if not path.exists() else fingerprint(path)
    if expected and found != expected and identity(path) != expected:
        raise TargetChanged(
            "The database to be promoted is not the one that was validated.",
            where=str(path),
            why=f"It should be {expected}, and is {found or 'not there'}.",
            fix="Nothing was changed. Find out what writes to that folder, and run the restore again.",
        )


def beside(name: str, suffix: str) -> Path:
    """A file beside a database: beside the file itself, where a link leads to it."""
    return Path(os.path.realpath(name) + suffix)
