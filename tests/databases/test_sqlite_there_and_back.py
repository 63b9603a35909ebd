"""SQLite's awkward tables and values come back as its own driver sees them, the type of every value included."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from edms_tasks.databases import DatabaseAddress, open_database
from tests.databases.there_and_back import there_and_back
from tests.independent_comparison import differences, picture_of_sqlite

AWKWARD = {
    "every_storage_class_in_one_column": """
        CREATE TABLE t (id integer PRIMARY KEY, v);
        INSERT INTO t (v) VALUES (1), (1.0), ('1'), (x'31'), (NULL), (9223372036854775807), (-9223372036854775808),
        (0.1), (1e300), (9e999), (-9e999), (''), (x''), ('é😀'), ('a' || char(0) || 'b'), (CAST(x'ff00fe' AS TEXT)), (-0.0)
    """,
    "decimals_are_integers_and_reals_side_by_side": """
        CREATE TABLE t (id integer PRIMARY KEY, price decimal);
        INSERT INTO t (price) VALUES (5), (5.25), (0.1), (9007199254740992), (-3)
    """,
    "integers_beyond_doubles_beside_reals": """
        CREATE TABLE t (id integer PRIMARY KEY, price decimal); INSERT INTO t (price) VALUES (9007199254740993), (0.5)
    """,
    "text_that_is_no_utf8": """
        CREATE TABLE t (id integer PRIMARY KEY, a text); INSERT INTO t (a) VALUES ('fine'), (CAST(x'ff' AS TEXT))
    """,
    "text_with_a_nul": "CREATE TABLE t (a text); INSERT INTO t VALUES ('a' || char(0) || 'b'), ('')",
    "ids_with_gaps_and_an_autoincrement": """
        CREATE TABLE t (id integer PRIMARY KEY AUTOINCREMENT, a text);
        INSERT INTO t VALUES (-5, 'a'), (7, 'b'), (9223372036854775806, 'c'); DELETE FROM t WHERE id = 9223372036854775806
    """,
    "no_row_id_and_composite_key": """
        CREATE TABLE t (a text, b integer, PRIMARY KEY (a, b)) WITHOUT ROWID;
        INSERT INTO t VALUES ('x', 2), ('x', 1), ('a', 3), ('b', 1), ('c', 1)
    """,
    "columns_called_rowid": """
        CREATE TABLE t (rowid text, oid integer, "a""b" text); INSERT INTO t VALUES ('x', 1, 'q'), ('y', 2, NULL), ('z', 3, '')
    """,
    "generated_columns_triggers_views_and_partial_indexes": """
        CREATE TABLE t (id integer PRIMARY KEY, a integer, b integer GENERATED ALWAYS AS (a * 2) STORED,
            c integer GENERATED ALWAYS AS (a * 3) VIRTUAL, deleted bool);
        INSERT INTO t (a, deleted) VALUES (1, 0), (1, 1);
        CREATE UNIQUE INDEX only_living ON t (a) WHERE NOT deleted; CREATE VIEW v AS SELECT b FROM t;
        CREATE TRIGGER refuse BEFORE DELETE ON t BEGIN SELECT RAISE(ABORT, 'no'); END
    """,
    "foreign_keys_that_dangle_and_cross": """
        CREATE TABLE a (id integer PRIMARY KEY, b_id integer REFERENCES b (id) DEFERRABLE INITIALLY DEFERRED);
        CREATE TABLE b (id integer PRIMARY KEY, a_id integer REFERENCES a);
        INSERT INTO a VALUES (1, 1), (2, 99); INSERT INTO b VALUES (1, 2), (2, NULL)
    """,
    "keys_through_references_that_dangle_or_are_null": """
        CREATE TABLE a (id integer PRIMARY KEY AUTOINCREMENT, code text NOT NULL UNIQUE);
        CREATE TABLE b (id integer PRIMARY KEY AUTOINCREMENT, a_id integer REFERENCES a (id), n integer NOT NULL, UNIQUE (a_id, n));
        CREATE UNIQUE INDEX without_a ON b (n) WHERE a_id IS NULL;
        CREATE TABLE c (id integer PRIMARY KEY AUTOINCREMENT, b_id integer NOT NULL UNIQUE REFERENCES b (id));
        INSERT INTO a (code) VALUES ('x"y'), ('\\'), ('é'); INSERT INTO b (a_id, n) VALUES (1, 1), (1, 2), (3, 1), (99, 1), (NULL, 1),
        (NULL, 2);
        INSERT INTO c (b_id) VALUES (1), (4), (5), (77)
    """,
    "full_text_search": """
        CREATE TABLE t (id integer PRIMARY KEY, a text); CREATE VIRTUAL TABLE f USING fts5(a); INSERT INTO f VALUES ('some words')
    """,
}


@pytest.mark.parametrize("name", AWKWARD)
def test_sqlite_finds_no_difference_after_a_restore(name: str, tmp_path: Path) -> None:
    path = tmp_path / "source.sqlite3"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(AWKWARD[name])
    before = picture_of_sqlite(path)

    copy = there_and_back(f"sqlite:///{path}", tmp_path / "work")

    assert differences(before, picture_of_sqlite(Path(copy.url.removeprefix("sqlite:///")))) == []
    assert copy.before == copy.after


def test_a_key_that_is_not_the_row_id_may_be_null(tmp_path: Path) -> None:
    """A restore was refused, because NULLs were not expected in it."""
    path = tmp_path / "db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE t (id integer PRIMARY KEY DESC, a text)")
        connection.execute("CREATE TABLE usual (id integer PRIMARY KEY, a text)")
        connection.execute("INSERT INTO t VALUES (NULL, 'a'), (3, 'b')")
        connection.commit()
    with open_database(DatabaseAddress.from_url(f"sqlite:///{path}")).view(tmp_path, 1) as view:
        assert {table.id: table.column("id").nullable for table in view.tables()} == {"t": True, "usual": False}


def test_the_next_id_is_the_same_where_a_table_has_two_positions(tmp_path: Path) -> None:
    """SQLite goes by the first of them; nothing keeps a program from writing a second."""
    source = tmp_path / "source.sqlite3"
    with closing(sqlite3.connect(source)) as connection:
        connection.executescript("""
            CREATE TABLE t (id integer PRIMARY KEY AUTOINCREMENT); INSERT INTO t VALUES (4); DELETE FROM t;
            CREATE TABLE s (id integer PRIMARY KEY AUTOINCREMENT); INSERT INTO s VALUES (7);
            INSERT INTO sqlite_sequence (name, seq) VALUES ('t', 60), ('t', 3), ('s', 1)
        """)

    copy = Path(there_and_back(f"sqlite:///{source}", tmp_path / "work").url.removeprefix("sqlite:///"))

    assert _next_ids(copy) == _next_ids(source) == {"t": 5, "s": 8}


def _next_ids(path: Path) -> dict[str, int | None]:
    with closing(sqlite3.connect(path)) as connection:
        return {table: connection.execute(f"INSERT INTO {table} DEFAULT VALUES").lastrowid for table in ("t", "s")}
