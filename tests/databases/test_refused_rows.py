"""A database says which rows its unique keys and checks refuse, those of some rows only and of computed values among them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from edms_tasks.databases import DatabaseAddress, open_database
from edms_tasks.databases.postgresql.connection import connected
from edms_tasks.manifest import TableEntry, TableState
from tests.postgres_server import PostgresServer

_TABLE = """
    CREATE TABLE doc (id integer PRIMARY KEY, name varchar(20) NOT NULL, owner integer, state varchar(10) NOT NULL,
                      size integer NOT NULL CHECK (size >= 0))
"""
_INDEXES = [
    "CREATE UNIQUE INDEX one_active ON doc (name) WHERE state = 'active'",
    "CREATE UNIQUE INDEX one_shared ON doc (name) WHERE owner IS NULL",
    "CREATE UNIQUE INDEX one_spelling ON doc (lower(name), owner)",
]
_ROWS = [
    (1, "A", 5, "active", 1),
    (2, "A", 6, "active", 1),  # active as the first one
    (3, "A", 7, "old", 1),
    (4, "B", None, "old", 1),
    (5, "B", None, "old", 1),  # of nobody as the one before
    (6, "a", 7, "old", 1),  # spelled otherwise, of the same owner as the third
    (7, "C", 8, "old", -1),  # less than nothing
]


@pytest.fixture(params=["sqlite", "postgresql"])
def address(
    request: pytest.FixtureRequest, tmp_path: Path, postgres_server: PostgresServer
) -> Iterator[DatabaseAddress]:
    if request.param == "sqlite":
        path = tmp_path / "db.sqlite3"
        with closing(sqlite3.connect(path)) as connection:
            for statement in (_TABLE, *_INDEXES):
                connection.execute(statement)
        yield DatabaseAddress(engine="sqlite", name=str(path))
        return
    url = postgres_server.create_database("refused_rows")
    with postgres_server.connect("refused_rows") as server:
        for statement in (_TABLE, *_INDEXES):
            server.execute(statement.encode())
    yield DatabaseAddress.from_url(url)
    postgres_server.drop_database("refused_rows")


def test_the_rows_that_constraints_refuse_are_named(address: DatabaseAddress, tmp_path: Path) -> None:
    database = open_database(address)
    (tmp_path / "view").mkdir()
    with database.view(tmp_path / "view", 1) as view:
        (table,) = view.tables()
    native = address.engine == "sqlite"
    columns = zip(*_ROWS, strict=True)
    values = [[one if native or one is None else str(one) for one in column] for column in columns]
    names = [column.name for column in table.columns]
    pq.write_table(pa.table(dict(zip(names, values, strict=True))), tmp_path / "chunk.parquet")
    encodings = dict.fromkeys(names, "native" if native else "output")
    entry = TableEntry(table=table, natural_key=None, encodings=encodings, state=TableState(rows=7), chunks=())

    found = [*database.refused_rows(entry, [tmp_path / "chunk.parquet"])]

    groups: dict[tuple[str, str], set[str]] = {}
    for row in found:
        groups.setdefault((row.constraint, row.group), set()).add(*row.key)
    together = [(name, ids) for (name, group), ids in groups.items() if group]
    assert sorted(together) == [("one_active", {"1", "2"}), ("one_shared", {"4", "5"}), ("one_spelling", {"3", "6"})]
    # SQLite keeps rows that a CHECK refuses.
    alone = [ids for (_, group), ids in groups.items() if not group]
    assert alone == ([] if native else [{"7"}])


_COMPUTED = """
    CREATE TABLE doc (id integer PRIMARY KEY, name varchar(20) NOT NULL,
                      code varchar(20) GENERATED ALWAYS AS (lower(name)) STORED CHECK (code IS NOT NULL))
"""


def test_no_row_is_refused_for_a_value_that_the_database_computes(address: DatabaseAddress, tmp_path: Path) -> None:
    """In the table without constraints it must be there, too: else all rows seem to share its absence."""
    database = open_database(address)
    sql = ["DROP TABLE doc", _COMPUTED, "CREATE UNIQUE INDEX nameless ON doc (name) WHERE code IS NULL"]
    if address.engine == "sqlite":
        with closing(sqlite3.connect(address.name)) as connection:
            for statement in sql:
                connection.execute(statement)
    else:
        with connected(address, own_search_path=True) as server:
            for statement in sql:
                server.execute(statement.encode())
    (tmp_path / "view").mkdir()
    with database.view(tmp_path / "view", 1) as view:
        (table,) = view.tables()
    native = address.engine == "sqlite"
    rows: dict[str, list[object]] = {"id": [1, 2] if native else ["1", "2"], "name": ["A", "A"]}
    pq.write_table(pa.table(rows), tmp_path / "chunk.parquet")
    encodings = dict.fromkeys(rows, "native" if native else "output")
    entry = TableEntry(table=table, natural_key=None, encodings=encodings, state=TableState(rows=2), chunks=())
    assert [*database.refused_rows(entry, [tmp_path / "chunk.parquet"])] == []
