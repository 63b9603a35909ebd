"""Connections that are opened once and used again: SQLite parses a file's whole schema for each new one."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, Protocol, TypeVar


class Closable(Protocol):
    """What a pool holds."""

    def close(self) -> None: ...


Reader = TypeVar("Reader", bound=Closable)


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
