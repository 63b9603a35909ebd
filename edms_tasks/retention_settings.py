"""The settings' `[retention]`: what a prune keeps. What the rules mean is in repository/retention_rules.py."""

from __future__ import annotations

from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field

from edms_tasks.periods import DURATION
from edms_tasks.soft_reference_settings import Section


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError) as error:
        raise ValueError(f"There is no time zone {name!r}; an example is Europe/Berlin") from error
    return name


ZoneName = Annotated[str, AfterValidator(_known_zone)]
"""The name of a time zone that this system knows."""


class RetentionSettings(Section):
    """What `edms-backup prune` keeps. Without a rule it removes nothing."""

    keep_last: int = Field(default=0, ge=0, description="Keep that many of the newest snapshots.")
    keep_hourly: int = Field(default=0, ge=0, description="Keep the last snapshot of each of that many hours.")
    keep_daily: int = Field(default=0, ge=0, description="Keep the last snapshot of each of that many days.")
    keep_weekly: int = Field(default=0, ge=0, description="Keep the last snapshot of each of that many weeks.")
    keep_monthly: int = Field(default=0, ge=0, description="Keep the last snapshot of each of that many months.")
    keep_yearly: int = Field(default=0, ge=0, description="Keep the last snapshot of each of that many years.")
    keep_within: str | None = Field(
        default=None,
        pattern=DURATION,
        description="Keep all snapshots that are at most so much older than the newest: 30d, 12h, 4w, 6m, 1y6m.",
    )
    keep_tags: tuple[str, ...] = Field(
        default=("*",),
        description="Glob patterns; snapshots with such a tag are kept. `*` leaves out the safety snapshots of merges.",
    )
    timezone: ZoneName = Field(default="UTC", description="The time zone of days, weeks, months and years.")
    grace: str = Field(
        default="24h",
        pattern=DURATION,
        description="Where the repository is no local folder: how long an object that no snapshot needs is left alone.",
    )

    keep_set_aside: str | None = Field(
        default=None,
        pattern=DURATION,
        description="Remove databases and folders that restores and rollbacks have set aside longer ago: 14d.",
    )
    keep_reports: str | None = Field(
        default=None,
        pattern=DURATION,
        description="Remove the reports of runs that are older: 7y. Not set: they are kept for ever.",
    )
    repack_above: int = Field(
        default=50,
        ge=1,
        le=99,
        description="With a rule: if more than that many percent of a pack of files are not needed any more, store the rest again.",
    )

    @property
    def has_rule(self) -> bool:
        """Whether anything says what to keep, so that the rest is pruned."""
        numbers = (self.keep_last, self.keep_hourly, self.keep_daily, self.keep_weekly, self.keep_monthly)
        return any((*numbers, self.keep_yearly, self.keep_within))
