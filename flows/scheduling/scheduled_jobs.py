"""What runs by itself, and when, from the settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from cronsim import CronSim

from edms_tasks.schedule_settings import AFTER_BACKUP
from edms_tasks.settings import Settings


@dataclass(frozen=True)
class ScheduledJob:
    """A command that runs by itself.

    Args:
        name: of its deployment and its unit: backup, verify-sample, …
        command: as it is typed, without the program's name and the settings file.
        cron: when; "" for never, or not by a clock.
        parameters: of its flow, where they differ from the flow's own.
        after_backup: whether it follows each backup that succeeded.
        off: why it does not run by itself; "" if it does.
    """

    name: str
    command: tuple[str, ...]
    cron: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    after_backup: bool = False
    off: str = ""

    @property
    def runs(self) -> bool:
        """Whether it runs by itself."""
        return not self.off

    def next_runs(self, zone: ZoneInfo, now: datetime, count: int) -> list[datetime]:
        """The next times, in that time zone."""
        if not self.cron or self.off:
            return []
        times = CronSim(self.cron, now.astimezone(zone))
        return [next(times) for _ in range(count)]


def scheduled_jobs(settings: Settings) -> tuple[ScheduledJob, ...]:
    """All that can run by itself; what the settings turn off, or lack something for, says why it does not."""
    when = settings.schedule
    copies = when.copy_ == AFTER_BACKUP
    return (
        _job("backup", ("backup",), when.backup),
        _job(
            "verify-sample",
            ("verify", "--sample", f"{when.sample:g}"),
            when.verify_sample,
            parameters={"sample": when.sample},
        ),
        _job("verify", ("verify",), when.verify),
        _job("drill", ("drill",), when.drill),
        _job(
            "copy",
            ("copy",),
            "" if copies else when.copy_,
            after_backup=copies,
            lacks="" if settings.copy_.url else "[copy] url is not set",
        ),
        _job("prune", ("prune",), when.prune, lacks="" if settings.retention.has_rule else "[retention] has no rule"),
        _job("status", ("status",), when.status),
    )


def _job(
    name: str,
    command: tuple[str, ...],
    cron: str,
    *,
    parameters: Mapping[str, Any] | None = None,
    after_backup: bool = False,
    lacks: str = "",
) -> ScheduledJob:
    off = lacks or ("" if cron or after_backup else "it is turned off")
    return ScheduledJob(name, command, cron, parameters or {}, after_backup, off)
