"""Which snapshots of an EDMS are kept by rules such as "the last of each of the last seven days". Pure: nothing is read or removed here.

The meaning is that of restic and borg. `daily=7` keeps the last snapshot of each of the seven most recent days that have one. While
fewer days than that have a snapshot, the oldest snapshot stands for the rest. `within` counts from the newest snapshot, not from now:
if backups have stopped, nothing goes. Rules add up. Days, weeks (from Monday), months and years are those of one time zone.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

DURATION = r"([0-9]{1,5}[hdwmy])+"
"""A duration: hours, days, weeks, months and years, such as 30d or 1y6m."""


@dataclass(frozen=True)
class Rules:
    """What is kept. 0 and "" mean that there is no such rule."""

    last: int = 0
    hourly: int = 0
    daily: int = 0
    weekly: int = 0
    monthly: int = 0
    yearly: int = 0
    within: str = ""
    zone: tzinfo = UTC

    @property
    def empty(self) -> bool:
        """Whether there is no rule at all, and so nothing that says what to keep."""
        return not (any(number for _, number, _ in self._periods()) or self.last or self.within)

    def _periods(self) -> tuple[tuple[str, int, Callable[[datetime], object]], ...]:
        """(name, number, the period that a local time is in)."""
        return (
            # With the offset, the hour that a change of clocks repeats is two hours.
            ("hourly", self.hourly, lambda at: (at.date(), at.hour, at.utcoffset())),
            ("daily", self.daily, datetime.date),
            ("weekly", self.weekly, lambda at: at.isocalendar()[:2]),
            ("monthly", self.monthly, lambda at: (at.year, at.month)),
            ("yearly", self.yearly, lambda at: at.year),
        )


def kept(snapshots: Sequence[tuple[str, datetime]], rules: Rules) -> dict[str, tuple[str, ...]]:
    """The snapshots that are kept, each with the names of the rules that keep it.

    Args:
        snapshots: (id, time) in their order; it decides between equal times.
        rules: the rules.
    """
    # Newest first. Of equal times the later in the order is the newer one.
    backwards = list(reversed(snapshots))
    newest_first = sorted(backwards, key=lambda one: one[1], reverse=True)
    found: dict[str, list[str]] = {name: [] for name, _ in newest_first}
    for name, _ in newest_first[: rules.last]:
        found[name].append("last")
    for rule, number, period in rules._periods():
        left, before = number, None
        for position, (name, created) in enumerate(newest_first):
            here = (period(created.astimezone(rules.zone)),)
            is_oldest = position == len(newest_first) - 1
            if left and (here != before or is_oldest):
                found[name].append(rule)
                left -= 1
            before = here
    if rules.within and newest_first:
        since = earlier(newest_first[0][1], rules.within, rules.zone)
        for name, created in newest_first:
            if created >= since:
                found[name].append("within")
    return {name: tuple(names) for name, names in found.items() if names}


def earlier(moment: datetime, duration: str, zone: tzinfo = UTC) -> datetime:
    """The moment a duration such as `30d` earlier. Months and years are the calendar's, hours to weeks are exact.

    Raises:
        ValueError: this is not a duration.
    """
    parts = _parts(duration)
    months = parts.get("m", 0) + 12 * parts.get("y", 0)
    if months:
        local = moment.astimezone(zone)
        year, month = divmod(local.year * 12 + local.month - 1 - months, 12)
        if year < 1:
            return datetime.min.replace(tzinfo=UTC)
        day = min(local.day, calendar.monthrange(year, month + 1)[1])
        moment = local.replace(year=year, month=month + 1, day=day).astimezone(UTC)
    try:
        return moment - timedelta(hours=parts.get("h", 0), days=parts.get("d", 0), weeks=parts.get("w", 0))
    except OverflowError:
        return datetime.min.replace(tzinfo=UTC)


def period_of(duration: str) -> timedelta:
    """The length of a duration such as `24h`, with months of 31 and years of 366 days; raises ValueError."""
    parts = _parts(duration)
    days = parts.get("d", 0) + 7 * parts.get("w", 0) + 31 * parts.get("m", 0) + 366 * parts.get("y", 0)
    return timedelta(days=days, hours=parts.get("h", 0))


def _parts(duration: str) -> dict[str, int]:
    if not re.fullmatch(DURATION, duration):
        raise ValueError(f"{duration!r} is no duration such as 30d, 12h, 4w, 6m or 2y")
    found: dict[str, int] = {}
    for number, unit in re.findall(r"([0-9]+)([hdwmy])", duration):
        found[unit] = found.get(unit, 0) + int(number)
    return found
