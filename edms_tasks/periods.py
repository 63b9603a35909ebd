"""Durations such as `26h` in settings and options, and durations in words.

Units are s, min, h, d, w, m (months) and y. `EXACT` has no months and years: where people think in minutes, `4m` must not be four months.
"""

from __future__ import annotations

import calendar
import re
from datetime import UTC, datetime, timedelta, tzinfo

DURATION = r"^([0-9]{1,6}(s|min|h|d|w|m|y))+$"
"""A pattern for settings: any duration, such as 30d, 90min or 1y6m."""

EXACT = r"^([0-9]{1,6}(s|min|h|d|w))+$"
"""A pattern for settings: a duration without months and years."""

FORMS = {
    DURATION: "It must be a duration, such as 90min, 26h, 30d, 2w, 6m (months) or 1y.",
    EXACT: "It must be a duration in s, min, h, d or w, such as 90min, 24h or 2d.",
}
"""Pattern -> what it asks for, in words."""

_PART = re.compile(r"([0-9]+)(s|min|h|d|w|m|y)")


def period_of(duration: str) -> timedelta:
    """The length of a duration such as `24h`, with months of 31 and years of 366 days; raises ValueError."""
    parts = _parts(duration)
    return _exact(parts) + timedelta(days=31 * parts.get("m", 0) + 366 * parts.get("y", 0))


def seconds_of(duration: str) -> float:
    """The same in seconds."""
    return period_of(duration).total_seconds()


def earlier(moment: datetime, duration: str, zone: tzinfo = UTC) -> datetime:
    """The moment a duration such as `30d` earlier. Months and years are the calendar's, everything else is exact.

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
        return moment - _exact(parts)
    except OverflowError:
        return datetime.min.replace(tzinfo=UTC)


def in_words(duration: float | timedelta) -> str:
    """A duration for people: 12.3 s, 4 min 5 s, 3 h 20 min, 2 days 4 h. Whole seconds given as an int have no decimal."""
    seconds = duration.total_seconds() if isinstance(duration, timedelta) else duration
    if seconds < 60 and round(seconds, 1) < 60:
        return f"{seconds} s" if isinstance(seconds, int) else f"{max(0.0, seconds):.1f} s"
    whole = round(seconds)
    size, unit, smaller, name = next(one for one in _SCALES if whole >= one[0])
    first, rest = divmod(whole, size)
    more = f" {rest // smaller} {name}" if rest // smaller else ""
    return f"{first} {'day' if unit == 'days' and first == 1 else unit}{more}"


_SCALES = ((86_400, "days", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s"))


def _exact(parts: dict[str, int]) -> timedelta:
    return timedelta(
        seconds=parts.get("s", 0),
        minutes=parts.get("min", 0),
        hours=parts.get("h", 0),
        days=parts.get("d", 0),
        weeks=parts.get("w", 0),
    )


def _parts(duration: str) -> dict[str, int]:
    if not re.fullmatch(DURATION, duration, re.ASCII):
        raise ValueError(f"{duration!r} is no duration such as 30d, 12h, 4w, 6m (months), 2y or 90min")
    found: dict[str, int] = {}
    for number, unit in _PART.findall(duration):
        found[unit] = found.get(unit, 0) + int(number)
    return found
