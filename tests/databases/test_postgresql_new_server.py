"""A server that lacks roles, or a role that may not do everything: the rest comes back, what does not is named with its statement."""

from __future__ import annotations

import subprocess
from pathlib import Path

import psycopg
import pytest

from edms_tasks.databases.postgresql.archive import read_archive
from edms_tasks.databases.postgresql.archive_statements import parse_policy, roles_of, split
from edms_tasks.errors import ServerNotReady
from tests.databases.rebuilt import capture, drop_role, rebuild, roles, said_by_pg_dump
from tests.postgres_server import PostgresServer

SCHEMA = """
    CREATE TABLE t (id integer PRIMARY KEY, secret text); CREATE TABLE "of it" (id integer PRIMARY KEY);
    ALTER TABLE "of it" OWNER TO "new gone";
    CREATE FUNCTION f(integer) RETURNS integer LANGUAGE sql AS 'SELECT 1';
    GRANT SELECT ON t TO new_here, "new gone"; GRANT UPDATE (secret) ON t TO "new gone"; GRANT EXECUTE ON FUNCTION f TO "new gone";
    ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO new_here, "new gone";
    ALTER TABLE t ENABLE ROW LEVEL SECURITY;
    CREATE POLICY shared ON t FOR SELECT TO new_here, "new gone" USING (true);
    CREATE POLICY "only gone" ON t TO "new gone" USING (secret IS NULL) WITH CHECK (true);
    COMMENT ON POLICY "only gone" ON t IS 'a; "comment"'
"""


def test_objects_of_a_missing_role_are_left_out_and_named_and_the_rest_is_restored(
    postgres_server: PostgresServer, postgres_database: str, tmp_path: Path
) -> None:
    with roles(postgres_server.url(), "new_here"):
        with psycopg.connect(postgres_database, autocommit=True) as connection:
            connection.execute('CREATE ROLE "new gone"')
            connection.execute(SCHEMA.encode())
        before = said_by_pg_dump(postgres_database)
        captured = capture(postgres_database, tmp_path)
        postgres_server.drop_database(postgres_database.rpartition("/")[2])
        drop_role(postgres_server.url(), '"new gone"')

        copy = rebuild(captured, tmp_path)

        assert copy.is_proved
        lost = [line for line in before if line not in said_by_pg_dump(copy.url)]
        assert lost and all("new gone" in line or "only gone" in line for line in lost)
        with psycopg.connect(copy.url, autocommit=True) as connection:
            connection.execute('CREATE ROLE "new gone"')
            for one in copy.staging.left_out:
                if one.statement:
                    connection.execute(one.statement.encode())
        assert sorted(said_by_pg_dump(copy.url)) == sorted(before)
        postgres_server.drop_database(copy.url.rpartition("/")[2])
        drop_role(postgres_server.url(), '"new gone"')


def test_the_archive_says_which_version_of_pg_dump_wrote_it(postgres_database: str, tmp_path: Path) -> None:
    captured = capture(postgres_database, tmp_path)

    listing = subprocess.run(["pg_restore", "--list", captured.schema.path], capture_output=True, text=True, check=True)
    assert f"Dumped by pg_dump version: {read_archive(captured.schema.path).dumped_by}." in listing.stdout


@pytest.mark.long  # other differences of servers are asked here
def test_a_policys_roles_may_stand_in_another_order_on_another_server(
    postgres_server: PostgresServer, postgres_database: str, tmp_path: Path
) -> None:
    policy = "CREATE POLICY p ON t FOR SELECT TO order_one, order_two USING (true)"
    with roles(postgres_server.url(), "order_one", "order_two"):
        with psycopg.connect(postgres_database, autocommit=True) as connection:
            connection.execute(f"CREATE TABLE t (id integer); {policy}".encode())
        captured = capture(postgres_database, tmp_path)
        postgres_server.drop_database(postgres_database.rpartition("/")[2])
    with psycopg.connect(postgres_server.url(), autocommit=True) as connection:
        connection.execute("VACUUM pg_authid")  # the next two take the places of the first, in their order

    with roles(postgres_server.url(), "order_two", "order_one"):
        copy = rebuild(captured, tmp_path)

        assert copy.is_proved
        with psycopg.connect(copy.url) as connection:
            text = connection.execute(
                "SELECT array_agg(rolname::text) FROM (SELECT rolname FROM pg_roles WHERE rolname LIKE 'order%') roles"
            ).fetchall()
        assert text == [(["order_two", "order_one"],)]
        postgres_server.drop_database(copy.url.rpartition("/")[2])


def test_a_restrictive_policy_of_a_missing_role_stops_the_restore_before_anything_is_made(
    postgres_server: PostgresServer, postgres_database: str, tmp_path: Path
) -> None:
    with psycopg.connect(postgres_database, autocommit=True) as connection:
        connection.execute(
            "CREATE ROLE new_intern; CREATE TABLE t (id integer); CREATE POLICY p ON t AS RESTRICTIVE TO new_intern USING (false)"
        )
    captured = capture(postgres_database, tmp_path)
    postgres_server.drop_database(postgres_database.rpartition("/")[2])
    drop_role(postgres_server.url(), "new_intern")

    with pytest.raises(ServerNotReady, match='CREATE ROLE "new_intern" NOLOGIN;'):
        rebuild(captured, tmp_path)


def test_event_triggers_come_back_and_log_nothing_of_the_restore(postgres_database: str, tmp_path: Path) -> None:
    with psycopg.connect(postgres_database, autocommit=True) as connection:
        connection.execute(
            """
            CREATE TABLE log (said text); CREATE MATERIALIZED VIEW m AS SELECT 1 AS one;
            CREATE FUNCTION note() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.log VALUES (tg_tag); END $$;
            CREATE EVENT TRIGGER note ON ddl_command_end EXECUTE FUNCTION note(); ALTER EVENT TRIGGER note ENABLE ALWAYS;
            GRANT SELECT ON log TO PUBLIC; COMMENT ON EVENT TRIGGER note IS 'x'; TRUNCATE log
            """
        )
    before = said_by_pg_dump(postgres_database)

    copy = rebuild(capture(postgres_database, tmp_path), tmp_path)

    assert sorted(said_by_pg_dump(copy.url)) == sorted(before)
    with psycopg.connect(copy.url) as connection:
        assert connection.execute("SELECT count(*) FROM log").fetchone() == (0,)


def test_privileges_are_cut_into_statements_and_policies_at_their_roles() -> None:
    script = b'GRANT ALL ON TABLE public."a; TO b" TO "x ""y";\nREVOKE ALL ON TABLE t FROM PUBLIC;\n'
    assert [roles_of(one) for one in split(script)] == [frozenset({'x "y'}), frozenset()]
    policy = parse_policy(
        b'CREATE POLICY "TO" ON public."t;" AS RESTRICTIVE FOR SELECT TO a, "b c" USING ((x = \' TO z \'::text));'
    )
    assert policy is not None
    assert (policy.roles, policy.restrictive) == ((b"a", b'"b c"'), True)
