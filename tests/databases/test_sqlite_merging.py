"""A merge's own reads see what its transaction wrote; nobody else does before the commit, and nothing stays without one."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from edms_tasks.databases.address import DatabaseAddress
from edms_tasks.databases.merge_transaction import TableChange
from edms_tasks.databases.sqlite.merging import merging
from edms_tasks.errors import MergeRefused
from edms_tasks.inventory.model import Table


def test_a_merge_reads_the_rows_that_it_wrote(tmp_path: Path) -> None:
    path = tmp_path / "live.sqlite3"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(
            "CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT); INSERT INTO note VALUES (1, 'was there');"
        )

    with merging(DatabaseAddress(engine="sqlite", name=str(path)), tmp_path) as merge:
        (table,) = merge.view().tables()
        assert merge.view().measure(table).rows == 1
        merge.execute("INSERT INTO note VALUES (2, 'written')")
        assert merge.view().measure(table).rows == 2

    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT id FROM note").fetchall() == [(1,)]


def test_an_error_after_which_sqlite_has_rolled_back_by_itself_stays_the_reason(tmp_path: Path) -> None:
    """As after a full disk."""
    path = tmp_path / "live.sqlite3"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT)")
    address = DatabaseAddress(engine="sqlite", name=str(path))

    with pytest.raises(MergeRefused, match="no room"), merging(address, tmp_path) as merge:
        merge.execute("ROLLBACK")
        raise MergeRefused("There is no room.")
    with pytest.raises(MergeRefused, match="Nothing was changed"), merging(address, tmp_path) as merge:
        merge.execute("ROLLBACK")
        merge.commit()


# Tables whose definitions need a function of the EDMS: rows of them, the rows that a merge inserts, and those that it updates.
OWN = {
    "a stored column of several types": (
        'CREATE TABLE "it\'s ""odd"" %" (id integer PRIMARY KEY AUTOINCREMENT, a, '
        '"v v" GENERATED ALWAYS AS (odd(a)) STORED, "w" text GENERATED ALWAYS AS (a || 1) STORED)',
        [(1, "x"), (4, 2.5)],
        [(2, b"\x00\xff"), (3, None), (9, 2**60)],
        [(4, "é")],
    ),
    "an own row order": (
        "CREATE TABLE t (id text COLLATE NOCASE, n integer NOT NULL, m GENERATED ALWAYS AS (odd(n)) VIRTUAL, k real "
        "GENERATED ALWAYS AS (odd(n)) STORED UNIQUE, PRIMARY KEY (n DESC, id)) WITHOUT ROWID",
        [("a", 1), ("B", 2)],
        [("b", 3)],
        [],
    ),
    "an integer key that is no row id": (
        "CREATE TABLE t (a text DEFAULT 'd' CHECK (odd(a) NOTNULL), id int PRIMARY KEY, b text COLLATE RTRIM UNIQUE)",
        [("x", 7, "one "), ("y", 3, "two")],
        [("z", 5, "three"), ("z", 2**40, None)],
        [("changed", 7, "one")],
    ),
    "a column added later": (
        "CREATE TABLE t (id integer PRIMARY KEY, a text, v GENERATED ALWAYS AS (odd(a)) STORED);"
        "INSERT INTO t (id, a) VALUES (1, 'old');ALTER TABLE t ADD COLUMN later text NOT NULL DEFAULT 'it''s new'",
        [(2, "b", "own")],
        [(3, "c", "")],
        [(2, "B", "more")],
    ),
    "a strict table that refers to itself": (
        "CREATE TABLE t (id integer PRIMARY KEY, a any, up integer REFERENCES t DEFERRABLE INITIALLY DEFERRED, "
        "v text GENERATED ALWAYS AS (CAST(odd(a) AS text)) STORED) STRICT;"
        "CREATE INDEX by_v ON t (v) WHERE up NOTNULL; CREATE TRIGGER noisy AFTER INSERT ON t BEGIN SELECT odd(new.a); END",
        [(1, "x", None), (2, 1, 1)],
        [(3, "1", 2), (4, 1.5, 3)],
        [(1, "y", 4)],
    ),
}


def connected(path: Path) -> sqlite3.Connection:
    """As the EDMS connects."""
    connection = sqlite3.connect(path)
    connection.create_function("odd", 1, lambda value: value, deterministic=True)
    return connection


def picture(path: Path) -> dict[str, object]:
    with closing(connected(path)) as connection:
        ((name,),) = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
        )
        quoted = '"' + name.replace('"', '""') + '"'
        counted = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_sequence'").fetchone()
        columns = [row[1] for row in connection.execute(f"PRAGMA table_xinfo({quoted})")]
        typed = ", ".join(f'quote("{column}"), typeof("{column}")' for column in columns)
        return {
            "sound": connection.execute("PRAGMA integrity_check").fetchall(),
            "schema": connection.execute("SELECT type, name, sql FROM sqlite_master ORDER BY rowid").fetchall(),
            "rows": connection.execute(f"SELECT {typed} FROM {quoted} NOT INDEXED ORDER BY 1, 3, 5").fetchall(),
            "counter": connection.execute("SELECT * FROM sqlite_sequence").fetchall() if counted else [],
        }


def tagged(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, bytes):
        return f"b{value.hex()}"
    return (
        f"t{value.encode().hex()}" if isinstance(value, str) else f"{'r' if isinstance(value, float) else 'i'}{value}"
    )


@pytest.mark.parametrize("name", OWN)
def test_a_merge_writes_what_the_edms_computed(name: str, tmp_path: Path) -> None:
    definition, there, inserts, updates = OWN[name]
    path, expected = tmp_path / "live.sqlite3", tmp_path / "expected.sqlite3"
    with closing(connected(path)) as connection, connection:
        connection.executescript(definition)
        ((table, stored),) = connection.execute(
            "SELECT name, (SELECT group_concat('\"' || name || '\"') FROM pragma_table_xinfo(m.name) WHERE hidden = 0) "
            "FROM sqlite_master m WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
        )
        quoted = '"' + table.replace('"', '""') + '"'
        marks = ", ".join("?" * len(there[0]))
        connection.executemany(f"INSERT INTO {quoted} ({stored}) VALUES ({marks})", there)
    shutil.copy(path, expected)
    with closing(connected(expected)) as connection, connection:
        connection.executemany(f"INSERT INTO {quoted} ({stored}) VALUES ({marks})", inserts)
        for row in updates:
            sets = ", ".join(f"{column} = ?" for column in stored.split(","))
            identity = row[stored.split(",").index('"id"')]
            connection.execute(f'UPDATE {quoted} SET {sets} WHERE "id" = ?', (*row, identity))
    before = picture(path)

    with merging(DatabaseAddress(engine="sqlite", name=str(path)), tmp_path) as merge:
        (described,) = merge.view().tables()
        change = TableChange(
            described,
            {column.name: "tagged" for column in described.stored_columns},
            [written(described, inserts, tmp_path / "inserts.parquet")],
            [written(described, updates, tmp_path / "updates.parquet")],
        )
        left = merge.left_to_the_edms([change], tmp_path)
        assert left is not None
        with closing(connected(left.path)) as edms, edms:
            assert [edms.execute(statement).fetchall() for statement in left.statements][-1] == [("ok",)]
        merge.write([change])
        assert merge.view().measure(described).rows == len(picture(expected)["rows"])  # type: ignore[arg-type]
        assert picture(path) == before
        merge.commit()

    assert picture(path) == picture(expected)
    assert picture(path)["sound"] == [("ok",)]


def written(table: Table, rows: Sequence[tuple[object, ...]], path: Path) -> Path:
    columns = [column.name for column in table.stored_columns]
    values = {name: [tagged(row[place]) for row in rows] for place, name in enumerate(columns)}
    pq.write_table(pa.table({name: pa.array(held, pa.string()) for name, held in values.items()}), path)
    return path
