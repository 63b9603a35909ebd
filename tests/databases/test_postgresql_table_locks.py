"""A backup holds its tables still, waits for those that others hold, and says whom it waits for."""

from __future__ import annotations

from pathlib import Path
from threading import Thread

import psycopg
import pytest

from edms_tasks.databases import DatabaseAddress, open_database
from edms_tasks.databases.postgresql import table_locks, table_readers, view
from edms_tasks.databases.postgresql.connection import connected
from edms_tasks.databases.postgresql.table_locks import begin_with_locked_tables
from edms_tasks.errors import TableLocked, TerminalError
from edms_tasks.extract import extract_table
from tests.postgres_server import PostgresServer


@pytest.fixture
def database(postgres_database: str) -> str:
    with psycopg.connect(postgres_database, autocommit=True) as connection:
        connection.execute(
            'CREATE TABLE "Held" (id integer PRIMARY KEY); INSERT INTO "Held" VALUES (1); CREATE TABLE b ()'
        )
    return postgres_database


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_locks, "_SECONDS_BETWEEN_LINES", 0.1)
    monkeypatch.setattr(table_locks, "PATIENCE", 0)
    monkeypatch.setattr(table_readers, "PATIENCE", 0.2)
    monkeypatch.setattr(view, "PATIENCE", 0.2)


def test_a_backup_names_the_locked_table_and_continues_when_it_is_free(
    database: str, impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_locks, "PATIENCE", 60)
    address = DatabaseAddress.from_url(database)
    said = []
    with psycopg.connect(database, application_name="a migration") as other, connected(address) as connection:
        other.execute('ALTER TABLE "Held" ADD COLUMN more integer')

        def say(line: str) -> None:
            said.append(line)
            other.commit()

        begin_with_locked_tables(connection, address, say)

        assert len(said) == 1
        assert 'public."Held"' in said[0]
        assert f"session {other.info.backend_pid} of {other.info.user} (a migration, idle in transaction)" in said[0]
        assert connection.execute('SELECT more FROM public."Held"').fetchall() == [(None,)]


def test_a_backup_gives_up_and_names_the_table_and_the_session(database: str, impatient: None, tmp_path: Path) -> None:
    with psycopg.connect(database) as other:
        other.execute('LOCK TABLE "Held" IN ACCESS EXCLUSIVE MODE')

        with pytest.raises(TableLocked) as caught, open_database(DatabaseAddress.from_url(database)).view(tmp_path, 1):
            pass

        assert '"Held"' in caught.value.why
        assert str(other.info.backend_pid) in caught.value.why


def test_no_table_is_emptied_between_the_snapshot_and_its_read(database: str, tmp_path: Path) -> None:
    with psycopg.connect(database, autocommit=True) as other:
        other.execute("SET lock_timeout = '100ms'")
        with open_database(DatabaseAddress.from_url(database)).view(tmp_path, 1) as opened:
            with pytest.raises(psycopg.errors.LockNotAvailable):
                other.execute('TRUNCATE "Held"')
            (table,) = [table for table in opened.tables() if table.name == "Held"]
            assert opened.measure(table).rows == 1
        other.execute('TRUNCATE "Held"')


def test_a_session_that_wants_a_lock_during_the_backup_is_named_and_causes_no_deadlock(
    database: str, impatient: None, tmp_path: Path
) -> None:
    with psycopg.connect(database, autocommit=True) as other, psycopg.connect(database, autocommit=True) as watcher:
        with open_database(DatabaseAddress.from_url(database)).view(tmp_path, 1) as opened:
            asking = Thread(target=lambda: other.execute('TRUNCATE "Held"'))
            asking.start()
            while not watcher.execute("SELECT FROM pg_locks WHERE NOT granted").fetchall():
                pass
            (table,) = [table for table in opened.tables() if table.name == "Held"]

            with pytest.raises(TableLocked, match="asked for by session"):
                opened.measure(table)
            with pytest.raises(TableLocked, match="asked for by session"):
                opened.capture_schema(tmp_path / "schema")
        asking.join(timeout=300)
        assert not asking.is_alive()


def test_a_table_that_the_role_may_not_read_is_named(
    database: str, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    name = database.rpartition("/")[2]
    with postgres_server.connect(name) as connection:
        connection.execute("CREATE ROLE nobody_here LOGIN PASSWORD 'x'; GRANT SELECT ON b TO nobody_here")
    try:
        address = DatabaseAddress.from_url(f"postgresql://nobody_here:x@{database.rpartition('@')[2]}")
        with pytest.raises(TerminalError, match="Held"), open_database(address).view(tmp_path, 1):
            pass
    finally:
        with postgres_server.connect(name) as connection:
            connection.execute("DROP OWNED BY nobody_here; DROP ROLE nobody_here")


def test_a_read_table_is_held_by_one_session_only_so_that_locks_do_not_add_up(database: str, tmp_path: Path) -> None:
    with psycopg.connect(database, autocommit=True) as other:
        other.execute("CREATE TABLE c AS SELECT 1 AS a; CREATE INDEX ON c (a)")
        with open_database(DatabaseAddress.from_url(database)).view(tmp_path, 1) as opened:
            for table in opened.tables():
                extract_table(opened, table, tmp_path / table.name, 100)

            holders = other.execute(
                "SELECT count(DISTINCT pid) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation WHERE c.oid >= 16384"
            ).fetchone()

    assert holders == (1,)
