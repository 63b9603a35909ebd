"""Which snapshots of an EDMS are kept by rules such as "the last of each of the last seven days". Pure: nothing is read or removed here.

The meaning is that of restic and borg. `daily=7` keeps the last snapshot of each of the seven most recent days that have one. While
fewer days than that have a snapshot, the oldest snapshot stands for the rest. `within` counts from the newest snapshot, not from now:
if backups have stopped, nothing goes. Rules add up. Days, weeks (from Monday), months and years are those of one time zone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from edms_tasks.periods import earlier


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
