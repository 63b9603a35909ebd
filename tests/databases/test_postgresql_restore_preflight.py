"""A backup reports exactly what a restore by the same role then leaves out."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from edms_tasks.databases import Database, DatabaseAddress, open_database
from edms_tasks.databases.protocol import RestorePreflight
from edms_tasks.errors import EdmsBackupError, MayNotCreateDatabases, TargetInUse
from edms_tasks.structure.preflight_findings import findings_of
from tests.databases.rebuilt import Captured, capture, roles
from tests.postgres_server import PostgresServer

TABLES = "CREATE TABLE t (id serial PRIMARY KEY, a text); CREATE INDEX by_a ON t (a); CREATE VIEW v AS SELECT id FROM t"
# What a superuser made in the owner's database -> the kinds that the owner cannot be given back.
LEFT_OUT = {
    "CREATE TABLE o (id int); ALTER TABLE o OWNER TO fore_other; GRANT SELECT ON o TO fore_owner": {"owners"},
    "CREATE SCHEMA other AUTHORIZATION fore_other": {"owners"},
    "CREATE SEQUENCE s; ALTER SEQUENCE s OWNER TO fore_other": {"owners"},
    "CREATE TYPE kind AS ENUM ('a'); ALTER TYPE kind OWNER TO fore_other": {"owners"},
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'; ALTER FUNCTION f() OWNER TO fore_other": {"owners"},
    "ALTER DEFAULT PRIVILEGES FOR ROLE fore_other GRANT SELECT ON TABLES TO fore_owner": {"default privileges"},
    "GRANT EXECUTE ON FUNCTION pg_read_file(text) TO fore_other": {"privileges"},
    "CREATE FUNCTION e() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'; ALTER FUNCTION e() OWNER TO fore_owner; "
    "CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION e()": {"event triggers", "owners"},
    "CREATE PUBLICATION p FOR ALL TABLES; ALTER PUBLICATION p OWNER TO fore_boss": {"publications", "owners"},
    "ALTER DATABASE {database} SET log_min_duration_statement = 5": {"settings of the database"},
    "ALTER ROLE fore_other IN DATABASE {database} SET work_mem = '5MB'": {"settings of the database"},
}
REFUSED = {
    "CREATE FUNCTION c(text) RETURNS text LANGUAGE c AS '$libdir/plpgsql', 'plpgsql_call_handler'": "language c",
    "CREATE FOREIGN DATA WRAPPER w": "foreign-data wrapper",
    "CREATE FUNCTION s() RETURNS trigger LANGUAGE plpgsql SET log_min_duration_statement = 5 AS 'BEGIN END'; "
    "ALTER FUNCTION s() OWNER TO fore_owner": "log_min_duration_statement",
}
GIVEN_BACK = [
    "GRANT SELECT ON t TO fore_other",
    "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END'; ALTER FUNCTION f() OWNER TO fore_owner",
    "ALTER TABLE t ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON t TO fore_other USING (true)",
    "ALTER DATABASE {database} SET work_mem = '5MB'",
    "CREATE MATERIALIZED VIEW m AS SELECT 1 / count(*) AS n FROM (SELECT 1 UNION SELECT id FROM t) u; "
    "ALTER MATERIALIZED VIEW m OWNER TO fore_owner",
    "SELECT 1",
]


@pytest.fixture(scope="module")
def server(postgres_server: PostgresServer) -> Iterator[PostgresServer]:
    with roles(
        postgres_server.url(),
        "fore_other",
        "fore_boss SUPERUSER",
        "fore_owner LOGIN CREATEDB PASSWORD 'x'",
        "fore_poor LOGIN PASSWORD 'x'",
    ):
        yield postgres_server


@contextmanager
def made(server: PostgresServer, statements: str, owner: str = "fore_owner") -> Iterator[str]:
    """A database of an ordinary role in which a superuser has run these statements; its URL as that role."""
    name = f"fore_{secrets.token_hex(3)}"
    url = server.create_database(name)
    try:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"ALTER DATABASE {name} OWNER TO {owner}".encode())
            connection.execute(f"SET ROLE {owner}; {TABLES}; RESET ROLE".encode())
            connection.execute(f"GRANT CREATE ON SCHEMA public TO {owner}, fore_other".encode())
            connection.execute(statements.format(database=name).encode())
        yield url.replace(url.split("//")[1].split("@")[0], f"{owner}:x")
    finally:
        for database in server.databases():
            if database.startswith(name):
                server.drop_database(database)


def foreseen(captured: Captured, folder: Path) -> RestorePreflight:
    return open_database(DatabaseAddress.from_url(captured.url)).preflight(captured.schema, folder, thorough=False)


@pytest.mark.parametrize("several", [[*LEFT_OUT], GIVEN_BACK], ids=["left out", "given back"])
def test_a_backup_foresees_what_a_restore_leaves_out(
    several: list[str], server: PostgresServer, tmp_path: Path
) -> None:
    expected = set[str]().union(*(LEFT_OUT.get(one, set()) for one in several))
    with made(server, "; ".join(several)) as url:
        captured = capture(url, tmp_path)
        before = server.databases()

        found = foreseen(captured, tmp_path)

        assert server.databases() == before
        assert found.refused is None and not found.untried
        assert {finding.subject for finding in findings_of(found, {})} == expected
        staging = open_database(DatabaseAddress.from_url(url)).stage(captured.schema, None, 1)
        staging.finish((), ())
        assert {one.subject for one in staging.left_out} == {one.subject for one in found.left_out}
        assert {one.statement for one in staging.left_out} == {one.statement for one in found.left_out}


def test_a_schema_that_nothing_could_refuse_is_not_tried(server: PostgresServer, tmp_path: Path) -> None:
    trigger = (
        "SET ROLE fore_owner; CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
        "CREATE TRIGGER f BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f(); RESET ROLE;"
    )
    with made(server, f"{trigger} REVOKE CREATE ON SCHEMA public FROM fore_owner, fore_other") as url:
        captured = capture(url, tmp_path)
        with server.connect() as connection:
            connection.execute("ALTER ROLE fore_owner CONNECTION LIMIT 1")
            try:
                assert foreseen(captured, tmp_path) == RestorePreflight()
            finally:
                connection.execute("ALTER ROLE fore_owner CONNECTION LIMIT -1")


@pytest.mark.parametrize("statements", REFUSED)
def test_a_restore_that_would_be_refused_is_an_error_at_the_backup(
    statements: str, server: PostgresServer, tmp_path: Path
) -> None:
    with made(server, statements) as url:
        captured = capture(url, tmp_path)
        before = server.databases()

        (finding,) = [one for one in findings_of(foreseen(captured, tmp_path), {}) if one.severity == "error"]

        assert finding.code == "restore-refused" and REFUSED[statements] in finding.message
        assert server.databases() == before
        with pytest.raises(EdmsBackupError, match=REFUSED[statements]):
            open_database(DatabaseAddress.from_url(url)).stage(captured.schema, None, 1)


def test_a_restore_that_a_superuser_would_be_refused_too_is_an_error_of_a_superusers_backup(
    postgres_server: PostgresServer, postgres_database: str, tmp_path: Path
) -> None:
    with psycopg.connect(postgres_database, autocommit=True) as connection:
        connection.execute(
            """
            CREATE FUNCTION c(text) RETURNS text LANGUAGE c AS '$libdir/plpgsql', 'plpgsql_call_handler';
            UPDATE pg_proc SET probin = '$libdir/uninstalled' WHERE proname = 'c'
            """
        )
    before = postgres_server.databases()

    (finding,) = findings_of(foreseen(capture(postgres_database, tmp_path), tmp_path), {})

    assert finding.code == "restore-refused" and "uninstalled" in finding.message
    assert postgres_server.databases() == before


def test_a_role_without_createdb_is_told_so_with_what_would_be_left_out(server: PostgresServer, tmp_path: Path) -> None:
    with made(
        server,
        "CREATE TABLE o (id int); ALTER TABLE o OWNER TO fore_other; GRANT SELECT ON o TO fore_poor",
        "fore_poor",
    ) as url:
        found = list(findings_of(foreseen(capture(url, tmp_path), tmp_path), {}))

    assert [(one.code, one.severity) for one in found] == [
        ("restore-refused", "error"),
        ("restore-leaves-out", "warning"),  # the owner
        ("restore-leaves-out", "warning"),  # the grant to the role, which is the owner there
    ]
    assert [one.subject for one in found[1:]] == ["owners", "privileges"]
    assert "lacks CREATEDB" in found[0].message


def test_a_role_that_does_not_own_the_live_database_is_told_at_the_backup_and_before_a_restore(
    server: PostgresServer, tmp_path: Path
) -> None:
    with made(server, "GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA public TO fore_owner", "fore_other") as url:
        owned = url.replace("fore_other", "fore_owner")
        live = open_database(DatabaseAddress.from_url(owned))

        finding = next(findings_of(foreseen(capture(owned, tmp_path), tmp_path), {}))
        with pytest.raises(MayNotCreateDatabases) as refused:
            live.check_target(None, promote=True, disconnect=False)
        beside = live.check_target(f"{live.address.name}_beside", promote=False, disconnect=False)

    assert finding.code == "restore-refused" and "belongs to fore_other" in finding.message
    assert "may not rename the live database" in refused.value.what
    assert 'OWNER TO "fore_owner"' in refused.value.fix
    assert beside == ()


def test_a_role_that_may_not_swap_is_told_so_and_nothing_is_changed(server: PostgresServer) -> None:
    with made(server, "SELECT 1") as url:
        live = open_database(DatabaseAddress.from_url(url))
        name = live.address.name
        incoming = f"{name}_incoming"
        with server.connect() as admin:
            admin.execute(f"CREATE DATABASE {incoming} OWNER fore_owner".encode())
            admin.execute(f"ALTER DATABASE {name} OWNER TO fore_other".encode())

        with pytest.raises(MayNotCreateDatabases, match="belongs to fore_other"):
            swapped(live, incoming, disconnect=False)
        with server.connect(name), pytest.raises(TargetInUse, match="may not end"):  # a session of a superuser
            swapped(live, incoming, disconnect=True)

        assert {name, incoming} <= set(server.databases())


def test_a_session_of_replication_is_named(server: PostgresServer) -> None:
    """It keeps the database from being renamed, and so do background workers."""
    with made(server, "SELECT 1") as url:
        here = server.url(DatabaseAddress.from_url(url).name)
        live = open_database(DatabaseAddress.from_url(here))
        there = f"{here}?replication=database&application_name=mirror"
        with psycopg.connect(there, autocommit=True), pytest.raises(TargetInUse) as refused:
            live.check_target(None, promote=True, disconnect=False)

    assert "1 connection is open" in refused.value.why
    assert "mirror as" in refused.value.why and "(walsender)" in refused.value.why


def swapped(live: Database, incoming: str, *, disconnect: bool) -> None:
    previous = f"{live.address.name}_previous"
    live.swap(incoming, previous, expected="", confirm=lambda: None, disconnect=disconnect)


def test_an_invalid_index_is_named(server: PostgresServer, tmp_path: Path) -> None:
    with made(server, "CREATE TABLE u (a int); INSERT INTO u VALUES (1), (1)") as url:
        name = DatabaseAddress.from_url(url).name
        with server.connect(name) as connection, pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute("CREATE UNIQUE INDEX CONCURRENTLY twice ON u (a)")
        with open_database(DatabaseAddress.from_url(server.url(name))).view(tmp_path, 1) as view:
            assert [(one.code, one.subject) for one in view.findings()] == [("invalid-index", "public.twice")]


def test_the_database_of_a_killed_trial_is_removed_by_the_next(server: PostgresServer, tmp_path: Path) -> None:
    with made(server, next(iter(LEFT_OUT))) as url:
        name = DatabaseAddress.from_url(url).name
        left = f"{name}_edms_tried_edms_staging_0123abcd"
        with server.connect() as connection:
            connection.execute(f"CREATE DATABASE {left} OWNER fore_owner".encode())
            target = f'{{"target": "{name}_edms_tried"}}'
            connection.execute(
                f"COMMENT ON DATABASE {left} IS 'edms-backup staging database: safe to drop {target}'".encode()
            )

        foreseen(capture(url, tmp_path), tmp_path)

        assert left not in server.databases()
