"""Rows that users put into an extension's tables come back as they were.

An extension made for the test stands for PostGIS, pg_cron and their like.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from edms_tasks.databases import DatabaseAddress, open_database
from edms_tasks.errors import TerminalError
from tests.databases.there_and_back import there_and_back
from tests.postgres_server import PostgresServer, as_role

EXTENSION = "edms_rows_test"
CONTROL = "default_version = '1'\nrelocatable = false\ntrusted = true\n"
# Two tables that reference each other by name of the job, one with a trigger that refuses, a sequence, one that is not the user's, and
# an event trigger that forbids indexes.
SCRIPT = """
CREATE TABLE rows_jobs (name text PRIMARY KEY, every interval, own boolean DEFAULT true, number serial);
CREATE TABLE rows_runs (job text REFERENCES rows_jobs (name), at timestamptz);
CREATE TABLE rows_log (line text);
CREATE TABLE rows_empty (id integer);
INSERT INTO rows_jobs VALUES ('shipped', '1 day', false), ('changed', '1 day', false), ('gone', '1 day', false);
INSERT INTO rows_empty VALUES (1);
CREATE FUNCTION rows_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not by hand'; END $$;
CREATE TRIGGER refuse BEFORE INSERT OR DELETE ON rows_jobs FOR EACH ROW EXECUTE FUNCTION rows_refuse();
CREATE FUNCTION rows_watch() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION '% is not allowed', tg_tag; END $$;
CREATE EVENT TRIGGER rows_watch ON ddl_command_end WHEN TAG IN ('CREATE INDEX') EXECUTE FUNCTION rows_watch();
SELECT pg_catalog.pg_extension_config_dump('rows_jobs', 'WHERE own');
SELECT pg_catalog.pg_extension_config_dump('rows_runs', '');
SELECT pg_catalog.pg_extension_config_dump('rows_empty', '');
"""
OF_A_USER = """
ALTER TABLE rows_jobs DISABLE TRIGGER refuse;
INSERT INTO rows_jobs VALUES ('nightly', '1 mon 2 days');
UPDATE rows_jobs SET every = '1 year' WHERE name = 'changed';
DELETE FROM rows_jobs WHERE name = 'gone';
INSERT INTO rows_runs VALUES ('nightly', '2026-01-02 03:04:05.678+00'), ('shipped', 'infinity');
DELETE FROM rows_empty;
INSERT INTO rows_log VALUES ('the extension''s own');
ALTER TABLE rows_jobs ENABLE TRIGGER refuse;
ALTER EVENT TRIGGER rows_watch DISABLE;
CREATE TABLE rows_seen (number integer);
CREATE INDEX rows_seen_number ON rows_seen (number);
ALTER EVENT TRIGGER rows_watch ENABLE;
"""
ROWS = {
    "SELECT name, every::text, own, number FROM rows_jobs ORDER BY 1": [
        ("changed", "1 year", False, 2),
        ("nightly", "1 mon 2 days", True, 4),
        ("shipped", "1 day", False, 1),
    ],
    "SELECT job, at::text FROM rows_runs ORDER BY 1": [
        ("nightly", "2026-01-02 03:04:05.678+00"),
        ("shipped", "infinity"),
    ],
    "SELECT count(*) FROM rows_empty": [(0,)],
    "SELECT last_value, is_called FROM rows_jobs_number_seq": [(4, True)],
    "SELECT count(*) FROM rows_log": [(0,)],
    "SELECT indexdef FROM pg_indexes WHERE tablename = 'rows_seen'": [
        ("CREATE INDEX rows_seen_number ON public.rows_seen USING btree (number)",)
    ],
    "SELECT evtname, evtenabled FROM pg_event_trigger": [("rows_watch", "O")],
}


@pytest.fixture(scope="module")
def extension(postgres_server: PostgresServer) -> Iterator[None]:
    """Installed into the server's folders, and gone afterwards."""
    with postgres_server.connect("postgres") as connection:
        row = connection.execute("SELECT setting FROM pg_config() WHERE name = 'SHAREDIR'").fetchone()
    assert row is not None
    folder = Path(str(row[0])) / "extension"
    if not os.access(folder, os.W_OK):
        pytest.skip(f"an extension cannot be put into {folder} by this user")
    files = {f"{EXTENSION}.control": CONTROL, f"{EXTENSION}--1.sql": SCRIPT}
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    yield
    for name in files:
        (folder / name).unlink()


@pytest.fixture
def used(extension: None, postgres_database: str) -> str:
    """A database in which a user has worked with it."""
    with psycopg.connect(postgres_database) as connection:
        connection.execute(f"CREATE EXTENSION {EXTENSION}".encode())
        connection.execute(OF_A_USER.encode())
    return postgres_database


def test_rows_of_extensions_are_restored_with_changes_and_deletions(used: str, tmp_path: Path) -> None:
    copy = there_and_back(used, tmp_path)

    assert copy.before == copy.after
    assert copy.before.keys() == {"rows_jobs", "rows_runs", "rows_empty", "rows_seen"}
    with psycopg.connect(copy.url) as connection:
        connection.execute("SET timezone = 'UTC'")
        assert {query: connection.execute(query.encode()).fetchall() for query in ROWS} == ROWS
        with pytest.raises(psycopg.errors.RaiseException, match="not by hand"), connection.transaction():
            connection.execute("DELETE FROM rows_jobs")
        with pytest.raises(psycopg.errors.RaiseException, match="CREATE INDEX is not allowed"):
            connection.execute("CREATE INDEX ON rows_seen (number)")


@contextmanager
def as_a_role(server: PostgresServer, url: str, name: str, *rights: str) -> Iterator[str]:
    """The database's URL for a new role that has these rights there, and is gone afterwards."""
    database = url.rpartition("/")[2]
    with server.connect(database) as connection:
        for statement in (f"CREATE ROLE {name} LOGIN PASSWORD 'x'", *rights):
            connection.execute(statement.encode())
    try:
        yield as_role(url, f"{name}:x")
    finally:
        for used in (one for one in server.databases() if one.startswith(database)):
            with server.connect(used) as connection:
                connection.execute(f"REASSIGN OWNED BY {name} TO CURRENT_USER; DROP OWNED BY {name}".encode())
        with server.connect("postgres") as connection:
            connection.execute(f"DROP ROLE {name}".encode())


def test_a_backup_by_a_role_that_may_not_read_them_reports_it(
    used: str, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    rights = (
        "GRANT SELECT ON rows_runs, rows_empty, rows_seen, rows_jobs_number_seq TO rows_reader",
        "ALTER TABLE rows_empty ENABLE ROW LEVEL SECURITY",
    )
    with (
        as_a_role(postgres_server, used, "rows_reader", *rights) as url,
        open_database(DatabaseAddress.from_url(url)).view(tmp_path, 1) as view,
    ):
        assert [table.id for table in view.tables()] == ["rows_runs", "rows_seen"]
        found = view.findings()

    assert [(one.code, one.subject) for one in found] == [
        ("extension-rows-not-readable", "public.rows_empty"),
        ("extension-rows-not-readable", "public.rows_jobs"),
    ]


def test_a_restore_that_cannot_write_rows_of_the_user_says_why(
    used: str, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    """As of a trusted extension, whose tables belong to the superuser whoever creates it."""
    rights = (
        "ALTER ROLE rows_owner CREATEDB",
        f"ALTER DATABASE {used.rpartition('/')[2]} OWNER TO rows_owner",
        "GRANT SELECT ON ALL TABLES IN SCHEMA public TO rows_owner",
        "GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO rows_owner",
    )
    with as_a_role(postgres_server, used, "rows_owner", *rights) as url, pytest.raises(TerminalError) as refused:
        there_and_back(url, tmp_path)

    assert "a table of the extension edms_rows_test" in refused.value.what
    assert "Restore as a superuser" in refused.value.fix
