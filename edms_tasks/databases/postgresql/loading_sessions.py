"""The sessions that load tables, one table after another: a new one for each costs more than the rows of a small table."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from edms_tasks.databases.address import DatabaseAddress
from edms_tasks.databases.postgresql.connection import Connection, open_connection
from edms_tasks.databases.postgresql.session_settings import EMPTY_SEARCH_PATH


class LoadingSessions:
    """Sessions of a database with our settings and an empty search path, for several threads."""

    def __init__(self, address: DatabaseAddress) -> None:
        self._address = address
        self._idle: list[Connection] = []

    @contextmanager
    def one(self) -> Iterator[Connection]:
        """A session for one table at a time, with no transaction open; what is not committed is rolled back.

        After an error it is closed, and otherwise kept for the next table.
        """
        connection = self._take()
        try:
            yield connection
            connection.rollback()
        except BaseException:
            connection.close()
            raise
        self._idle.append(connection)

    def close(self) -> None:
        """End all sessions that are kept: a database with sessions can be neither dropped nor renamed."""
        while self._idle:
            self._idle.pop().close()

    def _take(self) -> Connection:
        try:
            connection = self._idle.pop()
        except IndexError:
            return open_connection(self._address, autocommit=False)
        try:
            connection.execute(EMPTY_SEARCH_PATH.encode())
            connection.commit()
        except psycopg.Error:
            # The server ended it meanwhile.
            connection.close()
            return open_connection(self._address, autocommit=False)
        return connection
