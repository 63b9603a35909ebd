"""Keep what runs in a dump's throwaway file within the dump's limits, and let it be ended from outside."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from edms_tasks.databases.bounded_work import BoundedWork
from edms_tasks.databases.dumps import Dump
from edms_tasks.errors import TransientError

_Made = TypeVar("_Made")
_STEPS = 20_000
"""Instructions of SQLite between two looks whether it is to end: some milliseconds."""
_ROOM = 64 << 20


def bounded(dump: Dump, path: Path, work: Callable[[threading.Event], _Made]) -> _Made:
    """What `work` returns, which gets the event that ends it.

    Raises:
        DumpLimitReached: it takes longer, or the file is larger, than the dump's limits allow.
    """
    ended = threading.Event()
    return BoundedWork(dump, lambda: path.stat().st_size if path.exists() else 0, ended.set).run(lambda: work(ended))


def end_with(connection: sqlite3.Connection, ended: threading.Event) -> None:
    """Let the event end the statement that runs: it fails as interrupted."""
    connection.set_progress_handler(ended.is_set, _STEPS)


def bound_size(connection: sqlite3.Connection, dump: Dump) -> None:
    """Let no statement make the file larger than the dump may."""
    page = int(connection.execute("PRAGMA page_size").fetchone()[0])
    connection.execute(f"PRAGMA max_page_count = {min(dump.limits.size // page + 1, 2**31 - 1)}")


def require_going_on(error: Exception, ended: threading.Event, dump: Dump, path: Path) -> None:
    """Raise where a statement failed because it was ended, or because there is no room: the next would fail as well.

    Raises:
        DumpLimitReached: the file is as large as it may become.
        TransientError: it was ended, or the disk is full.
    """
    full = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
    # SQLite says the same of a full disk.
    if full and shutil.disk_usage(path.parent).free > _ROOM:
        raise BoundedWork(dump, lambda: 0, ended.set).too_large() from error
    if full or ended.is_set():
        raise TransientError(
            "SQLite could not go on with the dump.",
            where=str(path),
            why=str(error),
            fix="Make room on the disk of workdir, and convert the dump again. Nothing was kept.",
        ) from error
