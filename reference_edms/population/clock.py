"""A clock that runs by chance alone, so that a seed gives the same timestamps on every day."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

_START = datetime(2019, 3, 1, 7, 59, 59, 999_999, tzinfo=UTC)


class Clock:
    """Hands out moments to the microsecond, each later than the one before."""

    def __init__(self, rng: random.Random, start: datetime | None = None) -> None:
        self._rng = rng
        self._now = start or _START

    def tick(self) -> datetime:
        """Return the next moment; some fall on a whole second or millisecond."""
        self._now += timedelta(microseconds=self._rng.randrange(1, 300_000_000))
        chance = self._rng.random()
        if chance < 0.02:
            return self._now.replace(microsecond=0) + timedelta(seconds=1)
        if chance < 0.04:
            return self._now.replace(microsecond=500_000)
        return self._now
