"""Functions of the EDMS that name things without their schema: whatever is built from them comes back, and reads as before."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from edms_tasks.databases import DatabaseAddress, open_database
from tests.databases.rebuilt import Captured, capture, rebuild, roles
from tests.databases.there_and_back import there_and_back
from tests.databases.unqualified_functions import FUNCTIONS, KINDS, TABLES, UNQUALIFIED
from tests.independent_comparison import differences, picture_of_postgres
from tests.newest_postgres_server import newest_server
from tests.postgres_server import PostgresServer

_PREFIX = "unqualified_"


@dataclass(frozen=True)
class Pair:
    """A database of every kind, the copy that the product made of it, and whether pg_dump sees them alike."""

    original: str
    copy: str
    different: list[str]


@pytest.fixture(scope="module")
def usual(postgres_server: PostgresServer) -> Iterator[PostgresServer]:
    """The server of the other tests, rid of what these made."""
    yield postgres_server
    for name in postgres_server.databases():
        if name.startswith(_PREFIX):
            postgres_server.drop_database(name)


@pytest.fixture(scope="module")
def newest(postgres_server: PostgresServer) -> Iterator[PostgresServer]:
    """A server that takes the path away from sessions that build or refresh."""
    with newest_server(postgres_server) as server:
        if server is None:
            pytest.skip("there is no server of version 18")
        yield server


@pytest.fixture(scope="module", params=["usual", pytest.param("newest", marks=pytest.mark.long)])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """The path is the database's own."""
    return _pair(request.getfixturevalue(request.param), tmp_path_factory.mktemp(request.param))


def _pair(server: PostgresServer, folder: Path) -> Pair:
    url = _database(server)
    _run(url, TABLES, FUNCTIONS, *(made for made, _ in KINDS.values()), UNQUALIFIED)
    _set_path(url, "DATABASE", "app, public")
    before = picture_of_postgres(url)
    copy = there_and_back(url, folder)
    assert copy.before == copy.after
    return Pair(url, copy.url, differences(before, picture_of_postgres(copy.url)))


def test_pg_dump_sees_no_difference(pair: Pair) -> None:
    assert pair.different == []


@pytest.mark.parametrize("kind", KINDS)
def test_the_restored_functions_work_as_before(kind: str, pair: Pair) -> None:
    query = f"SET search_path = app, public; SET enable_seqscan = off; {KINDS[kind][1]}"

    assert _last(pair.copy, query) == _last(pair.original, query) != []


def test_the_functions_get_no_additional_settings(pair: Pair) -> None:
    assert _last(pair.copy, "SELECT proname FROM pg_proc WHERE proconfig IS NOT NULL AND oid >= 16384") == []


@pytest.mark.long
@pytest.mark.parametrize("whose", ["ROLE", "DATABASE", "OPTIONS"])
def test_the_search_path_is_found_wherever_it_is_set(whose: str, usual: PostgresServer, tmp_path: Path) -> None:
    url = _database(usual)
    role = f"owner_{secrets.token_hex(3)}"
    schemas = ["b lank", "quo'te", 'dou"ble', "com,ma", "Upper", role, "back\\slash", "é"]
    # Each function finds the next one in the schema behind its own.
    names = [sql.Identifier(name) for name in schemas]
    path = sql.SQL(", ").join([sql.SQL('"$user"') if name == role else sql.Identifier(name) for name in schemas])
    with roles(usual.url(), f"{role} SUPERUSER LOGIN PASSWORD 'x'"):
        login = f"postgresql://{role}:x@{url.rpartition('@')[2]}"
        with psycopg.connect(login, autocommit=True) as connection:
            for number, name in enumerate(names):
                body = "SELECT lower($1)" if number == 0 else f"SELECT f{number - 1}($1)"
                connection.execute(sql.SQL("CREATE SCHEMA {}").format(name))
                connection.execute(
                    sql.SQL("CREATE FUNCTION {}.{}(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS {}").format(
                        name, sql.Identifier(f"f{number}"), f"BEGIN RETURN ({body}); END"
                    )
                )
            connection.execute(sql.SQL("SET search_path = {}").format(path))
            connection.execute("CREATE TABLE t (id integer PRIMARY KEY, a text); INSERT INTO t VALUES (1, 'É')")
            connection.execute(f"CREATE INDEX by_f ON t (f{len(schemas) - 1}(a))".encode())
            shown = connection.execute("SHOW search_path").fetchone()
            assert shown is not None
            if whose == "OPTIONS":
                address = DatabaseAddress.from_url(login).with_settings({"search_path": str(shown[0])})
                login = address.url()
            else:
                name = role if whose == "ROLE" else connection.info.dbname
                connection.execute(
                    sql.SQL("ALTER {} {} SET search_path = {}").format(sql.SQL(whose), sql.Identifier(name), path)
                )
        before = picture_of_postgres(url)

        copy = there_and_back(login, tmp_path)

        assert copy.before == copy.after
        assert differences(before, picture_of_postgres(copy.url)) == []
        usual.drop_database(DatabaseAddress.from_url(copy.url).name)
        usual.drop_database(DatabaseAddress.from_url(url).name)


@pytest.mark.long
def test_no_object_of_the_edms_replaces_one_of_postgresql(usual: PostgresServer, tmp_path: Path) -> None:
    url = _database(usual)
    _run(
        url,
        TABLES,
        UNQUALIFIED,
        """
        CREATE TABLE t (id integer PRIMARY KEY, a integer[], title text, CHECK (a @> ARRAY[1] AND has_word(title)));
        INSERT INTO t VALUES (1, '{1,2}', 'É'), (2, '{1}', 'x');
        CREATE INDEX holds ON t (plain(title)) WHERE a @> ARRAY[2] AND array_position(a, 2) > 0;
        CREATE VIEW v AS SELECT a @> ARRAY[2] AS holds, array_position(a, 2) AS at, plain(title) FROM t;
        CREATE FUNCTION never(integer[], integer[]) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT false';
        CREATE OPERATOR @> (LEFTARG = integer[], RIGHTARG = integer[], FUNCTION = never);
        CREATE FUNCTION array_position(integer[], integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT -1';
        CREATE FUNCTION lower(varchar) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT 'never' $$
        """,
    )
    _set_path(url, "DATABASE", "app, public")
    before = picture_of_postgres(url)

    copy = there_and_back(url, tmp_path)

    assert copy.before == copy.after
    assert differences(before, picture_of_postgres(copy.url)) == []


def test_dates_of_times_are_computed_in_the_edms_time_zone(usual: PostgresServer, tmp_path: Path) -> None:
    url = _database(usual)
    _run(
        url,
        """
        SET TimeZone = 'Asia/Kathmandu'; SET default_text_search_config = 'german';
        CREATE FUNCTION day(timestamptz) RETURNS date LANGUAGE sql IMMUTABLE AS 'SELECT $1::date';
        CREATE FUNCTION found(text) RETURNS tsvector LANGUAGE sql IMMUTABLE AS 'SELECT to_tsvector($1)';
        CREATE TABLE t (id integer PRIMARY KEY, at timestamptz, day date, found tsvector GENERATED ALWAYS AS (found('Die Häuser')) STORED,
            CHECK (day(at) = day), CHECK (at::date = day));
        INSERT INTO t VALUES (1, '2020-01-01 22:00+00', '2020-01-02')
        """,
    )
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {connection.info.dbname} SET TimeZone = 'Asia/Kathmandu'".encode())
        connection.execute(f"ALTER DATABASE {connection.info.dbname} SET default_text_search_config = german".encode())
    before = picture_of_postgres(url)

    copy = there_and_back(url, tmp_path)

    assert copy.before == copy.after
    assert differences(before, picture_of_postgres(copy.url)) == []


def test_the_time_zone_that_django_gives_its_sessions_is_recorded(usual: PostgresServer, tmp_path: Path) -> None:
    address = replace(DatabaseAddress.from_url(_database(usual)), time_zone="Europe/Vienna")

    with open_database(address).view(tmp_path, 1) as view:
        schema = view.capture_schema(tmp_path / "schema")

    assert schema.settings["session.TimeZone"] == "Europe/Vienna"


def test_a_snapshot_of_an_earlier_release_is_restored_with_the_present_search_path(
    usual: PostgresServer, tmp_path: Path
) -> None:
    url = _database(usual)
    _run(url, TABLES, UNQUALIFIED, KINDS["index"][0], KINDS["materialised view"][0])
    _set_path(url, "DATABASE", "app, public")
    captured = capture(url, tmp_path)
    kept = {name: value for name, value in captured.schema.settings.items() if not name.startswith("session.")}
    assert kept != captured.schema.settings

    rebuilt = rebuild(Captured(replace(captured.schema, settings=kept), url), tmp_path)

    assert rebuilt.is_proved, rebuilt.checks


def test_settings_in_a_manifest_are_quoted_as_text(usual: PostgresServer, tmp_path: Path) -> None:
    url = _database(usual)
    _run(url, TABLES, UNQUALIFIED, "CREATE TABLE public.victim (id integer)")
    captured = capture(url, tmp_path)
    evil = "app', 'x'; DROP TABLE public.victim; --\\'"
    settings = captured.schema.settings | {
        "session.search_path": evil,
        "session.TimeZone": "'; DROP TABLE public.victim; --",
    }

    rebuilt = rebuild(Captured(replace(captured.schema, settings=settings), url), tmp_path)

    assert rebuilt.is_proved, rebuilt.checks
    assert _last(rebuilt.url, "SELECT count(*) FROM public.victim") == [(0,)]


def test_a_backup_on_version_17_names_what_the_server_cannot_maintain(newest: PostgresServer, tmp_path: Path) -> None:
    url = _database(newest)
    _run(
        url,
        TABLES,
        FUNCTIONS,
        """
        CREATE INDEX good ON papers (lower(title)); CREATE MATERIALIZED VIEW good_view AS SELECT lower(title) FROM papers;
        CREATE TABLE later (title text); CREATE INDEX bad ON later (has_word(title));
        INSERT INTO later VALUES ('É'); CREATE STATISTICS bad_too ON (plain(title)), title FROM later;
        CREATE MATERIALIZED VIEW bad_view AS SELECT plain(title) FROM papers WITH NO DATA
        """,
        UNQUALIFIED,
    )
    _set_path(url, "DATABASE", "app, public")

    with open_database(DatabaseAddress.from_url(url)).view(tmp_path, 1) as view:
        found = view.findings()

    assert {(one.code, one.subject) for one in found} == {
        ("fails-in-maintenance", "index app.bad"),
        ("fails-in-maintenance", "statistics app.bad_too"),
        ("fails-in-maintenance", "materialised view app.bad_view"),
    }


def test_a_restore_on_version_17_names_what_the_server_cannot_analyse(newest: PostgresServer, tmp_path: Path) -> None:
    url = _database(newest)
    _run(url, TABLES, FUNCTIONS, "CREATE INDEX bad ON papers (plain(title))", UNQUALIFIED)
    _set_path(url, "DATABASE", "app, public")

    rebuilt = rebuild(capture(url, tmp_path), tmp_path)
    rebuilt.staging.gather_statistics()

    assert rebuilt.is_proved, rebuilt.checks
    (note,) = [note for note in rebuilt.staging.notes if "statistics" in note]
    assert '"app"."papers"' in note


def test_an_index_and_a_view_that_cannot_be_built_are_named(usual: PostgresServer, tmp_path: Path) -> None:
    url = _database(usual)
    _run(
        url,
        TABLES,
        UNQUALIFIED,
        """
        CREATE INDEX lost ON papers (plain(title)); COMMENT ON INDEX lost IS 'lost'; CREATE INDEX kept ON papers (title);
        CREATE MATERIALIZED VIEW lost_view AS SELECT looked_up('Café'); DROP FUNCTION folded
        """,
        "ALTER TABLE words RENAME TO others",
    )

    rebuilt = rebuild(capture(url, tmp_path), tmp_path, rows="INSERT INTO app.papers VALUES (1, 'Café')")

    assert rebuilt.is_proved, rebuilt.checks
    named = {one.subject: one.statement for one in rebuilt.staging.left_out}
    assert set(named) == {"INDEX app lost", "COMMENT app INDEX lost", "CONTENTS app lost_view"}
    assert named["INDEX app lost"].startswith("CREATE INDEX lost ON")
    assert _last(rebuilt.url, "SELECT relname FROM pg_class WHERE relname IN ('kept', 'lost')") == [("kept",)]


def test_a_role_with_another_path_restores_and_finds_what_the_edms_finds(usual: PostgresServer, tmp_path: Path) -> None:
    url = _database(usual)
    owner, builder = (f"{name}_{secrets.token_hex(3)}" for name in ("owner", "builder"))
    with roles(usual.url(), owner, f"{builder} LOGIN CREATEDB PASSWORD 'x' IN ROLE {owner}"):
        _run(
            url, TABLES, UNQUALIFIED, KINDS["index"][0], KINDS["materialised view"][0],
            f"ALTER FUNCTION app.plain OWNER TO {owner}; ALTER TABLE app.papers OWNER TO {owner}; GRANT ALL ON SCHEMA app TO {owner}",
        )  # fmt: skip
        there = DatabaseAddress.from_url(url).with_settings({"search_path": "app, public"})
        captured = capture(there.url(), tmp_path)
        login = DatabaseAddress.from_url(f"postgresql://{builder}:x@{url.rpartition('@')[2]}")

        rebuilt = rebuild(captured, tmp_path, url=login.url())

        assert rebuilt.is_proved, rebuilt.checks
        assert [one.subject for one in rebuilt.staging.left_out if not one.subject.startswith("owner")] == []
        asked = "SELECT proowner::regrole::text, proconfig FROM pg_proc WHERE oid = 'plain(text)'::regprocedure"
        assert _last(rebuilt.staging.address.url(), asked) == [(owner, None)]
        usual.drop_database(DatabaseAddress.from_url(rebuilt.url).name)
        usual.drop_database(DatabaseAddress.from_url(url).name)


@pytest.mark.long
def test_functions_of_extensions_find_what_they_name(usual: PostgresServer, tmp_path: Path) -> None:
    url = _database(usual)
    with psycopg.connect(url) as connection:
        query = "SELECT 1 FROM pg_available_extensions WHERE name = 'earthdistance'"
        if connection.execute(query).fetchone() is None:
            pytest.skip("earthdistance is not installed")
    _run(
        url,
        """
        CREATE EXTENSION earthdistance CASCADE; CREATE TABLE places (id integer PRIMARY KEY, n float8, e float8);
        INSERT INTO places VALUES (1, 48.2, 16.4), (2, -27.1, -109.4);
        CREATE INDEX where_it_is ON places USING gist (ll_to_earth(n, e));
        CREATE TABLE halves (n float8, e float8, CHECK (latitude(ll_to_earth(n, e)) < 91)) PARTITION BY RANGE (latitude(ll_to_earth(n, e)));
        CREATE TABLE south PARTITION OF halves FOR VALUES FROM (-91) TO (0); CREATE TABLE north PARTITION OF halves DEFAULT;
        ALTER TABLE halves ADD east float8 GENERATED ALWAYS AS (longitude(ll_to_earth(n, e))) STORED;
        INSERT INTO halves SELECT n, e FROM places; CREATE INDEX within ON halves USING gist (ll_to_earth(n, e))
        """,
    )
    before = picture_of_postgres(url)

    copy = there_and_back(url, tmp_path)

    assert copy.before == copy.after
    assert differences(before, picture_of_postgres(copy.url)) == []


def _database(server: PostgresServer) -> str:
    return server.create_database(f"{_PREFIX}{secrets.token_hex(4)}")


def _run(url: str, *scripts: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for script in scripts:
            connection.execute(script.encode())


def _set_path(url: str, whose: str, path: str) -> None:
    name = DatabaseAddress.from_url(url).name
    _run(url, f"ALTER {whose} {name} SET search_path = {path}")


def _last(url: str, script: str) -> list[tuple[object, ...]]:
    """The rows of the last statement, taken back."""
    *before, last = script.split("; ")
    with psycopg.connect(url) as connection:
        for statement in before:
            connection.execute(statement.encode())
        rows = connection.execute(last.encode()).fetchall()
        connection.rollback()
    return rows
