"""What the log says of a period: the runs, and the days on which nothing was proved."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from edms_tasks.errors import CommandError
from edms_tasks.repository.audit_log import LogEntry

_PROOFS = ("restore", "drill")
_LONGEST = 3660


@dataclass(frozen=True)
class Period:
    """Whole days, the first and the last included, of a time zone."""

    first: date
    last: date
    zone: ZoneInfo

    def has(self, entry: LogEntry) -> bool:
        """Whether an entry is of this period."""
        return self.first <= self.day_of(entry.at) <= self.last

    def day_of(self, moment: datetime) -> date:
        """The day of a moment."""
        return moment.astimezone(self.zone).date()

    @property
    def begins(self) -> datetime:
        """The first moment."""
        return datetime.combine(self.first, time(), self.zone).astimezone(UTC)

    @property
    def bounds(self) -> str:
        """The first moment, and the first after it, as lines for programs: `from TIME` and `until TIME`, in UTC."""
        after = datetime.combine(self.last + timedelta(days=1), time(), self.zone).astimezone(UTC)
        return f"days {self} of {self.zone}\nfrom {self.begins:%Y-%m-%dT%H:%M:%SZ}\nuntil {after:%Y-%m-%dT%H:%M:%SZ}\n"

    def last_before(self, entries: Sequence[LogEntry]) -> int:
        """The number of the last entry before the first of the period or later; 1 if there is none."""
        began = next((entry.number for entry in entries if entry.at >= self.begins), None)
        return max((entry.number for entry in entries if began is None or entry.number < began), default=1)

    @property
    def days(self) -> list[date]:
        """Every day."""
        return [self.first + timedelta(days=number) for number in range((self.last - self.first).days + 1)]

    def __str__(self) -> str:
        return f"{self.first} to {self.last}"


@dataclass(frozen=True)
class Gaps:
    """Days without a snapshot that was read back, and without a restore or drill that proved one; ranges as texts."""

    unverified: tuple[str, ...]
    unproved: tuple[str, ...]


def period_from(first: str, last: str, zone: str, today: date) -> Period:
    """The period from two dates such as 2026-01-01; days that have not begun are left out.

    Raises:
        CommandError: one is no date, or the period is empty or longer than ten years.
    """
    begin, end = _date(first, "--from"), min(_date(last, "--to"), today)
    if end < begin or (end - begin).days > _LONGEST:
        raise CommandError(
            "This is no period.",
            where=f"--from {first} --to {last}",
            why="It is longer than ten years." if end >= begin else "It ends before it begins, or has not begun yet.",
            fix="For example --from 2026-01-01 --to 2026-03-31; both days are included.",
        )
    return Period(begin, end, ZoneInfo(zone))


def gaps(period: Period, entries: Sequence[LogEntry]) -> Gaps:
    """The days of a period on which, by these entries, nothing was read back or proved."""
    own = [entry for entry in entries if entry.outcome == "success"]

    def without(is_good: Callable[[LogEntry], bool]) -> tuple[str, ...]:
        good = {period.day_of(entry.at) for entry in own if is_good(entry)}
        return _ranges([day for day in period.days if day not in good])

    return Gaps(
        unverified=without(lambda entry: entry.event == "backup" and entry.facts.get("verified") is True),
        unproved=without(lambda entry: entry.event in _PROOFS and entry.facts.get("verdict") == "proved"),
    )


def _ranges(days: Sequence[date]) -> tuple[str, ...]:
    found: list[list[date]] = []
    for day in days:
        if found and day - found[-1][-1] == timedelta(days=1):
            found[-1].append(day)
        else:
            found.append([day])
    return tuple(f"{one[0]}" if len(one) == 1 else f"{one[0]} to {one[-1]} ({len(one)} days)" for one in found)


def _date(text: str, option: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise CommandError(
            "This is no date.", where=f"{option} {text}", fix=f"For example {option} 2026-01-31."
        ) from error
