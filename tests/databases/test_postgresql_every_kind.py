"""Objects of every kind come back as pg_dump finds them in the source; or they are named, with statements that make them so."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from edms_tasks.databases import DatabaseAddress, open_database
from edms_tasks.databases.omissions import SCRIPT, write_script
from tests.databases.objects_of_every_kind import BY_A_SUPERUSER, BY_ANYBODY, WITH_ICU
from tests.databases.rebuilt import capture, differing, rebuild, roles, said_by_pg_dump
from tests.databases.there_and_back import there_and_back
from tests.newest_postgres_server import newest_server
from tests.postgres_server import PostgresServer, as_role

READER, BOSS = "kind_reader", "kind_boss"


@pytest.fixture(scope="module", params=["usual", pytest.param("newest", marks=pytest.mark.long)])
def server(request: pytest.FixtureRequest, postgres_server: PostgresServer) -> Iterator[PostgresServer]:
    with newest_server(postgres_server) as newest:
        if request.param == "newest" and newest is None:
            pytest.skip("there is no server of version 18")
        chosen = postgres_server if request.param == "usual" or newest is None else newest
        with roles(chosen.url(), f"{READER} LOGIN CREATEDB PASSWORD 'x'", f"{BOSS} SUPERUSER"):
            yield chosen


@pytest.fixture
def name(server: PostgresServer) -> Iterator[str]:
    """Of an empty database that belongs to an ordinary role."""
    name = f"kinds_{secrets.token_hex(4)}"
    server.create_database(name)
    with server.connect() as connection:
        connection.execute(f"ALTER DATABASE {name} OWNER TO {READER}".encode())
    yield name
    for database in server.databases():
        if database.startswith(name):
            server.drop_database(database)


def test_a_superuser_gets_back_what_pg_dump_finds_in_the_source(
    server: PostgresServer, name: str, tmp_path: Path
) -> None:
    with server.connect(name) as connection:
        for kind in [BY_A_SUPERUSER, BY_ANYBODY]:
            for script in kind.values():
                connection.execute(script.replace("{db}", name).encode())
        query = "SELECT EXISTS (SELECT FROM pg_collation WHERE collname = 'en-x-icu')"
        if connection.execute(query).fetchone() == (True,):
            connection.execute(WITH_ICU.encode())
    before = sorted(said_by_pg_dump(server.url(name)))

    copy = there_and_back(server.url(name), tmp_path)

    assert copy.staging.left_out == [] and copy.staging.notes == []
    assert copy.before == copy.after
    assert differing(copy.schema, copy.staging, tmp_path) == []
    copy.staging.keep_as(f"{name}_kept")
    assert sorted(said_by_pg_dump(server.url(f"{name}_kept"))) == before


def test_another_role_is_told_at_the_backup_what_it_lacks_and_a_superuser_can_add_it(
    server: PostgresServer, name: str, tmp_path: Path
) -> None:
    with server.connect(name) as connection:
        for script in BY_ANYBODY.values():
            connection.execute(script.replace("{db}", name).encode())
    before = sorted(said_by_pg_dump(server.url(name)))
    captured = capture(server.url(name), tmp_path)
    login = as_role(server.url(name), f"{READER}:x")

    foreseen = open_database(DatabaseAddress.from_url(login)).preflight(captured.schema, tmp_path, thorough=False)
    rebuilt = rebuild(captured, tmp_path, url=login)

    left_out = rebuilt.staging.left_out
    assert rebuilt.is_proved, [one for one in rebuilt.checks if one.expected != one.found]
    assert {(one.subject, one.statement) for one in foreseen.left_out} == {
        (one.subject, one.statement) for one in left_out
    }
    write_script(left_out, tmp_path)
    server.psql(f"{name}_rebuilt", (tmp_path / SCRIPT).read_text(encoding="utf-8"))
    assert sorted(said_by_pg_dump(server.url(f"{name}_rebuilt"))) == before
