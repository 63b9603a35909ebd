"""Wait for tables that other sessions have locked: how long, and who holds them.

The tables are locked as pg_dump locks them (ACCESS SHARE: others can read and write), and before the snapshot is taken. Without
the lock, a TRUNCATE or an ALTER TABLE between the snapshot and the read of a table would make it look empty, without an error.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

import psycopg
from psycopg import errors as pg_errors

from edms_tasks.databases.address import DatabaseAddress
from edms_tasks.databases.postgresql.catalogue import WITH_ROWS
from edms_tasks.databases.postgresql.connection import Connection, connected
from edms_tasks.errors import DatabaseRefused, TableLocked, TerminalError
from edms_tasks.quoting import identifier

PATIENCE = 120
"""The seconds that a backup waits for a table."""

_SECONDS_BETWEEN_LINES = 10
_log = logging.getLogger(__name__)
_LOCK_NOT_AVAILABLE = "55P03"

_TABLES = f"""
    SELECT n.nspname, c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND {WITH_ROWS} ORDER BY 1, 2
"""
# The sessions that hold an exclusive lock on a table, or wait for one; all later sessions wait behind them.
_HOLDERS = """
    SELECT l.relation::regclass::text, l.granted, a.pid, a.usename, coalesce(nullif(a.application_name, ''), 'unnamed'),
           a.state, pg_catalog.left(pg_catalog.regexp_replace(a.query, '\\s+', ' ', 'g'), 120)
    FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
    WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock' AND l.relation >= 16384
    AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
    AND l.pid IS DISTINCT FROM pg_catalog.pg_backend_pid() AND EXISTS (
        SELECT FROM pg_catalog.pg_class c WHERE c.oid = l.relation AND c.relkind IN ('r', 'p')
    )
    ORDER BY l.granted DESC, 1, 3
"""


def begin_with_locked_tables(
    connection: Connection, address: DatabaseAddress, say: Callable[[str], None] = _log.warning
) -> None:
    """Begin a read-only transaction with one snapshot, in which no table can be truncated or altered.

    Args:
        connection: a connection with our session settings, outside of a transaction.
        address: its address, for errors.
        say: called every ten seconds with the tables that it waits for and the sessions that hold them.

    Raises:
        TableLocked: another session held a table for two minutes.
        TerminalError: the role may not read a table.
    """
    deadline = time.monotonic() + PATIENCE
    while True:
        names = _tables(connection)
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        try:
            _lock(connection, names)
            if _tables(connection) == names:  # the transaction's first query: here the snapshot is taken
                return
            connection.execute("ROLLBACK")
        except pg_errors.UndefinedTable:  # dropped meanwhile
            connection.execute("ROLLBACK")
        except pg_errors.LockNotAvailable as error:
            connection.execute("ROLLBACK")
            if time.monotonic() > deadline:
                raise table_locked(address, holders(connection)) from error
            say(f"Waiting for tables that other sessions have locked: {'; '.join(holders(connection)) or 'free again'}")
            continue
        except psycopg.errors.InsufficientPrivilege as error:
            raise _may_not_read(address, error) from error
        if time.monotonic() > deadline:
            raise TableLocked(
                "Tables are created and dropped all the time.",
                where=address.display,
                fix="Run it again when the program that creates them has ended.",
            )


def holders(connection: Connection) -> tuple[str, ...]:
    """A text for each table that a session has locked exclusively or waits to lock, with that session."""
    return tuple(_described(row) for row in connection.execute(_HOLDERS.encode()).fetchall())


def is_lock_timeout(sqlstate: str | None) -> bool:
    """Whether an error code means that a statement reached lock_timeout."""
    return sqlstate == _LOCK_NOT_AVAILABLE


def table_locked(address: DatabaseAddress, who: Sequence[str] | None = None) -> TableLocked:
    """The error for a locked table; `who` is the result of `holders`, read now if it is None."""
    if who is None:
        try:
            with connected(address) as connection:
                who = holders(connection)
        except DatabaseRefused:
            who = ()  # the server does not answer; the error below is raised without the holders
    return TableLocked(
        "Another session has locked a table, and did not release it in time.",
        where=address.display,
        why="; ".join(who) or "It is free again now.",
        fix="Wait for that session to end, or end it (SELECT pg_terminate_backend(its number);), and run it again.",
    )


def _lock(connection: Connection, names: Sequence[str]) -> None:
    connection.execute(f"SET LOCAL lock_timeout = '{_SECONDS_BETWEEN_LINES}s'".encode())
    if names:
        only = ", ".join(f"ONLY {name}" for name in names)
        connection.execute(f"LOCK TABLE {only} IN ACCESS SHARE MODE".encode())
    connection.execute("SET LOCAL lock_timeout = 0")


def _tables(connection: Connection) -> list[str]:
    return [identifier(str(schema), str(name)) for schema, name in connection.execute(_TABLES.encode()).fetchall()]


def _described(row: Sequence[object]) -> str:
    table, granted, pid, user, application, state, query = row
    if pid is None:
        return f"{table}, held by a prepared transaction (pg_prepared_xacts)"
    return f"{table}, {'held' if granted else 'asked for'} by session {pid} of {user} ({application}, {state or 'unknown'}): {query}"


def _may_not_read(address: DatabaseAddress, error: Exception) -> TerminalError:
    return TerminalError(
        "The role may not read every table.",
        where=address.display,
        why=str(error).strip(),
        fix="As the table's owner or a superuser: GRANT SELECT ON the table TO the role. pg_dump needs this even for tables whose rows "
        "are excluded.",
    )
