"""Whatever a role's sessions have by default: values, rows and definitions come back as they are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from edms_tasks.databases import DatabaseAddress, open_database
from edms_tasks.databases.postgresql.connection import connected
from edms_tasks.databases.postgresql.session_settings import SETTINGS
from tests.databases.there_and_back import there_and_back
from tests.independent_comparison import differences, picture_of_postgres
from tests.postgres_server import PostgresServer, as_role

ODD = {
    "client_encoding": "LATIN1",
    "datestyle": "SQL, DMY",
    "intervalstyle": "sql_standard",
    "timezone": "Asia/Kathmandu",
    "extra_float_digits": "-15",
    "bytea_output": "escape",
    "xmloption": "document",
    "quote_all_identifiers": "on",
    "standard_conforming_strings": "off",
    "escape_string_warning": "off",
    "backslash_quote": "off",
    "array_nulls": "off",
    "transform_null_equals": "on",
    "statement_timeout": "60000",
    "lock_timeout": "60000",
    "idle_in_transaction_session_timeout": "300",
    "idle_session_timeout": "300",
    "transaction_timeout": "400",
    "default_transaction_read_only": "on",
    "default_transaction_isolation": "serializable",
    "default_transaction_deferrable": "on",
    "session_replication_role": "replica",
    "row_security": "on",
    "search_path": '"No such schema"',
    "check_function_bodies": "on",
    "lc_monetary": "C",
    "constraint_exclusion": "on",
}


@pytest.fixture(scope="module")
def odd_role(postgres_server: PostgresServer) -> Iterator[str]:
    """The login, `user:password`, of a superuser with every odd default that the server knows."""
    with postgres_server.connect() as connection:
        known = {str(name).lower() for (name,) in connection.execute("SELECT name FROM pg_settings").fetchall()}
        connection.execute("CREATE ROLE odd SUPERUSER LOGIN PASSWORD 'odd'")
        for name, value in ODD.items():
            if name in known:
                connection.execute(sql.SQL("ALTER ROLE odd SET {} = {}").format(sql.Identifier(name), value))
    yield "odd:odd"
    with postgres_server.connect() as connection:
        connection.execute("DROP OWNED BY odd; DROP ROLE odd")


def test_every_session_has_our_settings_whatever_its_role_has(odd_role: str, postgres_server: PostgresServer) -> None:
    address = DatabaseAddress.from_url(as_role(postgres_server.url(), odd_role))

    with connected(address) as connection:
        rows = connection.execute("SELECT lower(name), setting FROM pg_settings").fetchall()
        encoding = connection.info.encoding

    found = {str(name): str(setting) for name, setting in rows if name in SETTINGS}
    assert found == {name: value for name, value in SETTINGS.items() if name in found}
    assert (encoding, dict(rows)["search_path"]) == ("utf-8", "")


def test_a_database_comes_back_whole_through_a_role_with_odd_defaults(
    odd_role: str, postgres_database: str, tmp_path: Path
) -> None:
    with psycopg.connect(postgres_database, autocommit=True) as connection:
        connection.execute("""
            CREATE TABLE t (id integer PRIMARY KEY, a text, b interval, c timestamptz, d bytea, e double precision, f text[],
                g xml, h text GENERATED ALWAYS AS (a || E'\\\\') STORED, "a-b" date CHECK ("a-b" > '2001-02-03'));
            INSERT INTO t VALUES (1, 'é文\\', '-1 day +02:03', '2020-01-02 03:04:05.000006+07', '\\x00ff27', 0.1, '{a,NULL}', 'x<y/>',
                DEFAULT, '2020-02-01'), (2, U&'\\00C3\\00A9''', '1 mon -2 days', 'infinity', '', 'NaN', '{"NULL"}', '<z/>', DEFAULT, NULL);
            CREATE TABLE parts (at timestamptz, i interval DEFAULT '-1 day +02:03') PARTITION BY RANGE (at);
            CREATE TABLE parts_2020 PARTITION OF parts FOR VALUES FROM ('2020-01-01 00:00+00') TO ('2021-01-01 00:00+00');
            INSERT INTO parts VALUES ('2020-05-05');
            CREATE VIEW v AS SELECT a FROM t WHERE "a-b" IS NOT NULL; CREATE INDEX lowered ON t (lower(a))
        """)
    before = picture_of_postgres(postgres_database)

    copy = there_and_back(as_role(postgres_database, odd_role), tmp_path)

    plain = f"{postgres_database.rpartition('/')[0]}/{copy.url.rpartition('/')[2].partition('?')[0]}"
    assert differences(before, picture_of_postgres(plain)) == []
    assert copy.before == copy.after


def test_a_role_that_becomes_another_by_default_reads_as_that_one(
    postgres_server: PostgresServer, postgres_database: str, tmp_path: Path
) -> None:
    name = postgres_database.rpartition("/")[2]
    with postgres_server.connect(name) as connection:
        connection.execute("""
            CREATE ROLE the_owner; CREATE ROLE the_login LOGIN NOINHERIT PASSWORD 'x' IN ROLE the_owner;
            ALTER ROLE the_login SET role = the_owner;
            CREATE TABLE t (id integer PRIMARY KEY); ALTER TABLE t OWNER TO the_owner; INSERT INTO t VALUES (1)
        """)
    try:
        address = DatabaseAddress.from_url(as_role(postgres_database, "the_login:x"))
        with open_database(address).view(tmp_path, 1) as view:
            view.capture_schema(tmp_path / "schema.dump")
            (table,) = view.tables()
            assert view.measure(table).rows == 1
    finally:
        with postgres_server.connect(name) as connection:
            connection.execute("DROP OWNED BY the_owner, the_login; DROP ROLE the_login, the_owner")


def test_rows_that_row_security_would_hide_are_an_error_and_not_missing(
    postgres_server: PostgresServer, postgres_database: str, tmp_path: Path
) -> None:
    name = postgres_database.rpartition("/")[2]
    with postgres_server.connect(name) as connection:
        connection.execute("""
            CREATE ROLE some_reader LOGIN PASSWORD 'x'; ALTER ROLE some_reader SET row_security = on;
            CREATE TABLE t (id integer PRIMARY KEY, mine boolean); INSERT INTO t VALUES (1, true), (2, false);
            ALTER TABLE t ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON t USING (mine); GRANT SELECT ON t TO some_reader
        """)
    try:
        address = DatabaseAddress.from_url(as_role(postgres_database, "some_reader:x"))
        with open_database(address).view(tmp_path, 1) as view:
            (table,) = view.tables()
            with pytest.raises(Exception, match="row-level security"):
                view.measure(table)
    finally:
        with postgres_server.connect(name) as connection:
            connection.execute("DROP OWNED BY some_reader; DROP ROLE some_reader")
