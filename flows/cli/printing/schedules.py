"""A schedule as people read it on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from flows.cli.printing.layout import line, print_table

if TYPE_CHECKING:
    from rich.console import Console

    from flows.scheduling.scheduled_jobs import ScheduledJob


def print_schedule(console: Console, jobs: Sequence[ScheduledJob], zone: str, now: datetime) -> None:
    """Print a line for each job: when, and the next time; or why it does not run by itself."""
    rows = []
    for job in jobs:
        coming = job.next_runs(ZoneInfo(zone), now, 1)
        when = job.cron or ("after each backup" if job.after_backup else "")
        rows.append((job.name, "never" if job.off else when, f"{coming[0]:%a %Y-%m-%d %H:%M}" if coming else job.off))
    print_table(console, ("what", "when", "next"), rows)
    line(console, f"times of  {zone}")
