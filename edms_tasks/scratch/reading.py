"""One DuckDB for all that a process reads from Parquet files straight through: making one a table costs more than small tables do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import duckdb


@contextmanager
def reading() -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection of the caller's own that keeps rows in order and writes times in UTC; make no tables in it."""
    with _engine().cursor() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection


@cache
def _engine() -> duckdb.DuckDBPyConnection:
    # A query runs on its caller's thread alone. Nothing of a file is kept: another run's may have its name.
    config: dict[str, str | bool | int | float | list[str]] = {
        "threads": 1,
        "preserve_insertion_order": True,
        "enable_external_file_cache": False,
    }
    return duckdb.connect(config=config)
