"""Migrate a validated database to the EDMS's code, or reduce it to what the code knows; and measure what that changed.

The EDMS's own `migrate` and `check` run on the staging database only. A failure here leaves the live system untouched.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edms_tasks.databases import DatabaseAddress, open_database
from edms_tasks.databases.protocol import DroppedPart, StagingDatabase, Unwanted
from edms_tasks.digests.table_state import exact_digest
from edms_tasks.errors import CheckFailed
from edms_tasks.inventory.build_inventory import table_of
from edms_tasks.inventory.model import Table
from edms_tasks.inventory.probe_report import ProbeReport
from edms_tasks.inventory.run_probe import run_in_edms
from edms_tasks.manifest import Manifest, TableEntry
from edms_tasks.migrating.code_compatibility import missing_in, unenforced, without
from edms_tasks.migrating.migration_outcome import Change, CodeMigration, TableOutcome
from edms_tasks.restore import holds_its_rows
from edms_tasks.scratch.raw_table import RawTable
from edms_tasks.scratch.workspace import Workspace, relation
from edms_tasks.settings import Settings
from flows.restoring.version_plan import VersionPlan, require_compatible
from flows.running.flow_decorators import task
from flows.running.run import Run
from flows.tasks.extract_tasks import extract_tables

_RECORDS = "django_migrations"


@dataclass(frozen=True)
class Validated:
    """A restored database that was validated against its snapshot."""

    run: Run
    manifest: Manifest
    staging: StagingDatabase
    scratch: Path  # folder for temporary files
    like: Mapping[str, RawTable] = field(default_factory=dict)  # by table id: rows whose column forms are to be used

    def call_edms(self, arguments: list[str], purpose: str) -> None:
        """Run one of the EDMS's own commands on the database; raises CheckFailed."""
        self.run.call(run_edms_command, purpose, self.run.settings, arguments, self.staging.address)


def migrate_to_code(
    validated: Validated, report: ProbeReport | None, version_plan: VersionPlan, notes: list[str]
) -> CodeMigration | None:
    """Carry out `version_plan`, then run the EDMS's own check. None if nothing had to be done. Adds to `notes`.

    Raises:
        CheckFailed: the EDMS's own `migrate` or `check` failed, or its result violates foreign keys.
        SnapshotNewerThanCode: something depends on what is to be dropped.
    """
    if report is None or version_plan.as_it_is:
        return None
    code_migration: CodeMigration | None = None
    if version_plan.forget:
        code_migration = _cut_back(validated, report, version_plan, notes)
    elif version_plan.migrate:
        code_migration = _migrate(validated, report, version_plan, notes)
    alias = validated.run.settings.edms.database
    if validated.run.settings.validate_.django_check:
        validated.call_edms(["check", "--database", alias], "run the EDMS's own check")
        notes.append("The EDMS's own `check` passed on the restored database.")
    return code_migration


def _migrate(validated: Validated, report: ProbeReport, version_plan: VersionPlan, notes: list[str]) -> CodeMigration:
    before = validated.staging.broken_references()
    # Without the alias Django would migrate its default database, which may be another, live one.
    arguments = ["migrate", "--no-input", "--database", validated.run.settings.edms.database]
    validated.call_edms(arguments, "run the EDMS's migrations")
    _require_references(validated, before)
    tables, outcomes = _look_again(validated, report, {})
    code_migration = CodeMigration(version_plan.migrate, outcomes)
    notes += code_migration.sentences()
    if short := missing_in(report.models, tables):  # about drift that no migration explains, which real systems have
        notes.append(f"The EDMS's models name tables or columns that the database does not have: {', '.join(short)}.")
    return code_migration


def _cut_back(validated: Validated, report: ProbeReport, version_plan: VersionPlan, notes: list[str]) -> CodeMigration:
    drop = version_plan.drop
    records = [entry.table for entry in validated.manifest.tables if entry.table.name == _RECORDS]
    unwanted = Unwanted(
        tables=tuple(entry.table for entry in drop.tables),
        columns=tuple((entry.table, names) for entry, names in drop.columns),
        records=records[0] if records else None,
        migrations=version_plan.forget,
    )
    before = validated.staging.broken_references()
    kept = {entry.table.id: without(entry.table, names) for entry, names in drop.columns}
    digests = _digests(validated, kept)
    dropped = validated.run.call(drop_unknown_parts, validated.staging, unwanted)
    _require_references(validated, before)
    cut = {table_id: ReducedTable(kept[table_id], digests[table_id]) for table_id in kept}
    tables, outcomes = _look_again(validated, report, cut)
    _require_the_rest(validated, outcomes, dropped, unwanted.records)
    require_compatible(report, tables)
    arguments = ["migrate", "--check", "--database", validated.run.settings.edms.database]
    validated.call_edms(arguments, "ask the EDMS for its migrations")
    code_migration = CodeMigration((), outcomes, dropped)
    notes += code_migration.sentences()
    if loose := unenforced(report.models, tables):
        notes.append(f"The EDMS's models declare these unique, but the database does not: {', '.join(loose)}.")
    return code_migration


def _require_references(validated: Validated, before: Mapping[str, int]) -> None:
    """Check that no more foreign keys are violated than in the snapshot."""
    after = validated.staging.broken_references()
    broken = sorted(name for name, rows in after.items() if name not in before or rows > before[name])
    if broken:
        raise CheckFailed(
            "Foreign keys are broken after the restored database was migrated to the EDMS's code.",
            where=validated.staging.address.display,
            why="; ".join(f"{name} ({after[name]:,} rows)" if after[name] else name for name in broken),
            fix="The live system is untouched. Fix the EDMS's migrations, or restore into the version of the snapshot.",
        )


def _require_the_rest(
    validated: Validated, tables: Sequence[TableOutcome], dropped: Sequence[DroppedPart], records: Table | None
) -> None:
    """Check that everything that was not dropped is unchanged, and that only the named records of migrations are gone."""
    gone = {part.name for part in dropped if part.kind == "table"}
    forgotten = sum(part.kind == "migration" for part in dropped)
    wrong = []
    for table in tables:
        if table.table_id in gone and table.change == "removed":
            continue
        if records is not None and table.table_id == records.id and table.change == "other rows":
            fits = table.rows_before is not None and table.rows_after == table.rows_before - forgotten
        else:
            fits = table.change in ("same", "other columns") and table.rows_before == table.rows_after
        if not fits:
            wrong.append(f"{table.label}: {table.change} ({table.rows_before} rows before, {table.rows_after} after)")
    if wrong:
        raise CheckFailed(
            "Dropping what the EDMS's code does not know changed other rows or tables too.",
            where=validated.staging.address.display,
            why="; ".join(wrong),
            fix="The live system is untouched. Restore with --into, without --drop-unknown; report this.",
        )


@dataclass(frozen=True)
class ReducedTable:
    """A table that lost columns: its remaining columns, its rows, and their digest before."""

    left: Table
    before: tuple[int, str]


def _look_again(
    validated: Validated, report: ProbeReport, cut: Mapping[str, ReducedTable]
) -> tuple[tuple[Table, ...], tuple[TableOutcome, ...]]:
    """Read every table and compare it with the snapshot; `cut` is by table id."""
    folder = validated.scratch / "followed"
    tables, raws = _read(validated, folder)
    now = {table.id: table for table in tables}
    models = {found.id: model.label for model in report.models if (found := table_of(model.table, tables)) is not None}
    with validated.run.workspace(folder / "workspace", rows=validated.manifest.rows) as workspace:
        compared = validated.run.map(compare_with_snapshot, validated.manifest.tables, now, raws, cut, workspace)
    known = {entry.table.id for entry in validated.manifest.tables}
    new = [
        TableOutcome(table.id, models.get(table.id, table.id), "new", None, raws[table.id].rows)
        for table in tables
        if table.id not in known
    ]
    return tables, (*compared, *new)


@task(
    name="compare table",
    tags=["migrate"],
    task_run_name="compare {entry.table.label}",
    weight=lambda entry: entry.state.rows,
)
def compare_with_snapshot(
    entry: TableEntry,
    now: Mapping[str, Table],
    raws: Mapping[str, RawTable],
    cuts: Mapping[str, ReducedTable],
    workspace: Workspace,
) -> TableOutcome:
    """Compare a table, as it is after the migrations, with the snapshot."""
    table_id, rows = entry.table.id, entry.state.rows
    table, cut = now.get(table_id), cuts.get(table_id)
    if table is None:
        return TableOutcome(table_id, entry.table.label, "removed", rows, None)
    raw = raws[table_id]
    was, is_ = ([column.name for column in columns] for columns in (entry.table.columns, table.columns))
    added, removed = tuple(name for name in is_ if name not in was), tuple(name for name in was if name not in is_)
    change: Change = "other columns"
    if cut is not None:
        with workspace.cursor() as cursor:
            if exact_digest(cursor, cut.left, None, relation(cut.left, raw)) != cut.before:
                change = "other rows"
    elif not added and not removed:
        change = "same" if holds_its_rows(entry, raw, workspace) else "other rows"
    return TableOutcome(table_id, entry.table.label, change, rows, raw.rows, added, removed)


def _digests(validated: Validated, tables: Mapping[str, Table]) -> dict[str, tuple[int, str]]:
    """The present number of rows and exact digest of some tables over some of their columns."""
    if not tables:
        return {}
    folder = validated.scratch / "before-the-drop"
    _, raws = _read(validated, folder, set(tables))
    found = {}
    with validated.run.workspace(folder / "workspace") as workspace, workspace.cursor() as cursor:
        for table_id, table in tables.items():
            found[table_id] = exact_digest(cursor, table, None, relation(table, raws[table_id]))
    return found


def _read(
    validated: Validated, folder: Path, only: set[str] | None = None
) -> tuple[tuple[Table, ...], dict[str, RawTable]]:
    (folder / "view").mkdir(parents=True)
    with open_database(validated.staging.address).view(folder / "view", validated.run.settings.jobs) as view:
        view.read_like(validated.manifest.tables)
        tables = view.tables()
        wanted = [table for table in tables if only is None or table.id in only]
        raws = extract_tables(validated.run, view, wanted, folder / "rows", validated.like)
        return tables, raws


@task(name="drop unknown parts", tags=["migrate"], task_run_name="drop what the code does not know")
def drop_unknown_parts(staging: StagingDatabase, unwanted: Unwanted) -> tuple[DroppedPart, ...]:
    """Drop tables and columns that the EDMS's code does not know."""
    return tuple(staging.drop_parts(unwanted))


@task(name="run EDMS command", tags=["migrate"], task_run_name="{purpose}")
def run_edms_command(purpose: str, settings: Settings, arguments: list[str], address: DatabaseAddress) -> None:
    """Run one of the EDMS's own commands on the staging database; raises CheckFailed."""
    done = run_in_edms(settings, arguments, database_name=address.name)
    if done.returncode != 0:
        raise CheckFailed(
            f"The EDMS's own `{' '.join(arguments)}` failed on the restored database.",
            where=address.display,
            why=(done.stderr or done.stdout).strip()[-1500:],
            fix="The live system is untouched. Fix the EDMS, or restore with --into to look at the data."
            + (
                " It connects to the server that its own settings name: they must name the one of [restore] database."
                if settings.restore.database is not None
                else ""
            )
            + (" To restore without this check: [validate] django_check = false." if arguments[0] == "check" else ""),
        )
