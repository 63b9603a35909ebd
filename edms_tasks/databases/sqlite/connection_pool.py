"""Pools of connections. They are reused because SQLite parses a file's whole schema for each new connection."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Generic, Protocol, TypeVar


class Closable(Protocol):
    """A connection in a pool."""

    def close(self) -> None: ...


Reader = TypeVar("Reader", bound=Closable)
Lent = TypeVar("Lent", covariant=True)


class Lender(Protocol[Lent]):
    """Lends connections for reading."""

    def borrow(self) -> AbstractContextManager[Lent]:
        """A connection for this caller alone, until the block ends."""

    def close(self) -> None:
        """Close the connections that it opened."""


class OneReader(Generic[Reader]):
    """Lends one given connection, such as a transaction's, to one thread at a time. Its owner closes it."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._free = threading.Lock()

    @contextmanager
    def borrow(self) -> Iterator[Reader]:
        """The connection; waits while another thread has it."""
        with self._free:
            yield self._reader

    def close(self) -> None:
        """Do nothing: the owner closes the connection."""


class Readers(Generic[Reader]):
    """A pool that opens a connection whenever none is idle. It is safe for several threads."""

    def __init__(self, connect: Callable[[], Reader]) -> None:
        self._connect = connect
        self._idle: queue.SimpleQueue[Reader] = queue.SimpleQueue()

    @contextmanager
    def borrow(self) -> Iterator[Reader]:
        """A connection for this caller alone. After an error it is closed and not used again."""
        try:
            reader = self._idle.get_nowait()
        except queue.Empty:
            reader = self._connect()
        try:
            yield reader
        except BaseException:
            reader.close()
            raise
        self._idle.put(reader)

    def close(self) -> None:
        """Close the idle connections. Call it when none is in use any more."""
        while not self._idle.empty():
            self._idle.get_nowait().close()
