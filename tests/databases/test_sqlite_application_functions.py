"""Schemas that use functions and collations only the EDMS's connections know, without the EDMS: rows come back exactly."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from edms_tasks.databases import DatabaseAddress, open_database
from tests.databases.there_and_back import there_and_back

SCHEMAS = {
    "a_check_by_regular_expression": """
        CREATE TABLE t (id integer PRIMARY KEY AUTOINCREMENT, a text DEFAULT 'x' CHECK (a REGEXP '^[A-Z]'), UNIQUE (a, id));
        INSERT INTO t VALUES (3, 'A'), (9, 'B'); DELETE FROM t WHERE id = 9; CREATE INDEX by_a ON t (a DESC)
    """,
    "a_stored_column_by_year": """
        CREATE TABLE t (id text PRIMARY KEY, y integer GENERATED ALWAYS AS (year_of(a)) STORED, a date, z real);
        INSERT INTO t (id, a, z) VALUES ('x', '2020-01-01', 1), ('y', NULL, 2.5); CREATE INDEX by_y ON t (y)
    """,
    "a_virtual_column_by_year": """
        CREATE TABLE t (id int PRIMARY KEY, y integer GENERATED ALWAYS AS (year_of(a)) VIRTUAL, a date);
        INSERT INTO t (id, a) VALUES (5, '2020-01-01'), (2, NULL)
    """,
    "a_key_in_an_own_order": """
        CREATE TABLE t (label text COLLATE numbered PRIMARY KEY, place text COLLATE NOCASE UNIQUE, n integer UNIQUE);
        INSERT INTO t VALUES ('A 10', 'x', 1), ('A 2', 'Y', 2); CREATE INDEX by_place ON t (place COLLATE numbered)
    """,
    "a_key_in_an_own_order_without_row_ids": """
        CREATE TABLE t (label text COLLATE numbered, n integer, PRIMARY KEY (n DESC, label)) WITHOUT ROWID;
        INSERT INTO t VALUES ('A 10', 1), ('A 2', 1), ('B', 2)
    """,
    "a_strict_table_with_values_of_any_type": """
        CREATE TABLE t (id integer PRIMARY KEY, a any, y any GENERATED ALWAYS AS (year_of(a)) STORED) STRICT;
        INSERT INTO t (id, a) VALUES (1, '2020'), (2, ''), (3, NULL)
    """,
    "a_column_added_later": """
        CREATE TABLE t (id integer PRIMARY KEY, a text CHECK (a REGEXP '.')); INSERT INTO t VALUES (1, 'A');
        ALTER TABLE t ADD COLUMN later text NOT NULL DEFAULT 'it''s new'; INSERT INTO t VALUES (2, 'B', 'own')
    """,
}


def connect(path: Path) -> sqlite3.Connection:
    """As the EDMS connects."""
    connection = sqlite3.connect(path)
    connection.create_function("REGEXP", 2, lambda pattern, text: 1, deterministic=True)
    connection.create_function("year_of", 1, lambda text: text and int(text[:4]), deterministic=True)
    connection.create_collation("numbered", lambda one, other: (one > other) - (one < other))
    return connection


def picture(path: Path) -> list[object]:
    with closing(connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        rows = connection.execute("SELECT * FROM t NOT INDEXED ORDER BY 1, 2").fetchall()
        indexed = connection.execute("SELECT count(*) FROM t").fetchall()
        schema = connection.execute("SELECT type, name, sql FROM sqlite_master ORDER BY type, name").fetchall()
        return [rows, indexed, schema]


@pytest.mark.parametrize("name", SCHEMAS)
def test_rows_and_definitions_are_restored(name: str, tmp_path: Path) -> None:
    source = tmp_path / "edms.sqlite3"
    with closing(connect(source)) as connection:
        connection.executescript(SCHEMAS[name])
    before = picture(source)

    copy = there_and_back(f"sqlite:///{source}", tmp_path / "work")

    assert picture(Path(copy.url.removeprefix("sqlite:///"))) == before
    assert copy.before == copy.after


def test_a_backup_names_what_a_restore_needs_from_the_edms(tmp_path: Path) -> None:
    source = tmp_path / "edms.sqlite3"
    with closing(connect(source)) as connection:
        connection.executescript(SCHEMAS["a_virtual_column_by_year"])
    (tmp_path / "scratch").mkdir()

    with open_database(DatabaseAddress.from_url(f"sqlite:///{source}")).view(tmp_path / "scratch", 1) as view:
        found = {finding.code: finding.message for finding in view.findings()}

    assert "year_of" in found["needs-the-edms"]
    assert "y" in found["computed-column-not-read"]
