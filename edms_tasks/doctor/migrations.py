"""Migrations: a database that is behind the EDMS's code, and one that is ahead of it."""

from __future__ import annotations

from edms_tasks.doctor.judgement import Judgement
from edms_tasks.inventory.model import ProbeReport


def judge_migrations(report: ProbeReport, *, refused: bool) -> list[Judgement]:
    """What the code and the database do not have in common; `refused`: the settings refuse a backup of one behind."""
    judgements = []
    if report.migrations_unapplied:
        names = tuple(f"{app}.{name}" for app, name in report.migrations_unapplied)
        judgements.append(
            Judgement(
                code="unapplied-migrations",
                severity="error" if refused else "warning",
                subject="django_migrations",
                message="The EDMS's code holds migrations that the database does not"
                + (": `edms-backup backup` refuses to back it up." if refused else "; it is backed up as it is."),
                count=len(names),
                examples=names[:5],
                cure="Run `manage.py migrate`.",
            )
        )
    known = set(report.migrations_known)
    apps = {app for app, _ in known}
    ahead = tuple(
        f"{app}.{name}" for app, name in report.migrations_applied if app in apps and (app, name) not in known
    )
    if ahead and known:
        judgements.append(
            Judgement(
                code="unknown-migrations",
                severity="error",
                subject="django_migrations",
                message="The database holds migrations that the EDMS's code does not: a snapshot of it could not be restored "
                "into this EDMS.",
                count=len(ahead),
                examples=ahead[:5],
                cure="Install the version of the EDMS that the database belongs to, or bring the migration files back.",
            )
        )
    return judgements
