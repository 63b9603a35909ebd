"""A database opened for direct changes: its tables, and the SQL expressions that differ between engines."""

from __future__ import annotations

import hashlib
import random
import re
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from typing import Any, Protocol

import psycopg

from edms_tasks.databases.postgresql import catalogue as postgresql_catalogue
from edms_tasks.databases.postgresql.connection import OwnNames
from edms_tasks.databases.postgresql.table_ids import TableIds
from edms_tasks.databases.sqlite import catalogue as sqlite_catalogue
from edms_tasks.inventory.model import Column, Table
from edms_tasks.quoting import identifier, literal

_NAMES = OwnNames("public", ("public",), {})
_LATER = timedelta(days=30, hours=1, minutes=2, seconds=3, microseconds=456_789)


class OpenDatabase(Protocol):
    """Statements and expressions. An expression takes SQL and returns SQL; `k` is SQL for the number of a copy."""

    tables: tuple[Table, ...]

    def run(self, statement: str) -> int:
        """Run a statement; returns how many rows it changed."""

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""

    def series(self, last: int) -> str:
        """SQL: a relation `copy(k)` of the numbers from 1."""

    def uuid(self, value: str, k: str) -> str:
        """SQL: a different UUID, the same for the same UUID and number."""

    def uuid_text(self, value: str, k: str) -> str:
        """SQL: the same for a UUID in a text column, with hyphens."""

    def hex64(self, value: str, k: str) -> str:
        """SQL: 64 different hexadecimal digits, the same for the same digits and number."""

    def later(self, value: str, k: str) -> str:
        """SQL: a time that is later by `k` times about a month."""

    def shuffled(self, value: str, k: str) -> str:
        """SQL: the same words in another order."""

    def at_random(self, chance: float) -> str:
        """SQL: true for this share of the rows."""

    def is_number(self, value: str) -> str:
        """SQL: whether a text consists of digits."""

    def is_uuid(self, column: Column) -> bool:
        """Whether a column has UUIDs."""

    def is_json(self, table: Table, column: Column) -> bool:
        """Whether a column has JSON."""

    def reset_sequences(self, tables: Iterable[Table]) -> None:
        """Set the sequences to the highest keys."""


@contextmanager
def open_database(url: str) -> Iterator[OpenDatabase]:
    """Open the database at the URL of a reference EDMS. No trigger fires; all changes are committed together or not at all."""
    with (_sqlite if url.startswith("sqlite:///") else _postgresql)(url) as database:
        yield database


def name_of(table: Table) -> str:
    """A table's quoted name."""
    return identifier(table.schema_name, table.name) if table.schema_name else identifier(table.name)


class _Postgresql:
    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self.changed = False
        self.tables = postgresql_catalogue.read_tables(connection, TableIds(connection, _NAMES))

    def run(self, statement: str) -> int:
        self.changed = True
        return self._connection.execute(statement.encode()).rowcount

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return self._connection.execute(query.encode()).fetchall()

    def series(self, last: int) -> str:
        return f"generate_series(1, {last}) AS copy(k)"

    def uuid(self, value: str, k: str) -> str:
        return f"md5(replace({value}::text, '-', '') || {k})::uuid"

    def uuid_text(self, value: str, k: str) -> str:
        return f"{self.uuid(value, k)}::text"

    def hex64(self, value: str, k: str) -> str:
        return f"md5({value} || {k}) || md5({k} || {value})"

    def later(self, value: str, k: str) -> str:
        return (
            f"{value} + {k} * interval '{_LATER.days} days {_LATER.seconds} seconds {_LATER.microseconds} microseconds'"
        )

    def shuffled(self, value: str, k: str) -> str:
        return f"(SELECT string_agg(word, ' ' ORDER BY random()) FROM unnest(string_to_array({value}, ' ')) word)"

    def at_random(self, chance: float) -> str:
        return f"random() < {chance:.9f}"

    def is_number(self, value: str) -> str:
        return f"{value} ~ '^[0-9]+$'"

    def is_uuid(self, column: Column) -> bool:
        return column.logical_type == "uuid"

    def is_json(self, table: Table, column: Column) -> bool:
        return column.logical_type == "json"

    def reset_sequences(self, tables: Iterable[Table]) -> None:
        for table in tables:
            for column in table.columns:
                if column.identity:
                    self.run(
                        f"SELECT setval(pg_get_serial_sequence({literal(name_of(table))}, {literal(column.name)}), "
                        f"max({identifier(column.name)})) FROM {name_of(table)}"
                    )


@contextmanager
def _postgresql(url: str) -> Iterator[OpenDatabase]:
    with psycopg.connect(url) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("SELECT setseed(0.5)")
        database = _Postgresql(connection)
        yield database
        connection.commit()
        if database.changed:
            connection.autocommit = True
            connection.execute("VACUUM ANALYZE")  # or the server does it later, while something is measured


class _Sqlite:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.tables = sqlite_catalogue.read_tables(connection)

    def run(self, statement: str) -> int:
        return self._connection.execute(statement).rowcount

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return self._connection.execute(query).fetchall()

    def series(self, last: int) -> str:
        return (
            "(WITH RECURSIVE numbers(k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM numbers "
            f"WHERE k < {last}) SELECT k FROM numbers) AS copy"
        )

    def uuid(self, value: str, k: str) -> str:
        return f"md5({value} || {k})"

    def uuid_text(self, value: str, k: str) -> str:
        return f"hyphenated(md5(replace({value}, '-', '') || {k}))"

    def hex64(self, value: str, k: str) -> str:
        return f"md5({value} || {k}) || md5({k} || {value})"

    def later(self, value: str, k: str) -> str:
        return f"later({value}, {k})"

    def shuffled(self, value: str, k: str) -> str:
        return f"shuffled({value}, {k})"

    def at_random(self, chance: float) -> str:
        return f"abs(random() % 1000000000) < {round(chance * 1e9)}"

    def is_number(self, value: str) -> str:
        return f"({value} <> '' AND {value} NOT GLOB '*[^0-9]*')"

    def is_uuid(self, column: Column) -> bool:
        return column.native_type == "char(32)"  # as Django declares it

    def is_json(self, table: Table, column: Column) -> bool:
        # Django declares JSON as text and adds a check.
        ((made_by,),) = self.rows(
            f"SELECT sql FROM sqlite_master WHERE type = 'table' AND name = {literal(table.name)}"
        )
        return re.search(rf"JSON_VALID\({re.escape(identifier(column.name))}\)", made_by, re.IGNORECASE) is not None

    def reset_sequences(self, tables: Iterable[Table]) -> None:
        """Nothing: SQLite keeps count by itself."""


@contextmanager
def _sqlite(url: str) -> Iterator[OpenDatabase]:
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)) as connection:
        for function, arguments in ((_md5, 1), (_hyphenated, 1), (_later, 2), (_shuffled, 2)):
            connection.create_function(function.__name__[1:], arguments, function, deterministic=True)
        connection.execute("PRAGMA synchronous = OFF")
        triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        connection.execute("BEGIN")
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {identifier(name)}")
        yield _Sqlite(connection)
        for _, made_by in triggers:
            connection.execute(made_by)
        connection.execute("COMMIT")


def _md5(value: str | None) -> str | None:
    return None if value is None else hashlib.md5(value.encode(), usedforsecurity=False).hexdigest()


def _hyphenated(digits: str | None) -> str | None:
    return digits and "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _later(value: str | None, k: int) -> str | None:
    # As Django writes times into SQLite: in UTC, without a zone.
    return value and str(datetime.fromisoformat(value) + k * _LATER)


def _shuffled(value: str, k: int) -> str:
    words = value.split(" ")
    random.Random(k).shuffle(words)
    return " ".join(words)
