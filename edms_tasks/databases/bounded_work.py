"""How long the statements of a dump may run and how large its database may become; a dump may be hostile, or without an end.

The statements run in a thread of their own, so that the caller can end them: at a limit, and when the run is stopped.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar

from edms_tasks.databases.dumps import Dump
from edms_tasks.errors import DumpLimitReached
from edms_tasks.periods import in_words

_Made = TypeVar("_Made")
_PAUSE = 0.1
_SHORTEST, _LONGEST = 0.02, 1.0  # seconds between two questions for the size
_PATIENCE = 60
"""Seconds after which statements that do not end are left alone: their database is dropped all the same."""


@dataclass
class BoundedWork:
    """Runs work on the database of a dump within the limits, which count from here on.

    Args:
        dump: the dump, with its limits.
        size: the bytes that the database has now.
        end: ends the statement that runs, so that the work ends with an error.
    """

    dump: Dump
    size: Callable[[], int]
    end: Callable[[], None]
    _began: float = field(default_factory=time.monotonic)
    _asked: float = 0.0
    _next: float = _SHORTEST

    def run(self, work: Callable[[], _Made]) -> _Made:
        """What the work returns.

        Raises:
            DumpLimitReached: it takes longer, or the database is larger, than allowed. It was ended.
        """
        made: list[_Made] = []
        failed: list[BaseException] = []

        def perform() -> None:
            try:
                made.append(work())
            except BaseException as error:
                failed.append(error)

        thread = threading.Thread(target=perform, name="statements of a dump", daemon=True)
        thread.start()
        try:
            while thread.is_alive():
                thread.join(_PAUSE)
                self._require_within(thread)
        except BaseException:
            self._end(thread)
            raise
        if failed:
            raise failed[0]
        self.require_small()
        return made[0]

    def require_small(self) -> None:
        """Raise DumpLimitReached if the database is larger than allowed."""
        if self.size() > self.dump.limits.size:
            raise self.too_large()

    def too_large(self) -> DumpLimitReached:
        """The error for a database that is larger than allowed."""
        return self._reached(
            f"Its database has become larger than {self.dump.limits.size >> 20:,} MB.",
            "If the dump is as large as that, raise convert.size_mb in the settings (EDMS_BACKUP__CONVERT__SIZE_MB).",
        )

    def _require_within(self, thread: threading.Thread) -> None:
        now = time.monotonic()
        if now - self._began > self.dump.limits.seconds and thread.is_alive():
            raise self._reached(
                f"Its statements have run for more than {in_words(self.dump.limits.seconds)}.",
                "If the dump takes as long as that, raise convert.time in the settings (EDMS_BACKUP__CONVERT__TIME).",
            )
        if now - self._asked >= self._next:
            self._asked, self._next = now, min(2 * self._next, _LONGEST)
            self.require_small()

    def _reached(self, why: str, fix: str) -> DumpLimitReached:
        return DumpLimitReached(
            "The dump was ended: it takes more than it may. Nothing of it was kept.",
            where=str(self.dump.path),
            why=why,
            fix=f"{fix} If it is not yours: a dump can be made to take all it can get.",
        )

    def _end(self, thread: threading.Thread) -> None:
        until = time.monotonic() + _PATIENCE
        while thread.is_alive() and time.monotonic() < until:
            with suppress(Exception):  # it is tried again, and what made us end it is said
                self.end()
            thread.join(_PAUSE)
