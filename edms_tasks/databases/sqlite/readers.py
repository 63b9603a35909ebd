"""Connections that are opened once and used again: SQLite parses a file's whole schema for each new one."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Generic, Protocol, TypeVar


class Closable(Protocol):
    """What a pool holds."""

    def close(self) -> None: ...


Reader = TypeVar("Reader", bound=Closable)
Lent = TypeVar("Lent", covariant=True)


class Lender(Protocol[Lent]):
    """Lends connections to read through."""

    def borrow(self) -> AbstractContextManager[Lent]:
        """A connection that nobody else uses meanwhile."""

    def close(self) -> None:
        """Close what was opened for lending."""


class OneReader(Generic[Reader]):
    """A connection that somebody else opened and closes, lent to one thread at a time: such as that of a transaction."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._free = threading.Lock()

    @contextmanager
    def borrow(self) -> Iterator[Reader]:
        """The connection."""
        with self._free:
            yield self._reader

    def close(self) -> None:
        """Nothing: it is not ours."""


class Readers(Generic[Reader]):
    """As many connections as are in use at one time; safe to use from several threads."""

    def __init__(self, connect: Callable[[], Reader]) -> None:
        self._connect = connect
        self._idle: queue.SimpleQueue[Reader] = queue.SimpleQueue()

    @contextmanager
    def borrow(self) -> Iterator[Reader]:
        """A connection that nobody else uses meanwhile. One that failed is closed and not used again."""
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
        """Close all that are idle; to be called when no work goes on any more."""
        while not self._idle.empty():
            self._idle.get_nowait().close()
