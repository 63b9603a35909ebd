"""What belongs to a PostgreSQL database itself comes back as pg_dump --create sees it, or is named before anything is loaded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from edms_tasks.databases import DatabaseAddress, open_database
from edms_tasks.databases.postgresql.properties import listed, read_properties
from tests.databases.rebuilt import capture, rebuild, roles, said_by_pg_dump
from tests.postgres_server import PostgresServer

PROPERTIES = """
    CREATE SCHEMA app; CREATE TABLE app.note (id integer PRIMARY KEY);
    ALTER DATABASE {name} SET search_path = public, app, "Odd, ""one";
    ALTER DATABASE {name} SET "TimeZone" = 'Europe/Zurich';
    ALTER DATABASE {name} SET app.tenant = 'a''b, "c"';
    ALTER DATABASE {name} SET session_preload_libraries = 'auto_explain';
    ALTER DATABASE {name} SET default_transaction_read_only = on;
    ALTER DATABASE {name} SET statement_timeout = 2000;
    ALTER DATABASE {name} SET synchronous_commit = local;
    ALTER ROLE itself_reader IN DATABASE {name} SET search_path = app, public;
    ALTER ROLE itself_reader IN DATABASE {name} SET log_min_duration_statement = 7;
    REVOKE ALL ON DATABASE {name} FROM PUBLIC;
    GRANT CONNECT ON DATABASE {name} TO itself_reader WITH GRANT OPTION;
    GRANT CREATE ON DATABASE {name} TO itself_reader;
    REVOKE TEMPORARY ON DATABASE {name} FROM itself_owner;
    ALTER DATABASE {name} CONNECTION LIMIT 0;
    COMMENT ON DATABASE {name} IS 'it''s the EDMS';
    ALTER DATABASE {name} OWNER TO itself_owner
"""


@pytest.fixture
def furnished(postgres_server: PostgresServer, postgres_database: str) -> Iterator[str]:
    """The URL of a database with a property of each kind."""
    with roles(postgres_server.url(), "itself_reader", "itself_owner"):
        with psycopg.connect(postgres_database, autocommit=True) as connection:
            connection.execute(PROPERTIES.format(name=connection.info.dbname).encode())
        yield postgres_database
        for name in postgres_server.databases():
            if name.startswith(postgres_database.rpartition("/")[2]):
                postgres_server.drop_database(name)


def test_every_property_comes_back_as_pg_dump_sees_it(furnished: str, tmp_path: Path) -> None:
    before = said_by_pg_dump(furnished)

    copy = rebuild(capture(furnished, tmp_path), tmp_path)

    assert said_by_pg_dump(copy.url) == before
    assert copy.is_proved
    assert copy.notes == ()


@pytest.mark.parametrize(
    "damage",
    [
        "ALTER DATABASE {name} SET search_path = public",
        "ALTER DATABASE {name} RESET app.tenant",
        "ALTER DATABASE {name} SET work_mem = '1MB'",
        "GRANT CONNECT ON DATABASE {name} TO PUBLIC",
        "REVOKE GRANT OPTION FOR CONNECT ON DATABASE {name} FROM itself_reader",
        "ALTER ROLE itself_reader IN DATABASE {name} RESET search_path",
        "ALTER DATABASE {name} OWNER TO CURRENT_USER",
        "DROP SCHEMA public",
    ],
)
def test_the_validation_names_changed_properties(damage: str, postgres_database: str, furnished: str) -> None:
    with psycopg.connect(furnished, autocommit=True) as connection:
        connection.execute("SET default_transaction_read_only = off; SET statement_timeout = 0")
        was = read_properties(connection).lines()
        connection.execute(damage.format(name=connection.info.dbname).encode())
        now = read_properties(connection).lines()

    assert was != now


def test_a_promoted_database_gets_the_recorded_comment_and_limit_and_rollback_keeps_them(
    furnished: str, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    name = furnished.rpartition("/")[2]
    captured = capture(furnished, tmp_path)
    database = open_database(DatabaseAddress.from_url(furnished))
    staging = database.stage(captured.schema, None, 1)
    staging.finish([], [])
    for incoming, previous in ((staging.address.name, f"{name}_previous_1"), (f"{name}_previous_1", f"{name}_undone")):
        database.swap(incoming, previous, expected="", confirm=lambda: None, disconnect=True)

    for one in (name, f"{name}_undone"):
        with postgres_server.connect(one) as connection:
            closing = read_properties(connection).closing
        assert (closing.comment, closing.connection_limit) == ("it's the EDMS", 0)


def test_settings_that_a_plain_role_may_not_make_are_named_before_the_load_with_the_statement(
    furnished: str, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    captured = capture(furnished, tmp_path)
    name = furnished.rpartition("/")[2]
    with roles(postgres_server.url(), "itself_plain LOGIN PASSWORD 'x' CREATEDB"):
        url = f"postgresql://itself_plain:x@127.0.0.1:{postgres_server.port}/{name}_new"
        staging = open_database(DatabaseAddress.from_url(url)).stage(captured.schema, f"{name}_copy", 1)
        early = "\n".join(staging.notes)
        staging.finish([], [])

        for statement in (
            f"""ALTER DATABASE "{name}_copy" OWNER TO "itself_owner";""",
            f"""ALTER DATABASE "{name}_copy" SET "session_preload_libraries" TO 'auto_explain';""",
            f"""ALTER ROLE "itself_reader" IN DATABASE "{name}_copy" SET "search_path" TO 'app', 'public';""",
        ):
            assert statement in "\n".join(f"{one.statement};" for one in staging.left_out)
            assert statement in early
        staging.keep_as(f"{name}_copy")
        with postgres_server.connect(f"{name}_copy") as connection:
            assert dict(read_properties(connection).settings)["search_path"] == 'public, app, "Odd, ""one"'
        postgres_server.drop_database(f"{name}_copy")


def test_a_libc_database_comes_back_libc_in_a_cluster_of_another_provider(
    postgres_server: PostgresServer, tmp_path: Path, _postgres_name: str
) -> None:
    icu = f"{_postgres_name}_icu"
    with postgres_server.connect() as connection:
        try:
            connection.execute(
                f"CREATE DATABASE {icu} TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'de-u-co-phonebk' ENCODING 'UTF8'".encode()
            )
        except psycopg.errors.FeatureNotSupported:
            pytest.skip("a server built without ICU")
    try:
        before = said_by_pg_dump(postgres_server.url(icu))
        copy = rebuild(capture(postgres_server.url(icu), tmp_path), tmp_path)
        assert said_by_pg_dump(copy.url) == before
        assert copy.is_proved
    finally:
        postgres_server.drop_database(icu)
        postgres_server.drop_database(f"{icu}_rebuilt")


def test_a_dropped_schema_public_is_not_restored(postgres_database: str, tmp_path: Path) -> None:
    with psycopg.connect(postgres_database, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA app; CREATE TABLE app.t (id integer); DROP SCHEMA public")

    copy = rebuild(capture(postgres_database, tmp_path), tmp_path)

    assert copy.is_proved
    with psycopg.connect(copy.url) as connection:
        assert connection.execute("SELECT to_regnamespace('public')").fetchone() == (None,)


@pytest.mark.parametrize(
    ("value", "items"),
    [
        ('"$user", public', ["$user", "public"]),
        ('public, "a, ""b"', ["public", 'a, "b']),
        ('""', [""]),
        ("", []),
        ('"unclosed', ['"unclosed']),
    ],
)
def test_a_list_setting_is_parsed_as_the_server_stores_it(value: str, items: list[str]) -> None:
    assert listed(value) == items
