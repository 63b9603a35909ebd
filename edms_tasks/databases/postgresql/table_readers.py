"""The sessions that read the rows of a view: ADBC connections that import its exported snapshot, each used by one thread at a time.

The session that exported the snapshot holds all tables, so that none changes between the transactions of these.
"""

from __future__ import annotations

import queue
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

import adbc_driver_manager
import adbc_driver_postgresql.dbapi as adbc

from edms_tasks.databases.address import DatabaseAddress
from edms_tasks.databases.postgresql.read_failures import unreadable_rows
from edms_tasks.databases.postgresql.session_settings import SESSION
from edms_tasks.databases.postgresql.table_locks import PATIENCE
from edms_tasks.inventory.model import Table


class TableReaders:
    """Sessions of one snapshot.

    Args:
        address: the database.
        snapshot: the name of the exported snapshot.
        number: how many sessions there may be; each is opened when it is first used.
    """

    def __init__(self, address: DatabaseAddress, snapshot: str, number: int) -> None:
        self._address, self._snapshot = address, snapshot
        self._free: queue.LifoQueue[adbc.Connection | None] = queue.LifoQueue()
        for _ in range(number):
            self._free.put(None)

    @classmethod
    def only(cls, address: DatabaseAddress, reader: adbc.Connection) -> Self:
        """The session of a transaction in progress in place of sessions of a snapshot."""
        readers = cls(address, "", 0)
        readers._free.put(reader)
        return readers

    def close(self) -> None:
        """Close all sessions."""
        while not self._free.empty():
            reader = self._free.get_nowait()
            if reader is not None:
                reader.close()

    @contextmanager
    def reading(self, table: Table) -> Iterator[adbc.Connection]:
        """A session, to read that table; waits until one is free.

        Raises:
            TableLocked: another session has locked the table.
            TransientError: the server ended the read in favour of something else.
            TerminalError: the server cannot read it; the error says why.
        """
        reader = self._free.get()
        done = False
        try:
            if reader is None:
                reader = self._opened()
            elif self._snapshot:
                self._begin(reader)
            yield reader
            if self._snapshot:
                # Locks of tables and their indexes add up until a transaction ends, and a server has room for some thousand.
                reader.commit()
            done = True
        except (adbc_driver_manager.Error, OSError) as error:
            if known := unreadable_rows(error, table, self._address):
                raise known from error
            raise
        finally:
            if self._snapshot and not done and reader is not None:
                reader.close()  # its transaction may be aborted, and another try needs a new one
                reader = None
            self._free.put(reader)

    def _opened(self) -> adbc.Connection:
        reader = adbc.connect(self._address.conninfo(), autocommit=False)
        try:
            self._begin(reader)
            with reader.cursor() as cursor:
                for statement in SESSION:
                    cursor.execute(statement)
                # A session that wants an exclusive lock waits for our first session; without a time-out, ours would wait for ever.
                cursor.execute(f"SET lock_timeout = '{PATIENCE}s'")
        except BaseException:
            reader.close()
            raise
        return reader

    def _begin(self, reader: adbc.Connection) -> None:
        with reader.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            cursor.execute(f"SET TRANSACTION SNAPSHOT '{self._snapshot}'")
