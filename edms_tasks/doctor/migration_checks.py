"""Check migrations: those of the code that the database lacks, and records in it that the code does not know."""

from __future__ import annotations

from edms_tasks.doctor.assessment import Assessment, assessed
from edms_tasks.findings import make_finding
from edms_tasks.inventory.probe_report import ProbeReport


def assess_migrations(report: ProbeReport, *, refused: bool) -> list[Assessment]:
    """The differences between code and database. `refused`: the settings refuse a backup of a database that is behind."""
    assessments = []
    if report.migrations_unapplied:
        names = tuple(f"{app}.{name}" for app, name in report.migrations_unapplied)
        assessments.append(
            assessed(
                make_finding(
                    "unapplied-migrations",
                    "django_migrations",
                    "The EDMS's code has migrations that the database does not. "
                    + ("`edms-backup backup` refuses it." if refused else "The database is backed up as it is."),
                    severity="error" if refused else "warning",
                    count=len(names),
                    examples=names[:5],
                )
            )
        )
    known = set(report.migrations_known)
    apps = {app for app, _ in known}
    ahead = tuple(
        f"{app}.{name}" for app, name in report.migrations_applied if app in apps and (app, name) not in known
    )
    if ahead and known:
        assessments.append(
            assessed(
                make_finding(
                    "unknown-migrations",
                    "django_migrations",
                    count=len(ahead),
                    examples=ahead[:5],
                )
            )
        )
    return assessments
