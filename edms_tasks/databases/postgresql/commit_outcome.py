"""Whether a transaction was committed whose COMMIT the server did not answer: the connection was lost on the way there or back."""

from __future__ import annotations

import time
from dataclasses import dataclass

import psycopg

from edms_tasks.databases.address import DatabaseAddress
from edms_tasks.databases.postgresql.connection import Connection, connected
from edms_tasks.errors import DatabaseRefused

_SECONDS = 60.0  # a server that restarts after a crash is back by then, as a rule
_BETWEEN = 0.5

ITS_NUMBERS = "SELECT pg_catalog.txid_current_if_assigned(), pg_catalog.pg_backend_pid()"
"""SQL of the transaction's number, NULL if it has written nothing, and of its session's (PostgreSQL 10 and newer)."""

_STATUS = "SELECT pg_catalog.txid_status(%s)"
# The server does not notice a connection that is gone without a farewell: it would wait, and hold the locks, for hours.
_END = """
    SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity
    WHERE pid = %s AND backend_xid::text::bigint = %s::bigint & 4294967295 AND state LIKE 'idle in transaction%%'
"""


@dataclass(frozen=True)
class SentCommit:
    """A transaction that is being committed."""

    address: DatabaseAddress
    number: int
    session: int

    def was_committed(self) -> bool | None:
        """Ask the server in a new session, and end the old one if it still waits; None if the server does not answer, or forgot."""
        deadline = time.monotonic() + _SECONDS
        while True:
            try:
                with connected(self.address) as connection:
                    status = self._status(connection)
            except (DatabaseRefused, psycopg.OperationalError):
                status = "in progress"
            if status != "in progress":
                return None if status is None else status == "committed"
            if time.monotonic() > deadline:
                return None
            time.sleep(_BETWEEN)

    def _status(self, connection: Connection) -> str | None:
        row = connection.execute(_STATUS, (self.number,)).fetchone()
        status = row[0] if row is not None else None
        if status == "in progress":
            connection.execute(_END, (self.session, self.number))
        return None if status is None else str(status)
