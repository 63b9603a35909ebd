"""systemd's timers for the schedule: a unit and a timer for each job.

What systemd.time(7) calls a calendar event is made from cron's fields.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim

from flows.scheduling.scheduled_jobs import ScheduledJob

_HOURS = 24
_DAYS_AHEAD = 3660
_DAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")

_SERVICE = """# Made by `edms-backup schedule --systemd`; edit the [schedule] of the settings, and make it again.
[Unit]
Description=edms-backup: {title}
Wants=network-online.target
After=network-online.target
{follow}
[Service]
Type=oneshot
User={user}
ExecStart={command}
# A failed run is a failed unit: `systemctl --failed` lists it, and OnFailure= can send it somewhere.
TimeoutStartSec=infinity
KillSignal=SIGTERM
TimeoutStopSec=5min
Nice=10
IOSchedulingClass=best-effort
IOSchedulingPriority=7
NoNewPrivileges=true
PrivateTmp=true
ProtectKernelTunables=true
ProtectControlGroups=true
UMask=0077
"""

_TIMER = """# Made by `edms-backup schedule --systemd`; edit the [schedule] of the settings, and make it again.
[Unit]
Description=edms-backup: when {title} runs

[Timer]
OnCalendar={calendar} {zone}
{hours_that_do_not_exist}# A run that was missed because the machine was off is made up for.
Persistent=true
AccuracySec=1min

[Install]
WantedBy=timers.target
"""


def units(
    jobs: Iterable[ScheduledJob], *, name: str, zone: str, user: str, program: str, config: str
) -> dict[str, str]:
    """File name -> text of the units for the jobs that run by themselves.

    Args:
        jobs: the jobs.
        name: of the EDMS, which becomes part of the units' names.
        zone: the time zone of their hours.
        user: who runs them.
        program: the path of edms-backup.
        config: the path of the settings file.
    """
    running = [job for job in jobs if job.runs]
    followers = [f"edms-backup-{name}-{job.name}.service" for job in running if job.after_backup]
    made: dict[str, str] = {}
    for job in running:
        base = f"edms-backup-{name}-{job.name}"
        follows = f"OnSuccess={' '.join(followers)}\n" if job.name == "backup" and followers else ""
        command = shlex.join([program, "--config", config, *job.command])
        made[f"{base}.service"] = _SERVICE.format(
            title=f"{job.name} of {name}",
            follow=follows,
            user=user,
            command=command.replace("%", "%%").replace("$", "$$"),
        )
        if job.cron:
            made[f"{base}.timer"] = _TIMER.format(
                title=f"{job.name} of {name}",
                calendar=calendar(job.cron),
                zone=zone,
                hours_that_do_not_exist=_made_up_for(job.cron, zone),
            )
    return made


def _made_up_for(cron: str, zone: str) -> str:
    """Further times of a timer, for the nights whose hour does not exist; "" if there are none."""
    skipped = skipped_runs(cron, zone, datetime.now(UTC))
    if not skipped:
        return ""
    told = "# systemd leaves out a night whose hour summer time skips; these make up for it.\n"
    return told + "".join(f"OnCalendar={at:%Y-%m-%d %H:%M}:00 {zone}\n" for at in skipped)


def skipped_runs(cron: str, zone: str, now: datetime) -> list[datetime]:
    """When to make up for runs of the next years that have no hour, because clocks are put forward over it; none for hourly jobs."""
    if len(CronSim(cron, now).hours) == _HOURS:
        return []
    found = []
    for begins, ends in _gaps(ZoneInfo(zone), now):
        if next(CronSim(cron, begins - timedelta(minutes=1))) < ends:
            found.append(ends)
    return found


def _gaps(zone: ZoneInfo, now: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The times that do not exist on a clock of the zone, as (first that does not, first that does again)."""
    for day in range(_DAYS_AHEAD):
        at = now.replace(minute=0, second=0, microsecond=0) + timedelta(days=day)
        before, after = (moment.astimezone(zone).utcoffset() for moment in (at, at + timedelta(days=1)))
        if before is None or after is None or after <= before:
            continue
        for quarter in range(4 * _HOURS):
            moment = at + timedelta(minutes=15 * (quarter + 1))
            if moment.astimezone(zone).utcoffset() == after:
                ends = moment.astimezone(zone).replace(tzinfo=None)
                yield ends - (after - before), ends
                break


def calendar(cron: str) -> str:
    """Cron's five fields as systemd's calendar event, each as the list of its values."""
    fields = CronSim(cron, datetime.now(UTC))
    days = {_DAYS[day % 7] for day in fields.weekdays if isinstance(day, int)}
    weekdays = "" if len(days) == len(_DAYS) else f"{','.join(day for day in _DAYS if day in days)} "
    date = f"*-{_values(fields.months, 12)}-{_values(fields.days, 31)}"
    return f"{weekdays}{date} {_values(fields.hours, 24)}:{_values(fields.minutes, 60)}:00"


def _values(chosen: set[int], all_of_them: int) -> str:
    return "*" if len(chosen) == all_of_them else ",".join(f"{value:02d}" for value in sorted(chosen))
