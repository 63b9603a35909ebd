"""systemd's timers for the schedule: a unit and a timer for each job.

What systemd.time(7) calls a calendar event is made from cron's fields.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from datetime import UTC, datetime

from cronsim import CronSim

from flows.scheduling.scheduled_jobs import ScheduledJob

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
# A run that was missed because the machine was off is made up for.
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
            made[f"{base}.timer"] = _TIMER.format(title=f"{job.name} of {name}", calendar=calendar(job.cron), zone=zone)
    return made


def calendar(cron: str) -> str:
    """Cron's five fields as systemd's calendar event, each as the list of its values."""
    fields = CronSim(cron, datetime.now(UTC))
    days = {_DAYS[day % 7] for day in fields.weekdays if isinstance(day, int)}
    weekdays = "" if len(days) == len(_DAYS) else f"{','.join(day for day in _DAYS if day in days)} "
    date = f"*-{_values(fields.months, 12)}-{_values(fields.days, 31)}"
    return f"{weekdays}{date} {_values(fields.hours, 24)}:{_values(fields.minutes, 60)}:00"


def _values(chosen: set[int], all_of_them: int) -> str:
    return "*" if len(chosen) == all_of_them else ",".join(f"{value:02d}" for value in sorted(chosen))
