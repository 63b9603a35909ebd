"""A schedule as people read it on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from flows.cli.printing.layout import line, print_table

if TYPE_CHECKING:
    from rich.console import Console

    from flows.scheduling.automations import Alarm
    from flows.scheduling.prefect_deployments import DeployedEdms
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


def print_alarms(console: Console, systems: Sequence[DeployedEdms], alarms: Sequence[Alarm]) -> None:
    """Print what became of the alarms of each EDMS, and whose alarms nobody is told of."""
    from flows.scheduling.automations import without_teller

    for one in alarms:
        if one.change != "unchanged":
            line(console, f"alarm     {one.change}: {one.name}")
    if same := sum(one.change == "unchanged" for one in alarms):
        line(console, f"alarms    {same} unchanged")
    for name in without_teller(systems) if alarms else ():
        line(console, f"! Nobody is told of the alarms of {name}; they only show in Prefect's UI.")
        line(console, "  fix: set webhook or email_to in [notify], or prefect_block, and deploy again")
