"""Migrations: a database that is behind the EDMS's code, and records in it that the code does not know."""

from __future__ import annotations

from edms_tasks.doctor.assessment import Assessment
from edms_tasks.inventory.probe_report import ProbeReport


def assess_migrations(report: ProbeReport, *, refused: bool) -> list[Assessment]:
    """What the code and the database do not have in common; `refused`: the settings refuse a backup of one behind."""
    assessments = []
    if report.migrations_unapplied:
        names = tuple(f"{app}.{name}" for app, name in report.migrations_unapplied)
        assessments.append(
            Assessment(
                code="unapplied-migrations",
                severity="error" if refused else "warning",
                subject="django_migrations",
                message="The EDMS's code holds migrations that the database does not"
                + (": `edms-backup backup` refuses to back it up." if refused else "; it is backed up as it is."),
                count=len(names),
                examples=names[:5],
                fix="Run `manage.py migrate`.",
            )
        )
    known = set(report.migrations_known)
    apps = {app for app, _ in known}
    ahead = tuple(
        f"{app}.{name}" for app, name in report.migrations_applied if app in apps and (app, name) not in known
    )
    if ahead and known:
        assessments.append(
            Assessment(
                code="unknown-migrations",
                severity="warning",
                subject="django_migrations",
                message="The database records migrations that the EDMS's code does not have: either they were squashed away, or "
                "the code is older than the database. They are backed up, and come back, as they are.",
                count=len(ahead),
                examples=ahead[:5],
                fix="If the code is older, install the version that the database belongs to. What is left of squashed migrations "
                "goes with `manage.py migrate APP --prune`.",
            )
        )
    return assessments
