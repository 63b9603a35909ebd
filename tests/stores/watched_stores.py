"""Stores that count requests, and stores that fail in the ways that networks and servers do."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from edms_tasks.errors import RepositoryForbidden, RepositoryUnreachable
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


class WriteOnlyStore(Around):
    """Lets a machine make backups, and neither read nor remove them: the policy in docs/storage.md."""

    _LISTED = frozenset({"page", "top_level", "require_immutable"})
    _WRITTEN = frozenset({"put", "put_new", "begin", "part", "complete", "abandon"})
    _READ = frozenset({"size", "read", "modified", "age"})
    _STATE = ("config.json", "heads/", "records/", "log/", "signatures/", "locks/", "pending/", "marks/", "tmp/")
    _REMOVED = ("locks/", "pending/", "tmp/")

    def _around(self, request: Request, ask: Callable[[], T]) -> T:
        allowed = request.kind in self._LISTED | self._WRITTEN
        allowed |= request.kind in self._READ and request.name.startswith(self._STATE)
        allowed |= request.kind == "remove" and request.name.startswith(self._REMOVED)
        if not allowed:
            raise RepositoryForbidden("The store refuses it.", where=request.name, why=f"AccessDenied ({request.kind})")
        return ask()


@contextmanager
def wrapping(wrap: Callable[[ObjectStore], ObjectStore]) -> Iterator[None]:
    """Whoever opens a store gets it wrapped, below the retries."""
    real = opening.open_store
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(opening, "open_store", lambda settings: wrap(real(settings)))
        yield
