"""What points at something is decided as the database decides it, however the two values are written or kept."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from tests.databases.there_and_back import there_and_back

SQLITE = {
    # One careless script wrote an empty text where NULL was meant: the column then holds two storage classes.
    "beside_a_text_in_a_column_of_integers": (
        "CREATE TABLE a (id integer PRIMARY KEY); CREATE TABLE b (id integer PRIMARY KEY, a integer REFERENCES a);"
        "INSERT INTO a VALUES (1), (2); INSERT INTO b (a) VALUES (1), (2), (''), (7), (NULL), (x'31')",
        3,
    ),
    "beside_a_fraction_in_a_column_of_integers": (
        "CREATE TABLE a (id integer PRIMARY KEY); CREATE TABLE b (id integer PRIMARY KEY, a integer REFERENCES a);"
        "INSERT INTO a VALUES (1), (9007199254740993); INSERT INTO b (a) VALUES (1), (0.5), (9007199254740993)",
        1,
    ),
    "among_reals_and_integers_in_decimals": (
        "CREATE TABLE a (price decimal PRIMARY KEY); CREATE TABLE b (id integer PRIMARY KEY, a decimal REFERENCES a);"
        "INSERT INTO a VALUES (5), (1), ('dear'); INSERT INTO b (a) VALUES (5.0), (1.0), (0.25), ('dear')",
        1,
    ),
    "in_text_that_is_no_utf8": (
        "CREATE TABLE a (code text PRIMARY KEY); CREATE TABLE b (id integer PRIMARY KEY, a text REFERENCES a);"
        "INSERT INTO a VALUES (CAST(x'ff' AS TEXT)), ('é'); INSERT INTO b (a) VALUES (CAST(x'ff' AS TEXT)), ('é'), ('e')",
        1,
    ),
}


@pytest.mark.parametrize("name", SQLITE)
def test_sqlite_finds_the_same_rows(name: str, tmp_path: Path) -> None:
    script, dangling = SQLITE[name]
    path = tmp_path / "source.sqlite3"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)

    copy = there_and_back(f"sqlite:///{path}", tmp_path / "work")

    assert [reference.dangling for reference in copy.before["b"].references] == [dangling]
    assert copy.before == copy.after


def test_postgresql_finds_numbers_written_with_more_zeros(postgres_database: str, tmp_path: Path) -> None:
    with psycopg.connect(postgres_database) as connection:
        connection.execute(
            "CREATE TABLE a (n numeric PRIMARY KEY); CREATE TABLE b (id integer PRIMARY KEY, n numeric REFERENCES a);"
            "INSERT INTO a VALUES ('1.0'), (100), ('NaN'); INSERT INTO b VALUES (1, '1.000'), (2, '100.0'), (3, 'NaN')"
        )

    copy = there_and_back(postgres_database, tmp_path)

    assert [reference.dangling for reference in copy.before["b"].references] == [0]
    assert copy.before == copy.after
