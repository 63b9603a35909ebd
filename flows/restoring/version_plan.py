"""Plan a restore for an EDMS whose code is of another version than the snapshot, before anything is staged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edms_tasks.errors import CommandError, MigrationsDiverged, SnapshotNewerThanCode
from edms_tasks.inventory.model import Table
from edms_tasks.inventory.probe_report import ProbeReport
from edms_tasks.manifest import Manifest
from edms_tasks.migrating.code_compatibility import Unknown, missing_in, tables_of_app, unknown_to
from edms_tasks.migrating.migration_history import MigrationHistory, compare_histories, migration_names

_NOTHING = Unknown((), ())


@dataclass(frozen=True)
class VersionPlan:
    """The changes to a validated database before it is promoted."""

    migrate: tuple[tuple[str, str], ...] = ()  # migrations that will run
    drop: Unknown = _NOTHING
    forget: tuple[tuple[str, str], ...] = ()  # records of migrations to remove with what is dropped
    as_it_is: bool = False  # the code cannot use the database, so its `check` is not run
    notes: tuple[str, ...] = ()


def plan_version(
    manifest: Manifest, report: ProbeReport | None, *, into: str | None, drop_unknown: bool = False
) -> VersionPlan:
    """Decide what a restore does about the code's version.

    Args:
        manifest: the snapshot's manifest.
        report: the EDMS's report; None if its code does not run.
        into: the name of a copy; None: the live system is to be replaced, which must fit its code.
        drop_unknown: whether to drop what a newer snapshot has and the code does not know.

    Raises:
        SnapshotNewerThanCode: the snapshot has migrations that the code lacks, or lacks what the code needs.
        MigrationsDiverged: the code's migrations do not continue the snapshot's.
        CommandError: `drop_unknown` needs the EDMS's code, which does not run.
    """
    if report is None:
        if drop_unknown:
            raise CommandError(
                "Cannot determine what the EDMS's code does not know, because the code does not run.",
                fix="Omit --drop-unknown, or fix [edms].",
            )
        return VersionPlan()
    history = compare_histories(manifest.edms.migrations_applied, manifest.edms.migrations_leaves, report.migrations)
    unknown = unknown_to(report.models, manifest.tables)
    if history.obstacles:
        return _diverged(history, report, into)
    if history.missing and drop_unknown:
        return _cut_back(manifest, report, history, unknown)
    if history.missing:
        return _newer(history, unknown, report, into)
    notes = _left(manifest, history)
    if drop_unknown:
        notes += ("The snapshot is not newer than the EDMS's code, so --drop-unknown dropped nothing.",)
    if history.planned:
        notes += (
            f"The EDMS's code is newer than the snapshot: {_count(len(history.planned), 'migration')} run on the staging "
            f"database after validation: {migration_names(history.planned)}.",
        )
    return VersionPlan(migrate=history.planned, notes=notes)


def _left(manifest: Manifest, history: MigrationHistory) -> tuple[str, ...]:
    """Apps without migrations in the code whose tables are in the snapshot."""
    found = ((app, tables_of_app(app, manifest.tables)) for app in history.apps_left)
    return tuple(
        f"The EDMS's code has no migrations of the app {app!r}: its tables are restored and validated like all others, but not "
        f"migrated: {', '.join(f'{entry.table.id} ({entry.state.rows:,} rows)' for entry in tables)}."
        for app, tables in found
        if tables
    )


def _diverged(history: MigrationHistory, report: ProbeReport, into: str | None) -> VersionPlan:
    why = " ".join(obstacle.why for obstacle in history.obstacles)
    if into is not None:
        return VersionPlan(
            as_it_is=True,
            notes=(
                f"Neither migrations nor the EDMS's own `check` are run on the copy, because the code does not match it. {why}",
            ),
        )
    raise MigrationsDiverged(
        "The EDMS's code cannot continue the snapshot's migrations.",
        where=report.settings_module,
        why=why,
        fix=" ".join(dict.fromkeys(obstacle.fix for obstacle in history.obstacles))
        + " --into restores a copy as it is. Nothing was changed.",
    )


def _newer(history: MigrationHistory, unknown: Unknown, report: ProbeReport, into: str | None) -> VersionPlan:
    parts = f"; unknown to the code: {', '.join(unknown.names())}" if unknown else ""
    why = f"missing in the code: {migration_names(history.missing)}{parts}"
    if into is not None:
        return VersionPlan(
            as_it_is=True,
            notes=(
                "The snapshot is newer than the EDMS's code: the copy is as the snapshot is. Neither migrations nor the EDMS's own "
                f"`check` are run on it ({why}).",
            ),
        )
    raise SnapshotNewerThanCode(
        f"The snapshot has {_count(len(history.missing), 'migration')} that the EDMS's code does not have.",
        where=report.settings_module,
        why=why,
        fix="Install the version of the EDMS that the snapshot was made with, or a newer one. --into restores a copy to look at; "
        "--drop-unknown restores without the tables and columns named here.",
    )


def _cut_back(manifest: Manifest, report: ProbeReport, history: MigrationHistory, unknown: Unknown) -> VersionPlan:
    if history.planned:
        raise MigrationsDiverged(
            "The snapshot is both newer and older than the EDMS's code, so --drop-unknown cannot be used.",
            where=report.settings_module,
            why=f"Only the snapshot has {migration_names(history.missing)}; only the code has {migration_names(history.planned)}.",
            fix="Install a version of the EDMS that has all of them. --into restores a copy as it is. Nothing was changed.",
        )
    _require_keys(report, unknown)
    require_compatible(report, unknown.remaining(manifest.tables))
    of_the_snapshot = {app for app, _ in manifest.edms.migrations_leaves}
    forget = (*history.missing, *(key for key in history.left if key[0] in of_the_snapshot))
    names = unknown.names()
    return VersionPlan(
        drop=unknown,
        forget=forget,
        notes=(
            f"The snapshot is newer than the EDMS's code. After validation these are dropped, because of --drop-unknown: "
            f"{', '.join(names) if names else 'no table and no column'}; and the records of {migration_names(forget)}.",
        ),
    )


def require_compatible(report: ProbeReport, tables: Sequence[Table]) -> None:
    """Require that the tables have everything that the code's models need; raises SnapshotNewerThanCode."""
    if short := missing_in(report.models, tables):
        raise _too_new(
            report, f"The code's models need tables or columns that the snapshot does not have: {', '.join(short)}."
        )


def _require_keys(report: ProbeReport, unknown: Unknown) -> None:
    if keys := unknown.in_keys():
        raise _too_new(report, f"Primary keys hold what would be dropped: {', '.join(keys)}.")


def _too_new(report: ProbeReport, why: str) -> SnapshotNewerThanCode:
    return SnapshotNewerThanCode(
        "--drop-unknown cannot reduce the snapshot to what the EDMS's code knows.",
        where=report.settings_module,
        why=why,
        fix="The live system is untouched. Install the version of the EDMS that the snapshot was made with, or a newer one; --into "
        "without --drop-unknown restores a copy as it is.",
    )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
