"""Check what a restore into the other engine needs, before anything is created."""

from __future__ import annotations

from edms_tasks.databases import DatabaseAddress
from edms_tasks.errors import CommandError, SnapshotNewerThanCode
from edms_tasks.inventory.probe_report import ProbeReport
from edms_tasks.manifest import Manifest
from edms_tasks.settings import Settings
from flows.requests import SchemaSource
from flows.restoring.conversion_target import engine_address
from flows.restoring.version_plan import VersionPlan

_UTC = {"UTC", "Etc/UTC", "GMT"}


def require_convertible(
    settings: Settings, manifest: Manifest, report: ProbeReport | None, address: DatabaseAddress
) -> None:
    """Check that the EDMS allows a restore into the other engine.

    Raises:
        CommandError: the snapshot is already of that engine, or the EDMS cannot create the schema there.
    """
    where = address.display
    if manifest.engine == address.engine:
        raise CommandError(
            f"The snapshot is of {manifest.engine} too. A URL with --into is for a database of the other engine.",
            where=where,
            fix="Give only the name of the database or file: --into NAME.",
        )
    if report is None:
        raise CommandError(
            "The EDMS's code is needed: its migrations create the schema in the other engine.",
            where=where,
            fix="Fix [edms] until `python manage.py check` works with it.",
        )
    if settings.edms.command and address.is_file:
        raise CommandError(
            "The EDMS runs on another machine and would create the file there.",
            where=where,
            fix="Run with [edms] python, where the EDMS's code and the file are on one machine.",
        )
    zone = report.databases[0].time_zone
    if zone not in _UTC:
        raise CommandError(
            f"The EDMS stores times in the zone {zone!r}. Only UTC is stored the same way in both engines.",
            where="USE_TZ, or TIME_ZONE in DATABASES",
            fix="Set USE_TZ = True (and migrate the times) before moving.",
        )


def require_within_one_engine(into: str | None) -> None:
    """Refuse `--salvage` and `--drop-unknown` for a restore into another engine; raises CommandError."""
    if engine_address(into) is not None:
        raise CommandError(
            "--salvage and --drop-unknown cannot be combined with another engine.",
            where="--into",
            fix="Restore into a database of the snapshot's engine first (--into NAME), then back that up and move it.",
        )


def require_another_engine(made_by: SchemaSource, into: str | None) -> None:
    """Refuse `--schema models` for a restore within the snapshot's engine, which needs no EDMS for its schema; raises CommandError."""
    if made_by == "models" and engine_address(into) is None:
        raise CommandError(
            "--schema models is for a restore into another engine; this one stays in the snapshot's.",
            fix="Omit it; or restore with --into and a URL of the other engine.",
        )


def require_compatible_code(version_plan: VersionPlan, made_by: SchemaSource) -> None:
    """Check that the EDMS's code, which creates the schema, has the snapshot's migrations, and with `models` no others.

    Raises:
        SnapshotNewerThanCode: it has not.
        CommandError: its models may be newer than the snapshot.
    """
    if version_plan.as_it_is:
        raise SnapshotNewerThanCode(
            "The EDMS's code cannot create the snapshot's schema in the other engine.",
            where="--into",
            why=" ".join(version_plan.notes),
            fix="Install the version of the EDMS that the snapshot was made with.",
        )
    if made_by == "models" and version_plan.migrate:
        raise CommandError(
            "--schema models needs the version of the EDMS that the snapshot was made with.",
            why=f"The code has {len(version_plan.migrate)} more migrations than the snapshot, so its models may differ.",
            fix="Install that version, move, and update afterwards; or omit --schema models.",
        )
