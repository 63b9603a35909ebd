"""A table of PostgreSQL that is too large to be under way at once between the server and its reader, while it is read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from edms_tasks.databases import DatabaseAddress, open_database
from edms_tasks.databases.protocol import Part, View

ROWS = 30_000


@contextmanager
def arriving_rows(url: str, folder: Path) -> Iterator[tuple[psycopg.Connection[Any], View, Iterator[Any]]]:
    """Another session of the server, the view, and the pieces of its only table that follow the first."""
    with psycopg.connect(url, autocommit=True) as other:
        other.execute(f"CREATE UNLOGGED TABLE t AS SELECT repeat('x', 1900) AS a FROM generate_series(1, {ROWS})")
        with open_database(DatabaseAddress.from_url(url)).view(folder, 1) as view:
            (table,) = view.tables()
            pieces = view.batches(table, view.measure(table), Part("", 0), 100)
            next(pieces)
            yield other, view, pieces
