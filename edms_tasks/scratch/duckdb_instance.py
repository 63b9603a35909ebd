"""DuckDB databases in memory, one after another in few instances: making an instance costs more than a small table's queries.

Each database is empty, and its instance has one user at a time. An instance is not used again after an error, nor if it has
overflowed to disk, because the folder of that is gone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb

from edms_tasks.quoting import literal

DATABASE = "work"
"""The name of the database in its instance."""

_MOST_IDLE = 3
_idle: list[
    tuple[int, duckdb.DuckDBPyConnection]
] = []  # with the process that made it: its threads do not survive a fork


@contextmanager
def open_instance(
    folder: Path, *, memory_limit_mb: int, threads: int, keeps_order: bool, caches_files: bool
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to an empty database of its own; data beyond the memory limit overflows to `folder`."""
    instance = _idle_instance() or _new_instance()
    try:
        instance.execute(f"""
            SET memory_limit = '{int(memory_limit_mb)}MB';
            SET threads = {int(threads)};
            SET temp_directory = {literal(str(folder))};
            SET preserve_insertion_order = {str(keeps_order).lower()};
            SET enable_external_file_cache = {str(caches_files).lower()};
            ATTACH ':memory:' AS {DATABASE}
        """)
        with cursor_of(instance) as connection:  # temporary tables and settings of a session end with it
            yield connection
    except BaseException:
        instance.close()
        raise
    _give_back(instance)


@contextmanager
def cursor_of(connection: duckdb.DuckDBPyConnection) -> Iterator[duckdb.DuckDBPyConnection]:
    """Another connection to the same database, for a thread of its own; times are in UTC."""
    with connection.cursor() as cursor:
        cursor.execute(f"USE {DATABASE}")
        yield cursor


def _idle_instance() -> duckdb.DuckDBPyConnection | None:
    with suppress(IndexError):  # there is none
        process, instance = _idle.pop()
        if process == os.getpid():
            return instance
        _idle.append((process, instance))  # left alone: closing it would wait for its threads
    return None


def _new_instance() -> duckdb.DuckDBPyConnection:
    instance = duckdb.connect(":memory:")
    # DuckDB must not download extensions, and the text of timestamps must not depend on the machine.
    instance.execute("""
        SET autoinstall_known_extensions = false;
        SET autoload_known_extensions = false;
        SET GLOBAL TimeZone = 'UTC'
    """)
    return instance


def _give_back(instance: duckdb.DuckDBPyConnection) -> None:
    try:
        # Files are no longer cached: a later database may have other files of the same names.
        instance.execute(f"DETACH {DATABASE}; SET enable_external_file_cache = false")
        instance.execute("SET temp_directory = ''")
        # DuckDB keeps the memory of what was dropped until the number of its threads changes.
        instance.execute("SET threads = 2; SET threads = 1")
    except duckdb.Error:  # it has overflowed to disk, or a cursor is still at work
        instance.close()
        return
    if len(_idle) < _MOST_IDLE:
        _idle.append((os.getpid(), instance))
    else:
        instance.close()
