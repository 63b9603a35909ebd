"""Connections to PostgreSQL, with the session settings that make every value's text exact and unambiguous."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psycopg

from edms_tasks.databases.address import DatabaseAddress
from edms_tasks.errors import DatabaseRefused, TerminalError, ToolMissing

# pg_dump sets the same, for the same reasons (src/bin/pg_dump/pg_dump.c, setup_connection): text that reads back to
# the same value whatever the server's own defaults are, and an error instead of rows silently hidden by row security.
SESSION = (
    "SET datestyle = 'ISO, YMD'",
    "SET intervalstyle = 'postgres'",
    "SET timezone = 'UTC'",
    "SET extra_float_digits = 1",
    "SET bytea_output = 'hex'",
    "SET row_security = off",
    "SET synchronize_seqscans = off",
    "SET max_parallel_workers_per_gather = 0",  # there are several readers already
    "SET statement_timeout = 0",
    "SET lock_timeout = 0",
    "SET idle_in_transaction_session_timeout = 0",
    "SELECT pg_catalog.set_config('search_path', '', false)",
)


@contextmanager
def connected(address: DatabaseAddress, *, autocommit: bool = True) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """A psycopg connection with exact session settings, closed on every way out.

    Raises:
        DatabaseRefused: no server, no such database, or a refused login.
    """
    connection = open_connection(address, autocommit=autocommit)
    try:
        yield connection
    finally:
        connection.close()


def open_connection(address: DatabaseAddress, *, autocommit: bool = True) -> psycopg.Connection[tuple[object, ...]]:
    """Like `connected`, for callers that own the connection's life."""
    try:
        connection = psycopg.connect(address.url(), autocommit=True, application_name="edms-backup")
    except psycopg.OperationalError as error:
        raise refused(address, error) from error
    for statement in SESSION:
        connection.execute(statement.encode())
    connection.autocommit = autocommit
    return connection


def default_schema(address: DatabaseAddress) -> str:
    """The schema that unqualified names mean for the EDMS's role, before our session settings empty the search path."""
    try:
        with psycopg.connect(address.url(), autocommit=True) as connection:
            row = connection.execute("SELECT current_schema()").fetchone()
    except psycopg.OperationalError as error:
        raise refused(address, error) from error
    return str(row[0]) if row and row[0] else "public"


def refused(address: DatabaseAddress, error: Exception) -> DatabaseRefused:
    """The error for a server that is not there or will not let us in."""
    return DatabaseRefused(
        "The database does not answer.",
        where=address.display,
        why=_reason(error),
        cure="Start the server, or mend host, port, user and password in the EDMS's settings "
        "(for a restore without the EDMS: EDMS_BACKUP__RESTORE__DATABASE).",
    )


def require_tool(name: str) -> str:
    """The path of one of PostgreSQL's client programs. Raises ToolMissing."""
    program = shutil.which(name)
    if program is None:
        raise ToolMissing(
            f"{name} is not installed.",
            where="PATH",
            cure="Install PostgreSQL's client programs, at least as new as the server (Debian: apt-get install postgresql-client).",
        )
    return program


def run_tool(name: str, arguments: Sequence[str], address: DatabaseAddress, *, connect: bool = True) -> str:
    """Run pg_dump or pg_restore (against a database, if `connect`); returns what it printed.

    The password travels in the environment only.

    Raises:
        ToolMissing: the program is not on the PATH.
        TerminalError: it failed.
    """
    program = require_tool(name)
    environment = dict(os.environ, PGPASSWORD=address.password.get_secret_value(), PGAPPNAME="edms-backup", LC_ALL="C")
    where = ["--dbname", address.url_without_password()] if connect else []
    done = subprocess.run([program, *arguments, *where], env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise TerminalError(
            f"{name} failed.",
            where=address.display,
            why=done.stderr.strip()[-2000:],
            cure="The message above is PostgreSQL's own. A version mismatch means: install newer client programs.",
        )
    return done.stdout


def _reason(error: Exception) -> str:
    """libpq's words on one line, without the question it ends with; several addresses give several lines."""
    lines = [line.strip() for line in str(error).splitlines()]
    kept = [line for line in lines if line and not line.startswith("Is the server running")]
    return "; ".join(kept)[:500] or type(error).__name__
