"""How fast a repository grows, and when its disk is full if it goes on like that."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate
from pathlib import Path

from edms_tasks.manifest import Manifest
from edms_tasks.repository.survey import Survey

_DAY = 86_400.0
_LOOKED_AT = timedelta(days=90)
_FEWEST = 3
_SHORTEST = timedelta(days=2)
_FARTHEST_DAYS = 3650.0


@dataclass(frozen=True)
class Growth:
    """The growth of a repository.

    Args:
        bytes_a_day: the slope of the line that fits the last 90 days best.
        days: how many days that line was fitted to.
        in_days: days from the last point -> expected bytes.
        full: when the disk is full, if it goes on so; None: its free space is not known, it does not grow, or not within ten years.
    """

    bytes_a_day: float
    days: float
    in_days: dict[int, int]
    full: datetime | None


def growth_of(points: Sequence[tuple[datetime, int]], free: int | None) -> Growth | None:
    """The growth of (time, bytes stored then), oldest first; None for fewer than three points or two days, which tell nothing."""
    if len(points) < _FEWEST:
        return None
    last, stored = points[-1]
    recent = [(at, size) for at, size in points if last - at <= _LOOKED_AT]
    if len(recent) < _FEWEST or last - recent[0][0] < _SHORTEST:
        return None
    days = [(at - last).total_seconds() / _DAY for at, _ in recent]
    slope = _slope(days, [float(size) for _, size in recent])
    full = None
    if free is not None and slope > 0 and free / slope <= _FARTHEST_DAYS:
        full = last + timedelta(days=free / slope)
    ahead = {days_ahead: max(0, round(stored + slope * days_ahead)) for days_ahead in (30, 90, 365)}
    return Growth(slope, -days[0], ahead, full)


def free_bytes(url: str) -> int | None:
    """How much room the disk of a repository has; None for one on a server, of which that is not known."""
    return None if "://" in url else shutil.disk_usage(Path(url)).free


def recent_growth(survey: Survey, free: int | None) -> Growth | None:
    """The growth of a repository by its snapshots of the last 90 days."""
    manifests = [survey.intact[name] for name in survey.order if name in survey.intact]
    recent = [one for one in manifests if manifests[-1].created - one.created <= _LOOKED_AT]
    totals = accumulate(added_bytes(recent))
    return growth_of([(one.created, total) for one, total in zip(recent, totals, strict=True)], free)


def added_bytes(manifests: Iterable[Manifest]) -> Iterator[int]:
    """What each snapshot added to a repository, oldest first: the bytes of the objects that none before it has."""
    known: set[str] = set()
    for manifest in manifests:
        objects = manifest.objects()
        yield sum(ref.size for sha256, ref in objects.items() if sha256 not in known)
        known.update(objects)


def _slope(xs: Sequence[float], ys: Sequence[float]) -> float:
    """Of the line with the least squared distances."""
    middle_x, middle_y = sum(xs) / len(xs), sum(ys) / len(ys)
    spread = sum((x - middle_x) ** 2 for x in xs)
    return sum((x - middle_x) * (y - middle_y) for x, y in zip(xs, ys, strict=True)) / spread if spread else 0.0
