"""Subscriptions come back disabled, and no database that holds one stays behind because of it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from edms_tasks.databases import DatabaseAddress, open_database
from edms_tasks.databases.omissions import write_script
from edms_tasks.databases.protocol import RestorePreflight
from edms_tasks.structure.preflight_findings import findings_of
from tests.databases.rebuilt import capture, differing, roles
from tests.postgres_server import PostgresServer

MADE = """
    CREATE TABLE t (id integer PRIMARY KEY);
    CREATE SUBSCRIPTION "the 'papers'" CONNECTION 'host=nowhere.invalid dbname=x password=hidden' PUBLICATION p
        WITH (connect = false, slot_name = 'live_slot');
    COMMENT ON SUBSCRIPTION "the 'papers'" IS 'from the office';
    CREATE FUNCTION no() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''nothing is dropped here''; END';
    CREATE EVENT TRIGGER no ON ddl_command_start WHEN tag IN ('DROP SUBSCRIPTION', 'ALTER SUBSCRIPTION') EXECUTE FUNCTION no()
"""
ASKED = "SELECT subname, subenabled, subslotname, subconninfo FROM pg_subscription WHERE subdbid = {} ORDER BY 1"


@pytest.fixture
def subscribed(postgres_server: PostgresServer) -> Iterator[str]:
    """The name of a database with a subscription; nothing of it is left afterwards."""
    name = f"subscribed_{secrets.token_hex(3)}"
    postgres_server.create_database(name)
    postgres_server.psql(name, MADE)
    yield name
    for database in postgres_server.databases():
        if database.startswith(name):
            _release(postgres_server, database)
            postgres_server.drop_database(database)


def test_a_trial_and_a_replay_leave_nothing_and_a_restore_creates_the_subscription_disabled(
    subscribed: str, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    url = postgres_server.url(subscribed)
    captured = capture(url, tmp_path)
    database, before = open_database(DatabaseAddress.from_url(url)), postgres_server.databases()
    live = _of(postgres_server, subscribed)

    assert database.preflight(captured.schema, tmp_path, thorough=True) == RestorePreflight()
    with database.replayed(captured.schema, tmp_path):
        pass
    assert postgres_server.databases() == before

    staging = database.stage(captured.schema, None, 1)
    staging.finish((), ())

    assert staging.left_out == []
    assert differing(captured.schema, staging, tmp_path) == []
    assert _of(postgres_server, staging.address.name) == live
    staging.seal()
    staging.drop()
    assert postgres_server.databases() == before
    assert _of(postgres_server, subscribed) == live


def test_the_database_of_a_killed_trial_is_removed_with_its_subscription(
    subscribed: str, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    url = postgres_server.url(subscribed)
    captured = capture(url, tmp_path)
    database = open_database(DatabaseAddress.from_url(url))
    left = database.stage(captured.schema, None, 1)
    left.finish((), ())

    removed = database.remove_leftovers(subscribed)

    assert removed == (left.address.name,)
    assert left.address.name not in postgres_server.databases()


@pytest.mark.long
def test_a_role_that_may_not_create_subscriptions_is_told_at_the_backup(
    subscribed: str, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    with roles(postgres_server.url(), "sub_owner LOGIN CREATEDB PASSWORD 'x'"):
        url = postgres_server.url(subscribed)
        schema = capture(url, tmp_path).schema
        with psycopg.connect(postgres_server.url(), autocommit=True) as connection:
            connection.execute(f"ALTER DATABASE {subscribed} OWNER TO sub_owner".encode())
        login = DatabaseAddress.from_url(f"postgresql://sub_owner:x@{url.rpartition('@')[2]}")

        foreseen = open_database(login).preflight(schema, tmp_path, thorough=True)

        assert "SUBSCRIPTION - the 'papers'" in {one.subject for one in foreseen.left_out}
        staging = open_database(login).stage(schema, None, 1)
        staging.finish((), ())
        assert {one.subject for one in staging.left_out} == {one.subject for one in foreseen.left_out}
        assert _of(postgres_server, staging.address.name) == []
        said = "\n".join([*staging.notes, *(one.message for one in findings_of(foreseen, {}))])
        assert "SUBSCRIPTION - the 'papers'" in said and "hidden" not in said
        script = write_script(staging.left_out, tmp_path)
        assert script is not None and "password=hidden" in script.read_text()
        staging.drop()
        with psycopg.connect(postgres_server.url(), autocommit=True) as connection:
            connection.execute(f"ALTER DATABASE {subscribed} OWNER TO CURRENT_USER".encode())


def _of(server: PostgresServer, database: str) -> list[tuple[object, ...]]:
    with psycopg.connect(server.url(), autocommit=True) as connection:
        oid = f"(SELECT oid FROM pg_database WHERE datname = '{database}')"
        return connection.execute(ASKED.format(oid).encode()).fetchall()


def _release(server: PostgresServer, database: str) -> None:
    for name, *_ in _of(server, database):
        quoted = '"' + str(name) + '"'
        server.psql(
            database,
            f"SET session_replication_role = replica; ALTER SUBSCRIPTION {quoted} DISABLE; "
            f"ALTER SUBSCRIPTION {quoted} SET (slot_name = NONE); DROP SUBSCRIPTION {quoted}",
        )
