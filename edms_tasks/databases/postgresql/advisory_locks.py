"""Advisory locks on databases of a server.

They are taken in the maintenance database, because an advisory lock belongs to one database, and that one is not renamed and
usually every role can connect to it. The server releases them when the connection ends, for whatever reason.
"""

from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import psycopg

from edms_tasks.databases.address import DatabaseAddress
from edms_tasks.databases.database_locks import LockKind
from edms_tasks.databases.postgresql.connection import connected
from edms_tasks.errors import LockLost, TargetLocked
from edms_tasks.locking.file_locks import Wait, give_up
from edms_tasks.locking.holders import Holder

_Connection = psycopg.Connection[Any]

_HELD = """
    SELECT 1 FROM pg_catalog.pg_locks
    WHERE locktype = 'advisory' AND granted AND pid = pg_catalog.pg_backend_pid() AND objsubid = 1
      AND (classid::bigint << 32) | objid::bigint = %s
"""
_HOLDER = """
    SELECT coalesce(a.application_name, ''), l.pid, coalesce(host(a.client_addr), ''),
           coalesce(to_char(a.backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"'), '')
    FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a USING (pid)
    WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
      AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
      AND (l.classid::bigint << 32) | l.objid::bigint = %s
    ORDER BY l.mode, l.pid
    LIMIT 1
"""


@dataclass(frozen=True)
class AdvisoryLock:
    """An advisory lock that a connection holds."""

    connection: _Connection
    key: int
    what: str

    def require_held(self) -> None:
        """Raise LockLost if the connection has ended, or a pooler has given it another session."""
        try:
            held = self.connection.execute(_HELD, (self.key,)).fetchone()
        except psycopg.Error as error:
            raise self._lost(str(error).strip()) from error
        if held is None:
            raise self._lost("The session does not hold it any more.")

    def _lost(self, why: str) -> LockLost:
        return LockLost(
            "The lock on the database was lost.",
            where=self.what,
            why=why,
            fix="Check what ended the connection (a firewall, a session pooler, a restart of the server), and run the command again.",
        )


@contextmanager
def advisory_lock(
    maintenance: DatabaseAddress, name: str, kind: LockKind, *, shared: bool, purpose: str, wait: Wait = give_up
) -> Iterator[AdvisoryLock]:
    """Hold the lock of the database `name` on its own connection, until the block ends.

    Raises:
        TargetLocked: another run holds it, and `wait` raised.
    """
    key, what = _key(name, kind), maintenance.renamed(name).display
    acquire = (
        "SELECT pg_catalog.pg_try_advisory_lock_shared(%s)" if shared else "SELECT pg_catalog.pg_try_advisory_lock(%s)"
    )
    with connected(_kept_alive(maintenance)) as connection:
        connection.execute("SELECT set_config('application_name', %s, false)", (_signature(purpose),))
        connection.execute(
            "SELECT set_config(name, '0', false) FROM pg_catalog.pg_settings WHERE name = 'idle_session_timeout'"
        )
        while not _granted(connection, acquire, key):
            if locked := _locked(connection, key, what):
                wait(locked)
        lock = AdvisoryLock(connection, key, what)
        lock.require_held()
        try:
            yield lock
        finally:
            _release(connection)


def locked_by(maintenance: DatabaseAddress, name: str, kind: LockKind) -> TargetLocked | None:
    """The error that names who holds the lock of the database `name`; None if it is free."""
    with connected(maintenance) as connection:
        return _locked(connection, _key(name, kind), maintenance.renamed(name).display)


def _granted(connection: _Connection, acquire: str, key: int) -> bool:
    row = connection.execute(acquire.encode(), (key,)).fetchone()
    return bool(row and row[0])


def _release(connection: _Connection) -> None:
    """Release the lock now: the server notices the end of a connection later, and the next run would find the lock held."""
    try:
        connection.execute("SELECT pg_catalog.pg_advisory_unlock_all()")
    except psycopg.OperationalError:
        connection.close()  # the connection and its lock are lost; `require_held` reports it


def _locked(connection: _Connection, key: int, what: str) -> TargetLocked | None:
    row = connection.execute(_HOLDER, (key,)).fetchone()
    if row is None:
        return None
    application, backend, client, since = map(str, row)
    # The form of _signature; empty for a role that may not see other roles' sessions.
    purpose, pid, host = ([*application.removeprefix("edms-backup ").split("@"), "", "", ""])[:3]
    if not (application.startswith("edms-backup ") and pid):
        purpose, pid, host = "", f"{backend} of the server", client
    return Holder(purpose, pid, host, since).locked("this database", where=what)


def _signature(purpose: str) -> str:
    return f"edms-backup {purpose}@{os.getpid()}@{socket.gethostname()}"[:63]


def _key(name: str, kind: LockKind) -> int:
    digest = hashlib.sha256(f"edms-backup {kind}\0{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def _kept_alive(address: DatabaseAddress) -> DatabaseAddress:
    """The address with TCP keepalives: a lock's connection is idle for hours, and routers drop idle connections."""
    options = {"keepalives_idle": "30", "keepalives_interval": "10", "keepalives_count": "6", **dict(address.options)}
    return replace(address, options=tuple(sorted(options.items())))
