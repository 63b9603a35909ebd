"""One DuckDB in a process for plain reads of Parquet files: creating one for each table costs more than reading a small table."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import duckdb


@contextmanager
def reading() -> Iterator[duckdb.DuckDBPyConnection]:
    """A cursor that keeps the order of rows and converts times to UTC. Do not create tables in it: all callers share the database."""
    with _engine().cursor() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection


@cache
def _engine() -> duckdb.DuckDBPyConnection:
    # One thread: a query runs on its caller's. No file cache: another run may reuse a file's name.
    config: dict[str, str | bool | int | float | list[str]] = {
        "threads": 1,
        "preserve_insertion_order": True,
        "enable_external_file_cache": False,
    }
    return duckdb.connect(config=config)
