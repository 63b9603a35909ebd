"""Statements and rows sent over libpq without blocking: other threads go on while the server works, however long that is.

psycopg's own COPY and `exec_` keep Python's lock in places, so that no other thread could end a statement that does not.
"""

from __future__ import annotations

import select
from dataclasses import dataclass

import psycopg
from psycopg import pq


@dataclass
class WaitingSession:
    """A connection that belongs to one thread."""

    connection: pq.abc.PGconn

    def __post_init__(self) -> None:
        self.connection.nonblocking = 1

    def execute(self, statement: bytes) -> pq.abc.PGresult:
        """The last result of a simple query; of a COPY … FROM stdin, that it takes rows. Raises psycopg.OperationalError."""
        self.connection.send_query(statement)
        return self._last_result()

    def put(self, rows: bytes) -> None:
        """Send rows of a COPY. Raises psycopg.OperationalError."""
        while not self.connection.put_copy_data(rows):
            self._send()
        self._send()  # otherwise libpq would keep in memory what the server does not take

    def end_rows(self) -> pq.abc.PGresult:
        """End a COPY; its result. Raises psycopg.OperationalError."""
        while not self.connection.put_copy_end():
            self._send()
        return self._last_result()

    def _last_result(self) -> pq.abc.PGresult:
        last: pq.abc.PGresult | None = None
        while True:
            self._send()
            while self.connection.is_busy():
                select.select([self.connection.socket], [], [])
                self.connection.consume_input()
            result = self.connection.get_result()
            if result is None:
                if last is None:
                    raise psycopg.OperationalError("The server gave no result.")
                return last
            last = result
            if result.status == pq.ExecStatus.COPY_IN:
                return result
            if result.status == pq.ExecStatus.FATAL_ERROR and self.connection.status != pq.ConnStatus.OK:
                return result

    def _send(self) -> None:
        """Send all that is to be sent, and take in what the server says meanwhile."""
        while self.connection.flush():
            readable, _, _ = select.select([self.connection.socket], [self.connection.socket], [])
            if readable:
                self.connection.consume_input()
