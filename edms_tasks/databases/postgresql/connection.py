"""Open connections to PostgreSQL with the session settings that make every value's text exact and unambiguous."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg

from edms_tasks.databases.address import DatabaseAddress
from edms_tasks.databases.postgresql.pooler_detection import require_own_session
from edms_tasks.databases.postgresql.session_settings import (
    EMPTY_SEARCH_PATH,
    ODD_DEFAULTS,
    OWN_SETTINGS,
    SEARCH_PATH,
    SESSION,
)
from edms_tasks.errors import DatabaseRefused
from edms_tasks.quoting import identifiers, literal

Connection = psycopg.Connection[tuple[object, ...]]

_OWN_NAMES = "SELECT pg_catalog.current_setting('search_path'), pg_catalog.current_schemas(false), " + ", ".join(
    f"pg_catalog.current_setting({literal(name)})" for name in OWN_SETTINGS
)


@dataclass(frozen=True)
class OwnNames:
    """The search path and other settings of the EDMS's own sessions, which decide what unqualified names mean."""

    search_path: str  # the setting, as SHOW gives it
    schemas: tuple[str, ...]  # where an unqualified name is looked for, in this order; new tables go to the first
    settings: Mapping[str, str]  # OWN_SETTINGS; the search path resolved: without `$user` and missing schemas


@dataclass(frozen=True)
class Server:
    """The server as seen by a session without our settings."""

    version: int  # major: 15
    encoding: str  # of the database
    own: OwnNames
    odd_defaults: Mapping[str, str]  # settings that correct unusual defaults
    settled: DatabaseAddress
    """The address with these settings from the start of a session, for a library or program that sends queries before we
    can SET anything."""


@contextmanager
def connected(
    address: DatabaseAddress, *, autocommit: bool = True, own_search_path: bool = False
) -> Iterator[Connection]:
    """A psycopg connection with our session settings, closed afterwards.

    Args:
        address: the database.
        autocommit: whether each statement is its own transaction.
        own_search_path: keep the EDMS's search path. Needed if functions of the EDMS are evaluated or planned (indexes,
            checks, generated columns, views). Without it the path is empty, and PostgreSQL writes every name with its schema.

    Raises:
        DatabaseRefused: the server or database does not exist, or refuses the login.
    """
    connection = open_connection(address, autocommit=autocommit, own_search_path=own_search_path)
    try:
        yield connection
    finally:
        connection.close()


def open_connection(address: DatabaseAddress, *, autocommit: bool = True, own_search_path: bool = False) -> Connection:
    """Like `connected`, for callers that close the connection themselves."""
    connection = _open(address)
    try:
        own = _own_names(connection) if own_search_path else None
        for statement in SESSION:
            connection.execute(statement.encode())
        if own is not None:
            connection.execute("SELECT pg_catalog.set_config('search_path', %s, false)", (own.search_path,))
        connection.autocommit = autocommit
    except BaseException:
        connection.close()
        raise
    return connection


def ask_server(address: DatabaseAddress) -> Server:
    """The facts that are needed before other programs open a session. Raises DatabaseRefused."""
    with _open(address) as connection:
        own = _own_names(connection)
        connection.execute(EMPTY_SEARCH_PATH.encode())
        rows = connection.execute(ODD_DEFAULTS.encode()).fetchall()
        encoding = connection.info.parameter_status("server_encoding") or ""
        version = connection.info.server_version // 10000
    odd = {str(name): str(value) for name, value in rows}
    return Server(version, encoding, own, odd, with_settings(address, odd))


def with_settings(address: DatabaseAddress, settings: Mapping[str, str]) -> DatabaseAddress:
    """The address for sessions with these settings. Unchanged without settings, because a pooler may refuse `options`."""
    if not settings:
        return address
    if "options" not in dict(address.options) and (inherited := os.environ.get("PGOPTIONS")):
        address = address.with_options(options=inherited)  # otherwise our options would replace them
    return address.with_settings(settings)


def _own_names(connection: Connection) -> OwnNames:
    row: Any = connection.execute(_OWN_NAMES.encode()).fetchone()
    assert row is not None  # the functions always return one row
    search_path, schemas, *values = row
    settings = dict(zip(OWN_SETTINGS, map(str, values), strict=True))
    schemas = tuple(name for name in schemas if not name.startswith("pg_temp"))
    settings[SEARCH_PATH] = identifiers(schemas)
    return OwnNames(str(search_path), schemas, settings)


def refused(address: DatabaseAddress, error: Exception) -> DatabaseRefused:
    """The error for a server that does not answer or refuses the login."""
    why = _reason(error)
    return DatabaseRefused("The database does not answer.", where=address.display, why=why, fix=_fix(why))


def _open(address: DatabaseAddress) -> Connection:
    def connect() -> Connection:
        return psycopg.connect(address.conninfo(), autocommit=True)

    try:
        connection = connect()
        try:
            require_own_session(connection, address, connect)
        except BaseException:
            connection.close()
            raise
        return connection
    except psycopg.OperationalError as error:
        raise refused(address, error) from error
    except psycopg.ProgrammingError as error:
        # psycopg itself checks hosts and ports.
        raise refused(address, error) from error


def _reason(error: Exception) -> str:
    """libpq's message in one line, without its final question; several addresses give several lines."""
    lines = [line.strip() for line in str(error).splitlines()]
    kept = [line for line in lines if line and not line.startswith("Is the server running")]
    return "; ".join(kept)[:500] or type(error).__name__


def _fix(why: str) -> str:
    for pattern, fix in _FIXES:
        if re.search(pattern, why):
            return fix
    return (
        "Start the server, or correct host, port, user and password in the EDMS's settings "
        "(for a restore without the EDMS: EDMS_BACKUP__RESTORE__DATABASE)."
    )


_FIXES = (
    (
        "unsupported startup parameter",
        "This is a connection pooler (PgBouncer). Give the server's own address: [edms] database_url = "
        '"postgresql://host:port"; or let the pooler pass it: ignore_startup_parameters = options.',
    ),
    (
        "no password supplied|password authentication failed",
        "Correct user and password in the EDMS's settings, in its password file or in PGPASSWORD "
        "(for a restore without the EDMS: in EDMS_BACKUP__RESTORE__DATABASE).",
    ),
    (
        "the database system is (starting up|shutting down|in recovery mode)|too many clients|remaining connection slots",
        "Run it again when the server is ready. It needs one connection for each of `jobs`, and a few more.",
    ),
    (
        "permission denied for database|is not permitted to log in",
        "As a superuser: GRANT CONNECT ON DATABASE … TO the role, or ALTER ROLE … LOGIN.",
    ),
    (
        "certificate|SSL|ssl",
        "Correct sslmode and the files of sslrootcert, sslcert and sslkey in the EDMS's OPTIONS; this user must be able to read them, "
        "and nobody else may read the key.",
    ),
    (
        'database "[^"]*" does not exist',
        "If it was lost: `edms-backup restore latest` brings it back. Otherwise correct its name in the EDMS's settings, in "
        "[edms] database_url or in EDMS_BACKUP__RESTORE__DATABASE.",
    ),
    (
        "definition of service|service file",
        "Correct the name of the database or service in the EDMS's settings, in [edms] database_url or in "
        "EDMS_BACKUP__RESTORE__DATABASE.",
    ),
)
