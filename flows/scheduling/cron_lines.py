"""Lines for cron. Cron mails what a command prints, so these print nothing unless something is wrong."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from flows.scheduling.scheduled_jobs import ScheduledJob

_HEAD = """# Made by `edms-backup schedule --cron`; edit the [schedule] of the settings, and make it again.
# Cron mails what fails to MAILTO. Most crons know no time zone: these hours are those of the machine, and the settings mean {zone}.
MAILTO=root
CRON_TZ={zone}
"""


def cron_lines(jobs: Iterable[ScheduledJob], *, zone: str, program: str, config: str) -> str:
    """A crontab for the jobs that run by themselves; what follows the backup is in the backup's line."""
    running = [job for job in jobs if job.runs]
    followers = [job for job in running if job.after_backup]
    lines = [_HEAD.format(zone=zone)]
    for job in running:
        if job.cron:
            chain = [job, *followers] if job.name == "backup" else [job]
            commands = " && ".join(shlex.join([program, "--quiet", "--config", config, *one.command]) for one in chain)
            lines.append(f"{job.cron} {commands.replace('%', chr(92) + '%')}\n")
    return "".join(lines)
