"""The database of a system of `merged_systems.py`, on either engine: the statements are the same, with `?` for parameters."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

import psycopg


class Connected:
    """A connection on which statements run."""

    def __init__(self, connection: sqlite3.Connection | psycopg.Connection) -> None:
        self._connection = connection

    def execute(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a statement; returns its rows, if it has any."""
        if isinstance(self._connection, sqlite3.Connection):
            return self._connection.execute(statement, values).fetchall()
        cursor = self._connection.execute(statement.replace("?", "%s").encode(), values or None)
        return cursor.fetchall() if cursor.description else []

    def ignore_references(self) -> None:
        """Allow references to rows that are not there, until the connection is closed."""
        if isinstance(self._connection, sqlite3.Connection):
            self._connection.execute("PRAGMA foreign_keys = OFF")
        else:
            self._connection.execute("SET session_replication_role = replica")


@contextmanager
def connected(url: str) -> Iterator[Connected]:
    """A connection to a file or a database of a server; what was written is committed at the end."""
    if url.startswith("sqlite:///"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as lite, lite:
            yield Connected(lite)
        return
    with psycopg.connect(url) as postgres:
        yield Connected(postgres)
