"""What only PostgreSQL 18 has comes back as its own pg_dump sees it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from edms_tasks.databases import DatabaseAddress, open_database
from tests.databases.there_and_back import there_and_back
from tests.independent_comparison import differences, picture_of_postgres
from tests.newest_postgres_server import newest_server
from tests.postgres_server import PostgresServer

TABLES = {
    "columns_that_are_computed_when_read": """
        CREATE TABLE t (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a integer, b integer GENERATED ALWAYS AS (a * 2) VIRTUAL,
            c text GENERATED ALWAYS AS (a::text || 'x') STORED, d integer GENERATED ALWAYS AS (a + 1));
        INSERT INTO t (a) VALUES (1), (NULL), (3)
    """,
    "constraints_that_are_not_enforced_or_have_names": """
        CREATE TABLE a (id integer CONSTRAINT "must be" NOT NULL PRIMARY KEY, n integer CHECK (n > 0) NOT ENFORCED);
        CREATE TABLE b (id integer PRIMARY KEY, a integer REFERENCES a NOT ENFORCED, n integer, m integer CONSTRAINT filled NOT NULL);
        INSERT INTO a VALUES (1, -1); INSERT INTO b VALUES (1, 1, NULL, 1), (2, 9, NULL, 2);
        ALTER TABLE b ADD CONSTRAINT later NOT NULL n NOT VALID
    """,
    "keys_without_overlaps": """
        CREATE TABLE rooms (room int4range, valid daterange, name text, PRIMARY KEY (room, valid WITHOUT OVERLAPS));
        CREATE TABLE stays (id integer PRIMARY KEY, room int4range, during daterange,
            FOREIGN KEY (room, PERIOD during) REFERENCES rooms (room, PERIOD valid));
        INSERT INTO rooms VALUES ('[1,1]', '[2020-01-01,2020-02-01)', 'one'), ('[1,1]', '[2020-02-01,2020-03-01)', 'one, painted'),
        ('[2,2]', '[2020-01-01,2020-02-01)', 'two');
        INSERT INTO stays VALUES (1, '[1,1]', '[2020-01-15,2020-02-15)'), (2, '[2,2]', '[2020-01-01,2020-02-01)'),
        (3, NULL, '[1999-01-01,)')
    """,
    "references_of_and_to_partitions_that_nobody_vouches_for": """
        CREATE TABLE a (id integer PRIMARY KEY) PARTITION BY RANGE (id);
        CREATE TABLE a1 PARTITION OF a FOR VALUES FROM (0) TO (5); CREATE TABLE a2 PARTITION OF a DEFAULT;
        CREATE TABLE b (id integer, a integer) PARTITION BY RANGE (id); CREATE TABLE b1 PARTITION OF b DEFAULT;
        INSERT INTO a VALUES (1), (7); INSERT INTO b VALUES (1, 1), (2, 7), (3, 9);
        ALTER TABLE b ADD CONSTRAINT b_to_a FOREIGN KEY (a) REFERENCES a NOT VALID
    """,
}
DANGLING = {
    "constraints_that_are_not_enforced_or_have_names": {"b": {"a": 1}},
    "keys_without_overlaps": {"stays": {"stays_room_during_fkey": 0}},
    "references_of_and_to_partitions_that_nobody_vouches_for": {"b1": {"a": 1}},
}


@pytest.fixture(scope="module")
def server(postgres_server: PostgresServer) -> Iterator[PostgresServer]:
    """A server of version 18 or newer."""
    with newest_server(postgres_server) as newest:
        if newest is None:
            pytest.skip("there is no server of version 18")
        yield newest


@pytest.fixture
def new_database(server: PostgresServer) -> str:
    """The URL of an empty database there."""
    return server.create_database(f"new_{secrets.token_hex(4)}")


@pytest.mark.parametrize("name", TABLES)
def test_every_feature_of_version_18_is_restored(name: str, new_database: str, tmp_path: Path) -> None:
    with psycopg.connect(new_database, autocommit=True) as connection:
        connection.execute(TABLES[name].encode())
    before = picture_of_postgres(new_database)

    copy = there_and_back(new_database, tmp_path)

    assert differences(before, picture_of_postgres(copy.url)) == []
    assert copy.before == copy.after
    for table, dangling in DANGLING.get(name, {}).items():
        assert {reference.name: reference.dangling for reference in copy.before[table].references} == dangling


def test_a_virtual_column_that_fails_for_a_row_is_not_read_and_reported(new_database: str, tmp_path: Path) -> None:
    with psycopg.connect(new_database, autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE v (id integer PRIMARY KEY, a integer, share integer GENERATED ALWAYS AS (10 / a) VIRTUAL, "
            "day date GENERATED ALWAYS AS (date '2020-01-01' + 10 / a), twice integer GENERATED ALWAYS AS (2 * a)); "
            "INSERT INTO v VALUES (1, 2), (2, 0)"
        )
    before = picture_of_postgres(new_database)

    with open_database(DatabaseAddress.from_url(new_database)).view(tmp_path, 1) as view:
        found = {(one.code, one.subject) for one in view.findings()}
    copy = there_and_back(new_database, tmp_path)

    assert found == {("computed-column-not-read", "public.v.share"), ("computed-column-not-read", "public.v.day")}
    assert copy.before == copy.after
    assert differences(before, picture_of_postgres(copy.url)) == []


def test_a_period_that_no_row_covers_dangles(new_database: str, tmp_path: Path) -> None:
    with psycopg.connect(new_database, autocommit=True) as connection:
        connection.execute(TABLES["keys_without_overlaps"].encode())
        connection.execute("SET session_replication_role = replica")
        connection.execute(
            "INSERT INTO stays VALUES (4, '[1,1]', '[2020-02-15,2020-04-01)'), (5, '[3,3]', '[2020-01-01,2020-01-02)')"
        )

    copy = there_and_back(new_database, tmp_path)

    (reference,) = copy.before["stays"].references
    assert (reference.filled, reference.dangling) == (4, 2)
    assert copy.before == copy.after
    with psycopg.connect(copy.url) as connection:
        valid = connection.execute("SELECT convalidated FROM pg_constraint WHERE conname = 'stays_room_during_fkey'")
        assert valid.fetchall() == [(False,)]
