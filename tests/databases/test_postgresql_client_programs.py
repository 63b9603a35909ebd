"""The client programs that fit a server are found among all there are, and what a failure of theirs means is said."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr

from edms_tasks.databases import DatabaseAddress, open_database
from edms_tasks.databases.postgresql import client_programs
from edms_tasks.databases.postgresql.client_programs import Program, find_program
from edms_tasks.databases.postgresql.pg_dump import run_tool
from edms_tasks.databases.postgresql.tool_errors import tool_failed
from edms_tasks.errors import EdmsBackupError, NoSpace, TerminalError, ToolMissing, TransientError
from tests.postgres_server import PostgresServer


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with nothing in its PATH; `put` installs programs below the usual folders."""
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.setattr(client_programs, "_KNOWN_PLACES", (f"{tmp_path}/lib/*/bin",))
    return tmp_path


def put(folder: Path, name: str, version: str, *, code: int = 0) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / name
    program.write_text(f"#!/bin/sh\necho '{name} (PostgreSQL) {version}'\nexit {code}\n")
    program.chmod(0o755)
    return program


@pytest.mark.parametrize(
    ("server", "archive", "name", "found"),
    [
        (15, 0, "pg_dump", "15.4"),  # its own, not the newest
        (14, 0, "pg_dump", "15.4"),  # none of its own: the next newer
        (16, 0, "pg_dump", "17.1"),
        (18, 0, "pg_dump", "18beta1"),
        (15, 15, "pg_restore", "15.4"),
        (13, 15, "pg_restore", "15.4"),  # as new as the archive, and no newer than it must be
        (18, 17, "pg_restore", "18beta1"),
        (18, 13, "pg_restore", "18beta1"),
    ],
)
def test_the_servers_own_version_is_used_otherwise_the_next_newer(
    server: int, archive: int, name: str, found: str, installed: Path
) -> None:
    put(installed / "path", name, "13.11 (Debian 13.11-0+deb11u1)")
    for version in ("15.4", "17.1", "18beta1"):
        put(installed / f"lib/{version}/bin", name, version)

    assert find_program(name, server, archive=archive).full_version == found


def test_of_two_that_fit_the_one_in_the_path_is_taken(installed: Path) -> None:
    put(installed / "lib/15/bin", "pg_dump", "15.1")
    mine = put(installed / "path", "pg_dump", "15.0")

    assert find_program("pg_dump", 15).path == mine


def test_debians_wrapper_and_programs_that_do_not_run_are_passed_over(installed: Path) -> None:
    wrapper = put(installed, "pg_wrapper", "15.9")
    (installed / "path").mkdir()
    (installed / "path/pg_dump").symlink_to(wrapper)
    put(installed / "lib/1/bin", "pg_dump", "15.8", code=127)
    real = put(installed / "lib/15/bin", "pg_dump", "15.4")

    assert find_program("pg_dump", 15).path == real


def test_the_folder_of_the_settings_is_the_only_one_asked(installed: Path) -> None:
    put(installed / "path", "pg_dump", "15.4")
    put(installed / "own", "pg_dump", "14.0")

    assert find_program("pg_dump", 14, str(installed / "own")).full_version == "14.0"
    with pytest.raises(ToolMissing, match=r"too old: the server is version 15(.|\n)*14\.0 in .*own"):
        find_program("pg_dump", 15, str(installed / "own"))


def test_a_missing_program_is_named(installed: Path) -> None:
    with pytest.raises(ToolMissing, match=r"not installed(.|\n)*postgresql-client-15"):
        find_program("pg_dump", 15)

    put(installed / "path", "pg_restore", "18.0")
    with pytest.raises(ToolMissing, match=r"too new for this server of version 15(.|\n)*transaction_timeout"):
        find_program("pg_restore", 15, archive=15)


def test_a_pg_dump_in_the_path_that_is_too_old_does_not_stop_a_backup(
    postgres_server: PostgresServer, postgres_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("pg_dump", "pg_restore"):
        put(tmp_path / "old", name, "9.6.24")
    monkeypatch.setenv("PATH", f"{tmp_path / 'old'}:/usr/bin:/bin")
    monkeypatch.setattr(client_programs, "_KNOWN_PLACES", (str(postgres_server.bin_dir),))
    database = open_database(DatabaseAddress.from_url(postgres_database))

    facts = database.check()

    with database.view(tmp_path, 1) as view:
        view.capture_schema(tmp_path / "schema")
    assert [program.partition(" (")[2] for program in facts.programs] == [
        f"{postgres_server.bin_dir}/pg_dump)", f"{postgres_server.bin_dir}/pg_restore)",
    ]  # fmt: skip


FAILURES = {
    "a missing role": ("ALTER TABLE t OWNER TO ghost", TerminalError, "CREATE ROLE"),
    "a missing extension": ("CREATE EXTENSION ghost", TerminalError, "Install that extension's package"),
    "a setting of another version": ("SET ghost = 0", TerminalError, "does not know that setting"),
    "a missing tablespace": ("CREATE TABLE u () TABLESPACE ghost", TerminalError, "Create the tablespace"),
    "a missing collation": ('CREATE TABLE u (a text COLLATE "ghost")', TerminalError, "Install that locale"),
    "a missing function": ("CREATE INDEX ON t (ghost(id))", TerminalError, "ALTER FUNCTION"),
    "rows that do not satisfy it": ("ALTER TABLE t ADD CHECK (id > 5)", TerminalError, "correct them at the source"),
    "duplicates": ("CREATE UNIQUE INDEX ON t ((id * 0))", TerminalError, "correct them at the source"),
    "what is there": ("CREATE TABLE t ()", TerminalError, "--into another name"),
    "characters of another encoding": ("SELECT convert_to('文', 'LATIN1')", TerminalError, "encoding"),
    "a lost connection": ("SELECT pg_terminate_backend(pg_backend_pid())", TransientError, "connection"),
    "a statement somebody ended": ("SELECT pg_cancel_backend(pg_backend_pid())", TransientError, "cancelled"),
    "privileges": ("SET ROLE plain; CREATE ROLE more", TerminalError, "superuser"),
}


@pytest.mark.parametrize(("statement", "kind", "fix"), FAILURES.values(), ids=FAILURES)
def test_a_failure_of_pg_restore_names_statement_and_fix(
    statement: str, kind: type[EdmsBackupError], fix: str, postgres_server: PostgresServer, postgres_database: str
) -> None:
    # pg_restore's own frame around the server's own words: what it prints for a statement of an archive.
    with psycopg.connect(postgres_database, autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE t (id integer); INSERT INTO t VALUES (1), (2); DROP ROLE IF EXISTS plain; CREATE ROLE plain"
        )
        with pytest.raises(psycopg.Error) as caught:
            connection.execute(statement.encode())
    with postgres_server.connect() as connection:
        connection.execute("DROP ROLE plain")
    said = (
        "pg_restore: while PROCESSING TOC:\npg_restore: from TOC entry 215; 1259 16386 TABLE t postgres\n"
        f"pg_restore: error: could not execute query: ERROR:  {caught.value}\nCommand was: {statement}\n\n"
    )

    error = tool_failed(Program("pg_restore", Path("/x/pg_restore"), 15, "15.4"), address_for_errors(), said, 1)

    assert type(error) is kind
    assert "(TABLE t postgres)" in error.what
    assert f"Command was: {statement}" in error.why
    assert fix in error.fix
    assert "client programs" not in error.fix


def test_a_full_disk_is_reported_as_no_space() -> None:
    said = 'pg_restore: error: could not execute query: ERROR:  could not extend file "base/1/2": No space left on device\n'

    assert isinstance(
        tool_failed(Program("pg_restore", Path("/x"), 15, "15.4"), address_for_errors(), said, 1), NoSpace
    )


def test_an_invalid_archive_is_reported_as_damaged(postgres_database: str, tmp_path: Path) -> None:
    (tmp_path / "schema").write_bytes(b"no archive at all")

    with pytest.raises(TerminalError, match="edms-backup verify"):
        run_tool(
            "pg_restore", ["--exit-on-error", str(tmp_path / "schema")], DatabaseAddress.from_url(postgres_database)
        )


def address_for_errors() -> DatabaseAddress:
    return DatabaseAddress("postgresql", "edms", "db", "5432", "edms", SecretStr("hunter2"))
