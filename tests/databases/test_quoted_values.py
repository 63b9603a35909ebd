"""Messages of databases and of the EDMS's commands keep what they name, and lose the values of rows that they quote."""

from __future__ import annotations

import sqlite3

import duckdb
import psycopg
import pytest

from edms_tasks.databases.postgresql.refusable_statements import rehearse_query
from edms_tasks.databases.quoted_values import without_quoted_values

_SECRET = "ada, (the 2nd)."
_TABLES = """
    CREATE TYPE mood AS ENUM ('good');
    CREATE TABLE users (email text PRIMARY KEY, name text NOT NULL, age int CHECK (age > 0), EXCLUDE (lower(name) WITH =));
    CREATE TABLE notes (id int, email text REFERENCES users);
    INSERT INTO users VALUES ('{secret}', '{secret} too', 1);
    INSERT INTO notes VALUES (1, '{secret}'), (2, '{secret}');
"""


@pytest.mark.parametrize(
    ("statement", "kept"),
    [
        ("INSERT INTO users VALUES ('{secret}', 'x', 1)", "Key (email)=(…) already exists."),
        ("INSERT INTO users VALUES ('x', '{secret} TOO', 1)", "Key (lower(name))=(…)."),
        ("INSERT INTO notes VALUES (1, '{secret}!')", 'Key (email)=(…) is not present in table "users".'),
        ("DELETE FROM users", 'Key (email)=(…) is still referenced from table "notes".'),
        ("CREATE UNIQUE INDEX one ON notes (email)", "Key (email)=(…) is duplicated."),
        ("INSERT INTO users VALUES ('{secret}x', NULL, 1)", "Failing row contains (…)."),
        ("INSERT INTO users VALUES ('y', '{secret}', 0)", 'violates check constraint "users_age_check"'),
        ("SELECT email::int FROM users", 'invalid input syntax for type integer: "…"'),
        ("SELECT email::mood FROM users", 'invalid input value for enum mood: "…"'),
        ("SELECT email::date FROM users", 'invalid input syntax for type date: "…"'),
        ("SELECT email::json FROM users", "invalid input syntax for type json"),
        ("SELECT email::uuid FROM users", 'invalid input syntax for type uuid: "…"'),
        ("SELECT email::int[] FROM users", 'malformed array literal: "…"'),
    ],
)
def test_postgresql_messages_lose_values(statement: str, kept: str, postgres_database: str) -> None:
    with psycopg.connect(postgres_database, autocommit=True) as connection:
        connection.execute(_TABLES.format(secret=_SECRET).encode())

        with pytest.raises(psycopg.Error) as refused:
            connection.execute(statement.format(secret=_SECRET).encode())
        said = rehearse_query(connection, statement.format(secret=_SECRET).encode(), {})

    assert "ada" in str(refused.value)
    shown = " ".join(without_quoted_values(str(refused.value)).split())
    assert kept in shown
    assert "ada" not in shown and "2nd" not in shown
    # What is kept as a finding or note never quotes a value.
    assert said is not None and "ada" not in said


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("Key (email)=(ada@example.o", "Key (email)=(…)"),
        ("Failing row contains (7, ada", "Failing row contains (…)"),
        ("“ada” value must be an integer.", "“…” value must be an integer."),
        ("Field 'id' expected a number but got 'ada'.", "Field 'id' expected a number but got …"),
        ('CONTEXT:  COPY users, line 3, column age: "ada"', 'CONTEXT:  COPY users, line 3, column age: "…"'),
    ],
)
def test_cut_messages_and_those_of_django_lose_values(message: str, shown: str) -> None:
    assert without_quoted_values(message) == shown


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ("SELECT 'ada''s'::INTEGER", "Could not convert string '…' to INT32"),
        ("SELECT 'ada'::DATE", '"…"'),
        ("SELECT json_extract('ada', '$')", "Malformed JSON"),
        ("SELECT 'ada'::UUID", "'…'"),
        ("SELECT 4019836::BIGINT::SMALLINT", "value … can't be cast"),
        ("CREATE TABLE t (id TEXT PRIMARY KEY); INSERT INTO t VALUES ('ada'), ('ada')", "duplicate key"),
    ],
)
def test_messages_of_duckdb_lose_values(query: str, kept: str) -> None:
    with duckdb.connect() as connection, pytest.raises(duckdb.Error) as refused:
        connection.execute(query).fetchall()

    shown = without_quoted_values(str(refused.value))
    first = shown.splitlines()[0]
    assert "ada" not in first and "4019836" not in first
    assert kept in first


@pytest.mark.parametrize(
    "message",
    [
        'relation "users" does not exist',
        'could not create unique index "one"',
        "cannot drop table a because other objects depend on it\nDETAIL:  view v depends on table a",
        'role "edms" does not exist',
        'could not open extension control file "/usr/share/x.control": No such file or directory',
        "value too long for type character varying(3)",
        "UNIQUE constraint failed: users.email",
        'The server\'s disk is full: could not extend file "base/1/2": No space left on device',
    ],
)
def test_messages_without_values_stay_as_they_are(message: str) -> None:
    assert without_quoted_values(message) == message


def test_sqlite_quotes_no_values() -> None:
    with sqlite3.connect(":memory:") as connection:
        connection.executescript("CREATE TABLE users (email text UNIQUE, age int CHECK (age > 0)) STRICT;")
        connection.execute("INSERT INTO users VALUES ('ada', 1)")
        for values in (("ada", 1), ("x", "ada"), ("ada", -1)):
            with pytest.raises(sqlite3.Error) as refused:
                connection.execute("INSERT INTO users VALUES (?, ?)", values)
            assert "ada" not in str(refused.value)
