"""How far a long loop is, how fast it goes and how long it will take: numbers that never go backwards."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from edms_tasks.periods import in_words

_EACH = 16 * 1024  # bytes: what a file costs beside its contents
_SOON = 2.0  # seconds, before which a pace would be a guess
_UNITS = ("B", "kB", "MB", "GB", "TB")


class Pace:
    """Counts what is done.

    Args:
        unit: of what is counted, in the plural: "files".
        total: how many there are; 0: not known yet.
        size: how many bytes they have; 0: not known, or of no interest.
        clock: for tests.
    """

    def __init__(
        self, unit: str, total: int = 0, size: int = 0, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._unit = unit
        self._total, self._size = total, size
        self._clock = clock
        self._began = clock()
        self._done = self._bytes = 0
        self._highest = 0.0
        self._lock = threading.Lock()

    def advance(self, count: int, size: int = 0) -> None:
        """So many more are done; what is less than nothing counts as nothing."""
        with self._lock:
            self._done += max(0, count)
            self._bytes += max(0, size)

    def expect(self, count: int, size: int = 0) -> None:
        """So many will be done in all; the pace is that from now on."""
        with self._lock:
            self._total, self._size = count, size
            self._began = self._clock()

    @property
    def fraction(self) -> float | None:
        """The finished part, from 0 to 1; None if the total is not known."""
        with self._lock:
            return self._fraction()

    def __str__(self) -> str:
        """For people: `1,200 of 3,000 files, 150 files/s, 12.5 MB/s, 12 s left`."""
        with self._lock:
            return ", ".join([self._count(), *self._speed()])

    @property
    def brief(self) -> str:
        """For narrow terminals: `150 files/s, 12.5 MB/s, 12 s left`, or how many, while that is not known."""
        with self._lock:
            return ", ".join(self._speed()) or self._count()

    def _count(self) -> str:
        if self._fraction() is None:
            return f"{self._done:,} {self._unit}"
        return f"{min(self._done, self._total):,} of {self._total:,} {self._unit}"

    def _speed(self) -> list[str]:
        fraction, seconds = self._fraction(), self._clock() - self._began
        if seconds < _SOON or not self._done + self._bytes:
            return []
        parts = [f"{_rounded(self._done / seconds)} {self._unit}/s"]
        if self._bytes:
            parts.append(f"{_bytes(self._bytes / seconds)}/s")
        if fraction:
            parts.append(f"{in_words(round(seconds / fraction - seconds))} left")
        return parts

    def _fraction(self) -> float | None:
        whole = self._work(self._total, self._size)
        if not whole:
            return None
        self._highest = max(self._highest, min(1.0, self._work(self._done, self._bytes) / whole))
        return self._highest

    def _work(self, count: int, size: int) -> int:
        return count * _EACH + size if self._size else count


class Told:
    """A pace that is told on, at most once in a while and by one thread at a time, so that no older number follows a newer one.

    Args:
        pace: what is told.
        tell: tells it.
        every: seconds between.
    """

    def __init__(self, pace: Pace, tell: Callable[[Pace], None], *, every: float) -> None:
        self._pace, self._tell, self._every = pace, tell, every
        self._last = time.monotonic()
        self._telling = threading.Lock()

    def __call__(self, count: int, size: int = 0) -> None:
        """So many more are done."""
        self._pace.advance(count, size)
        if self._telling.acquire(blocking=False):  # else another thread tells, of this too or soon
            try:
                if time.monotonic() - self._last >= self._every:
                    self._last = time.monotonic()
                    self._tell(self._pace)
            finally:
                self._telling.release()

    def expect(self, count: int, size: int = 0) -> None:
        """So many will be done in all."""
        self._pace.expect(count, size)


def _rounded(number: float) -> str:
    return f"{number:,.0f}" if number >= 10 else f"{number:.1f}"


def _bytes(number: float) -> str:
    unit = 0
    while number >= 1000 and unit < len(_UNITS) - 1:
        number, unit = number / 1000, unit + 1
    return f"{number:.0f} {_UNITS[unit]}" if number >= 100 or not unit else f"{number:.1f} {_UNITS[unit]}"
