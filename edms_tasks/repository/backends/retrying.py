"""Ask again after a request failed for a reason that may pass: later each time, and not all at the same moment."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable

from edms_tasks.errors import RepositoryUnreachable
from edms_tasks.repository.backends.object_store import Around, ObjectStore, Request, T

ATTEMPTS = 8
FIRST_PAUSE = 0.25
LONGEST_PAUSE = 20.0
ATTEMPTS_OF_THE_FIRST = 3
"""How often the first request is made: while nothing was ever answered, the address is more likely to be wrong."""


class Retrying(Around):
    """A store that repeats requests.

    Args:
        store: the store.
        attempts: how often a request is made at most.
        sleep: waits so many seconds.
    """

    def __init__(
        self, store: ObjectStore, *, attempts: int = ATTEMPTS, sleep: Callable[[float], object] = time.sleep
    ) -> None:
        super().__init__(store)
        self._attempts, self._sleep = attempts, sleep
        self._answered = threading.Event()

    def put_new(self, name: str, data: bytes) -> bool:
        """Write an object if there is none. One that an earlier attempt wrote, whose answer was lost, counts as written now."""
        failed = False

        def ask() -> bool:
            nonlocal failed
            try:
                return self._store.put_new(name, data)
            except RepositoryUnreachable:
                failed = True
                raise

        made = self._around(Request("put_new", name, len(data)), ask)
        return made or (failed and self.read(name, 0, len(data) + 1).data == data)

    def _around(self, request: Request, ask: Callable[[], T]) -> T:
        return self._asked(ask)

    def _asked(self, ask: Callable[[], T]) -> T:
        attempt = 1
        while True:
            try:
                answer = ask()
            except RepositoryUnreachable as error:
                allowed = self._attempts if self._answered.is_set() else min(self._attempts, ATTEMPTS_OF_THE_FIRST)
                if attempt >= allowed:
                    why = f"{error.why.rstrip('. ')}. It was asked {attempt} times."
                    raise RepositoryUnreachable(error.what, where=error.where, why=why, fix=error.fix) from error
                # Many threads that failed together must not come back together.
                longest = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (attempt - 1))
                self._sleep(longest * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
                attempt += 1
            else:
                self._answered.set()
                return answer
