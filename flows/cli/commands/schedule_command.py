"""Schedule: show what runs when, and write timers for systemd or lines for cron."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.options import Config, Json, Options, Traceback, command_error

if TYPE_CHECKING:
    from rich.console import Console

    from edms_tasks.settings import Settings
    from flows.scheduling.scheduled_jobs import ScheduledJob

EXAMPLES = ("schedule", "schedule --systemd /etc/systemd/system --user edms-backup", "schedule --cron")

_USER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,30}\$?|[0-9]{1,10}")


def schedule(
    context: typer.Context,
    systemd: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write units and timers of systemd into this folder.")
    ] = None,
    user: Annotated[
        str | None, typer.Option(metavar="NAME", help="With --systemd: who runs them (default: who you are).")
    ] = None,
    cron: Annotated[bool, typer.Option("--cron", help="Print lines for a crontab.")] = False,
    config: Config = None,
    as_json: Json = False,
    traceback: Traceback = False,
) -> None:
    """Show what [schedule] of the settings says runs when, or write it for systemd or cron."""
    options = Options.of(context, config, as_json, traceback)
    with options.reporting():
        from datetime import UTC, datetime
        from zoneinfo import ZoneInfo

        from flows.scheduling.scheduled_jobs import scheduled_jobs

        if systemd is not None and cron:
            raise command_error("--systemd and --cron cannot be combined.", "Run the command twice.")
        if user is not None and systemd is None:
            raise command_error("--user belongs to --systemd.", "Name the folder of the units too, or omit --user.")
        settings = options.settings()
        jobs, zone, path = scheduled_jobs(settings), settings.schedule.timezone, options.path.absolute()
        if cron:
            from flows.scheduling.cron_lines import cron_lines
            from flows.scheduling.program_path import program_path

            text = cron_lines(jobs, zone=zone, program=program_path(), config=str(path))
            options.finish({"crontab": text}, lambda console: console.print(text, end="", soft_wrap=True), 0)
        if systemd is not None:
            _write_units(options, settings, jobs, systemd, user)
        now = datetime.now(UTC)
        shown = [
            {
                "name": job.name,
                "when": job.cron or ("after backup" if job.after_backup else ""),
                "next": [at.isoformat() for at in job.next_runs(ZoneInfo(zone), now, 3)],
                "off": job.off,
            }
            for job in jobs
        ]

        def show(console: Console) -> None:
            from flows.cli.printing.schedules import print_schedule

            print_schedule(console, jobs, zone, now)

        options.finish({"timezone": zone, "jobs": shown}, show, 0)


def _write_units(
    options: Options, settings: Settings, jobs: Sequence[ScheduledJob], folder: Path, user: str | None
) -> None:
    import getpass

    from flows.scheduling.prefect_deployments import name_of
    from flows.scheduling.program_path import program_path
    from flows.scheduling.systemd_units import units

    if user is not None and not _USER.fullmatch(user):
        raise command_error(f"{user!r} is no name of a user.", "Name a user of this machine, or its number.")
    path = options.path.absolute()
    made = units(
        jobs,
        name=name_of(settings, path),
        zone=settings.schedule.timezone,
        user=user or getpass.getuser(),
        program=program_path(),
        config=str(path),
    )
    try:
        for name, text in made.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise command_error(
            f"The units cannot be written to {folder}: {error.strerror or error}",
            "Name a folder that you may write to.",
        ) from error
    timers = [name for name in made if name.endswith(".timer")]

    def show(console: Console) -> None:
        from flows.cli.printing.layout import line

        for name in made:
            line(console, f"wrote     {folder / name}")
        line(console, "now run   systemctl daemon-reload")
        line(console, f"          systemctl enable --now {' '.join(timers)}")

    options.finish({"written": [str(folder / name) for name in made]}, show, 0)
