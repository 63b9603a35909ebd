"""Stores that count requests, and stores that fail in the ways that networks and servers do."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from edms_tasks.errors import RepositoryUnreachable
from edms_tasks.repository.backends import opening
from edms_tasks.repository.backends.object_store import Around, ObjectStore, Request, T


class CountedStore(Around):
    """Counts requests by kind and folder."""

    def __init__(self, store: ObjectStore, counts: Counter[str]) -> None:
        super().__init__(store)
        self._counts, self._mutex = counts, threading.Lock()

    def _around(self, request: Request, ask: Callable[[], T]) -> T:
        with self._mutex:
            self._counts[f"{request.kind} {request.name.split('/')[0]}".strip()] += 1
        return ask()


class FaultyStore(Around):
    """Fails at the n-th request: before the server sees it, or after, when only the answer is lost; or does it twice."""

    def __init__(self, store: ObjectStore, fault: str, at: int, times: int = 1) -> None:
        super().__init__(store)
        self._fault, self._at, self._times = fault, at, times
        self.asked = 0

    def _around(self, request: Request, ask: Callable[[], T]) -> T:
        self.asked += 1
        if not self._at <= self.asked < self._at + self._times:
            return ask()
        if self._fault == "twice":
            ask()
            return ask()
        if self._fault == "answer lost":
            ask()
        raise RepositoryUnreachable("The connection was lost.", where=request.name, why=f"{request.kind} {self.asked}")


@contextmanager
def wrapping(wrap: Callable[[ObjectStore], ObjectStore]) -> Iterator[None]:
    """Whoever opens a store gets it wrapped, below the retries."""
    real = opening.open_store
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(opening, "open_store", lambda settings: wrap(real(settings)))
        yield
