"""Detect a connection pooler in transaction mode.

Behind such a pooler (PgBouncer's `pool_mode = transaction` or `statement`) a session is ours for one transaction only: settings
would be lost and stay with the EDMS's requests, which get the session next; locks would belong to other clients, and exported
snapshots would end. So it is detected before anything is set. A pooler in session mode works.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg

from edms_tasks.databases.address import DatabaseAddress
from edms_tasks.errors import DatabaseRefused

_ROUNDS = 3
_PID = b"SELECT pg_catalog.pg_backend_pid()"
_keep_their_sessions: set[str] = set()  # addresses of poolers in session mode, checked once in a process


def require_own_session(connection: Any, address: DatabaseAddress, connect: Callable[[], Any]) -> None:
    """Check that the connection has its own session of the server.

    Args:
        connection: a connection in autocommit mode, before any setting.
        address: its address, for the error.
        connect: opens another connection like it.

    Raises:
        DatabaseRefused: a pooler in transaction mode is in between.
    """
    # A server reports the process id that serves a connection; a pooler has to invent one, for cancel requests.
    if connection.info.backend_pid == _process(connection) or address.display in _keep_their_sessions:
        return
    try:
        with connect() as other:
            for _ in range(_ROUNDS):
                first = _process(connection)
                with other.transaction():  # it holds a session: in transaction mode possibly the one that was ours
                    if _process(other) == first or _process(connection) != first:
                        raise _shared_sessions(address)
    except psycopg.Error as error:
        if "pooling mode" in str(error):  # in statement mode a pooler refuses every transaction
            raise _shared_sessions(address) from error
        raise
    _keep_their_sessions.add(address.display)


def _process(connection: Any) -> int:
    return int(connection.execute(_PID).fetchone()[0])


def _shared_sessions(address: DatabaseAddress) -> DatabaseRefused:
    return DatabaseRefused(
        "A connection pooler in transaction mode is in front of the server.",
        where=address.display,
        why="Sessions change between transactions (PgBouncer: pool_mode = transaction or statement), so settings, locks and database "
        "snapshots are lost.",
        fix='Give the server\'s own address: [edms] database_url = "postgresql://host:port" (login and name come from the EDMS). '
        "A pool in session mode works as well.",
    )
