"""Detect a connection pooler in transaction mode.

Behind such a pooler (PgBouncer's `pool_mode = transaction` or `statement`) nothing that lasts longer than a transaction is
ours: settings would be lost and stay with the EDMS's own requests, which get the session next; locks would be somebody
else's, and exported snapshots end. So it is found out before anything is set. A pooler that keeps a session for as long as
the connection lasts is fine.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg

from edms_tasks.databases.address import DatabaseAddress
from edms_tasks.errors import DatabaseRefused

_ROUNDS = 3
_PID = b"SELECT pg_catalog.pg_backend_pid()"
_keep_their_sessions: set[str] = set()  # poolers, by address: found out once a process


def require_own_session(connection: Any, address: DatabaseAddress, connect: Callable[[], Any]) -> None:
    """The connection has a session of the server for itself.

    Args:
        connection: in autocommit, nothing set in it yet.
        address: where it leads, for the error.
        connect: opens another one like it.

    Raises:
        DatabaseRefused: a pooler hands sessions around.
    """
    # A server tells a connection the process that serves it; a pooler has to make a number up, for requests to cancel.
    if connection.info.backend_pid == _process(connection) or address.display in _keep_their_sessions:
        return
    try:
        with connect() as other:
            for _ in range(_ROUNDS):
                first = _process(connection)
                with other.transaction():  # takes a session for as long as it lasts: ours, if it is not ours
                    if _process(other) == first or _process(connection) != first:
                        raise _hands_around(address)
    except psycopg.Error as error:
        if "pooling mode" in str(error):  # one that lends a session for a statement refuses every transaction
            raise _hands_around(address) from error
        raise
    _keep_their_sessions.add(address.display)


def _process(connection: Any) -> int:
    return int(connection.execute(_PID).fetchone()[0])


def _hands_around(address: DatabaseAddress) -> DatabaseRefused:
    return DatabaseRefused(
        "A connection pooler in transaction mode is in front of the server.",
        where=address.display,
        why="Sessions change between transactions (PgBouncer: pool_mode = transaction or statement), so settings, locks and database "
        "snapshots are lost.",
        fix='Give the server\'s own address: [edms] database_url = "postgresql://host:port" (login and name come from the EDMS). '
        "A pool in session mode works as well.",
    )
