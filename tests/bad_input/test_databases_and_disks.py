"""The database cannot be read, the target of a restore cannot be used, or a disk is full."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from edms_tasks import errors
from edms_tasks.databases.postgresql.client_programs import installed
from tests.bad_input.backed_up_system import (
    BackedUp,
    only_snapshot,
    pretend_full_disk,
    refused,
)
from tests.postgres_server import PostgresServer
from tests.reference_system import Engine


def test_a_postgresql_server_that_does_not_answer_is_named(on_postgres: BackedUp, tmp_path: Path) -> None:
    port = on_postgres.edms.database_url.split(":")[3].split("/")[0]
    mistaken = on_postgres.with_settings(tmp_path, (f":{port}/", ":1/"))

    # By its id: a database elsewhere is another EDMS, to which `latest` gives nothing of this one.
    for command in (mistaken.backup, lambda: mistaken.restore(only_snapshot(mistaken))):
        error = refused(errors.DatabaseRefused, command)
        assert "127.0.0.1:1/" in error.where and "Connection refused" in error.why
        assert error.fix and error.exit_code == 3


def test_a_postgresql_server_that_refuses_the_login_and_no_password_is_shown(
    on_postgres: BackedUp, tmp_path: Path
) -> None:
    password = on_postgres.edms.database_url.split(":")[2].split("@")[0]
    mistaken = on_postgres.with_settings(tmp_path, (f":{password}@", ":another-secret@"))

    for command in (mistaken.backup, mistaken.restore):
        error = refused(errors.DatabaseRefused, command)
        assert "password authentication failed" in error.why
        assert "another-secret" not in str(error)


def test_a_missing_sqlite_file_is_reported_and_not_created(on_sqlite: BackedUp, tmp_path: Path) -> None:
    mistaken = on_sqlite.with_settings(tmp_path, ("edms.sqlite3", "another.sqlite3"))

    error = refused(errors.DatabaseRefused, mistaken.backup)

    assert "another.sqlite3" in error.where and error.fix
    assert not on_sqlite.edms.database_path.with_name("another.sqlite3").exists()


def test_a_file_that_is_no_sqlite_database_is_reported(on_sqlite: BackedUp, tmp_path: Path) -> None:
    nonsense = on_sqlite.edms.database_path.with_name("nonsense.sqlite3")
    nonsense.write_bytes(b"this is no database, whatever its name says" * 100)
    mistaken = on_sqlite.with_settings(tmp_path, ("edms.sqlite3", "nonsense.sqlite3"))

    error = refused(errors.DatabaseRefused, mistaken.backup)

    assert "nonsense.sqlite3" in error.where and "not a database" in error.why
    nonsense.unlink()


@pytest.fixture
def role_without_createdb(postgres_server: PostgresServer, on_postgres: BackedUp) -> Iterator[tuple[str, str]]:
    """A login that owns the live database and may not create others: (name, password)."""
    name, password = f"clerk_{os.getpid()}", "a password for the clerk"
    live = on_postgres.edms.database_name
    with postgres_server.connect() as connection:
        connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{password}'".encode())
    yield name, password
    with postgres_server.connect() as connection:
        for database in postgres_server.databases():
            if database.startswith(f"{live}_empty"):
                postgres_server.drop_database(database)
        connection.execute(f"DROP ROLE {name}".encode())


@pytest.mark.long
def test_a_role_without_createdb_is_told_the_statement_and_can_restore_into_an_empty_database(
    on_postgres: BackedUp,
    role_without_createdb: tuple[str, str],
    postgres_server: PostgresServer,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    name, password = role_without_createdb
    live, empty = on_postgres.edms.database_name, f"{on_postgres.edms.database_name}_empty"
    address = f"postgresql://{name}:{password.replace(' ', '%20')}@127.0.0.1:{postgres_server.port}/{live}"
    monkeypatch.setenv("EDMS_BACKUP__RESTORE__DATABASE", address)

    error = refused(errors.MayNotCreateDatabases, on_postgres.protected.restore)
    with postgres_server.connect() as connection:
        connection.execute(f"CREATE DATABASE {empty} OWNER {name} TEMPLATE template0".encode())
    result = on_postgres.protected.restore(into=empty, into_files=tmp_path / "files")

    assert f'ALTER ROLE "{name}" CREATEDB' in error.fix and "--into" in error.fix
    assert password not in str(error)
    assert "\n".join(result.failures) == ""
    assert (result.success, result.promoted) == (True, False)
    with psycopg.connect(postgres_server.url(empty)) as session:
        row = session.execute("SELECT count(*) FROM documents_document WHERE title <> 'spoiled'").fetchone()
    assert row is not None and row[0] > 0


def test_a_restore_into_a_database_with_tables_is_refused(on_postgres: BackedUp, tmp_path: Path) -> None:
    error = refused(
        errors.TargetExists,
        lambda: on_postgres.protected.restore(into=on_postgres.edms.database_name, into_files=tmp_path / "files"),
    )

    assert "not empty" in error.what


def test_a_restore_into_an_existing_file_is_refused(on_sqlite: BackedUp, tmp_path: Path) -> None:
    taken = tmp_path / "taken.sqlite3"
    taken.write_bytes(b"something")

    refused(errors.TargetExists, lambda: on_sqlite.protected.restore(into=str(taken), into_files=tmp_path / "files"))
    for blank in ("", " ", "\n"):
        refused(errors.CommandError, lambda blank=blank: on_sqlite.protected.restore(into=blank))  # type: ignore[misc]

    assert taken.read_bytes() == b"something"


def test_a_snapshot_of_another_engine_is_refused_without_into(
    backed_up: Callable[[Engine], BackedUp], tmp_path: Path
) -> None:
    sqlite, postgres = backed_up("sqlite"), backed_up("postgresql")
    converted = sqlite.with_settings(
        tmp_path,
        (f'url = "{sqlite.protected.repository}"', f'url = "{postgres.protected.repository}"'),
    )

    error = refused(errors.CommandError, lambda: converted.restore(only_snapshot(postgres.protected)))

    assert "postgresql" in error.what and "sqlite" in error.what
    sqlite.assert_unchanged()
    postgres.assert_unchanged()


def test_a_restore_is_refused_while_a_session_uses_the_postgresql_database(on_postgres: BackedUp) -> None:
    with psycopg.connect(on_postgres.edms.database_url, application_name="the web server"):
        error = refused(errors.TargetInUse, on_postgres.protected.restore)

    assert "the web server" in error.why and "disconnect" in error.fix


@pytest.mark.long  # both wait; what is said is in databases/test_sqlite_swap
@pytest.mark.parametrize("begin", ["BEGIN IMMEDIATE", "BEGIN"])
def test_a_restore_is_refused_during_a_transaction_on_sqlite(begin: str, on_sqlite: BackedUp) -> None:
    with closing(sqlite3.connect(on_sqlite.edms.database_path, isolation_level=None)) as somebody:
        somebody.execute(begin)
        somebody.execute("SELECT count(*) FROM users_user").fetchone()
        error = refused(errors.TargetInUse, on_sqlite.protected.restore)
        somebody.execute("ROLLBACK")

    assert "locked" in error.why and "Stop the EDMS" in error.fix


@pytest.mark.parametrize(("missing", "verb"), [("pg_dump", "backup"), ("pg_restore", "restore")])
def test_a_missing_program_of_postgresql_is_reported(
    missing: str, verb: str, on_postgres: BackedUp, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if missing == "pg_restore":
        (tmp_path / "pg_dump").symlink_to(installed("pg_dump")[0].path)
    with monkeypatch.context() as patch:
        patch.setenv("PATH", str(tmp_path))
        # A machine without them cannot be had: the tests' own server has them.
        patch.setattr("edms_tasks.databases.postgresql.client_programs._KNOWN_PLACES", ())
        error = refused(errors.ToolMissing, getattr(on_postgres.protected, verb))

    assert missing in error.what and error.where == "PATH and the usual folders" and "Install" in error.fix
    assert error.exit_code == 2


def test_a_restore_is_refused_without_space_for_the_files(system: BackedUp, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_full_disk(monkeypatch)

    error = refused(errors.NoSpace, system.protected.restore)

    assert "1 are free" in error.why and error.fix


def test_a_backup_of_sqlite_is_refused_without_space_for_the_copy(
    on_sqlite: BackedUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend_full_disk(monkeypatch)

    error = refused(errors.NoSpace, on_sqlite.protected.backup)

    assert "1 are free" in error.why and error.fix


def test_a_backup_of_postgresql_is_refused_without_space_for_the_rows(
    on_postgres: BackedUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend_full_disk(monkeypatch)

    error = refused(errors.NoSpace, on_postgres.protected.backup)

    assert "the rows of the database" in error.what and "1 are free" in error.why and error.fix


@pytest.mark.long
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_a_disk_that_fills_up_during_a_backup_leaves_nothing_half(on_sqlite: BackedUp, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(small)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("mounting is not allowed here")
    try:
        elsewhere = on_sqlite.with_settings(
            tmp_path, (f'url = "{on_sqlite.protected.repository}"', f'url = "{small / "repository"}"')
        )
        error = refused(errors.NoSpace, lambda: elsewhere.backup(create_repository=True))
        left = [path for path in (small / "repository").rglob("*") if path.parent.name in ("tmp", "snapshots")]
    finally:
        subprocess.run(["umount", str(small)], check=True)

    assert "full" in error.what
    assert left == []
