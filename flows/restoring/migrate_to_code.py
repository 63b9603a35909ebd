"""A proved database follows the EDMS's code: migrated forward, or cut back to it; and what that did is measured.

The EDMS's own code does what only it can (`migrate`, `check`), on the staging database alone. Whatever fails here leaves the
live system untouched.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from edms_tasks.databases import open_database
from edms_tasks.databases.protocol import DroppedPart, StagingDatabase, Unwanted
from edms_tasks.digests.table_state import exact_digest
from edms_tasks.errors import CheckFailed
from edms_tasks.extract import RawTable
from edms_tasks.inventory.build import table_of
from edms_tasks.inventory.inspect import run_in_edms
from edms_tasks.inventory.model import ProbeReport, Table
from edms_tasks.manifest import Manifest, TableEntry
from edms_tasks.migrating.code_compatibility import lacking, unenforced, without
from edms_tasks.migrating.outcome import Change, CodeMigration, TableOutcome
from edms_tasks.restore import holds_its_rows
from edms_tasks.scratch.workspace import Workspace, open_workspace, relation
from edms_tasks.settings import Settings
from flows.restoring.version_plan import VersionPlan, require_compatible
from flows.running.runner import Steps
from flows.tasks.extract_tables import read_tables

_RECORDS = "django_migrations"


@dataclass(frozen=True)
class Validated:
    """A restored database that is what its snapshot says."""

    settings: Settings
    steps: Steps
    manifest: Manifest
    staging: StagingDatabase
    scratch: Path  # folder for temporary files
    like: Mapping[str, RawTable] = field(default_factory=dict)  # rows as which those of a table are carried


def migrate_to_code(
    proved: Validated, report: ProbeReport | None, version_plan: VersionPlan, notes: list[str]
) -> CodeMigration | None:
    """Do what `version_plan` says, then let the EDMS check itself; None where nothing had to be done. Adds to `notes`.

    Raises:
        CheckFailed: the EDMS's own `migrate` or `check` failed, or what came of it is not sound.
        SnapshotNewerThanCode: something depends on what is to be dropped.
    """
    if report is None or version_plan.as_it_is:
        return None
    code_migration: CodeMigration | None = None
    if version_plan.forget:
        code_migration = _cut_back(proved, report, version_plan, notes)
    elif version_plan.migrate:
        code_migration = _migrate(proved, report, version_plan, notes)
    alias = proved.settings.edms.database
    if proved.settings.validate_.django_check:
        proved.steps.run("run the EDMS's own check", lambda: _run_edms(proved, ["check", "--database", alias]))
        notes.append("The EDMS's own `check` passed on the restored database.")
    return code_migration


def _migrate(proved: Validated, report: ProbeReport, version_plan: VersionPlan, notes: list[str]) -> CodeMigration:
    before = proved.staging.broken_references()
    # Without the alias Django would migrate its default database, which may be another and is live.
    arguments = ["migrate", "--no-input", "--database", proved.settings.edms.database]
    proved.steps.run("run the EDMS's migrations", lambda: _run_edms(proved, arguments))
    _require_references(proved, before)
    tables, outcomes = _look_again(proved, report, {})
    code_migration = CodeMigration(version_plan.migrate, outcomes)
    notes += code_migration.sentences()
    if short := lacking(report.models, tables):  # of drift that no migration explains: real systems have it
        notes.append(f"The EDMS's models name what the database does not have: {', '.join(short)}.")
    return code_migration


def _cut_back(proved: Validated, report: ProbeReport, version_plan: VersionPlan, notes: list[str]) -> CodeMigration:
    drop = version_plan.drop
    records = [entry.table for entry in proved.manifest.tables if entry.table.name == _RECORDS]
    unwanted = Unwanted(
        tables=tuple(entry.table for entry in drop.tables),
        columns=tuple((entry.table, names) for entry, names in drop.columns),
        records=records[0] if records else None,
        migrations=version_plan.forget,
    )
    before = proved.staging.broken_references()
    kept = {entry.table.id: without(entry.table, names) for entry, names in drop.columns}
    digests = _digests(proved, kept)
    dropped = proved.steps.run("drop what the code does not know", lambda: proved.staging.drop_parts(unwanted))
    _require_references(proved, before)
    cut = {table_id: _Cut(kept[table_id], digests[table_id]) for table_id in kept}
    tables, outcomes = _look_again(proved, report, cut)
    _require_the_rest(proved, outcomes, dropped, unwanted.records)
    require_compatible(report, tables)
    arguments = ["migrate", "--check", "--database", proved.settings.edms.database]
    proved.steps.run("ask the EDMS for its migrations", lambda: _run_edms(proved, arguments))
    code_migration = CodeMigration((), outcomes, dropped)
    notes += code_migration.sentences()
    if loose := unenforced(report.models, tables):
        notes.append(
            f"The EDMS's models say of these that they are unique, and the database does not: {', '.join(loose)}."
        )
    return code_migration


def _require_references(proved: Validated, before: Mapping[str, int]) -> None:
    """The database's own foreign keys hold as they did in the snapshot."""
    after = proved.staging.broken_references()
    broken = sorted(name for name, rows in after.items() if name not in before or rows > before[name])
    if broken:
        raise CheckFailed(
            "Foreign keys do not hold any more after the restored database was brought to the EDMS's code.",
            where=proved.staging.address.display,
            why="; ".join(f"{name} ({after[name]:,} rows)" if after[name] else name for name in broken),
            fix="The live system is untouched. Mend the EDMS's migrations, or restore into the version of the snapshot.",
        )


def _require_the_rest(
    proved: Validated, tables: Sequence[TableOutcome], dropped: Sequence[DroppedPart], records: Table | None
) -> None:
    """What was not dropped is as it was, row for row; of the records of migrations those are gone that had to."""
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
            "Dropping what the EDMS's code does not know changed more than that.",
            where=proved.staging.address.display,
            why="; ".join(wrong),
            fix="The live system is untouched. Restore with --into, without --drop-unknown; report this.",
        )


@dataclass(frozen=True)
class _Cut:
    """A table that lost columns: what is left of it, its rows, and their digest before."""

    left: Table
    before: tuple[int, str]


def _look_again(
    proved: Validated, report: ProbeReport, cut: Mapping[str, _Cut]
) -> tuple[tuple[Table, ...], tuple[TableOutcome, ...]]:
    """Read every table and hold it against the snapshot; `cut` is by table id."""
    folder = proved.scratch / "followed"
    tables, raws = _read(proved, folder)
    now = {table.id: table for table in tables}
    models = {found.id: model.label for model in report.models if (found := table_of(model.table, tables)) is not None}
    with _workspace(proved, folder) as workspace:
        compared = proved.steps.map(
            lambda entry: f"compare {entry.table.label}",
            lambda entry: _outcome(entry, now.get(entry.table.id), raws, cut.get(entry.table.id), workspace),
            proved.manifest.tables,
            jobs=proved.settings.jobs,
            weight=lambda entry: entry.state.rows,
        )
    known = {entry.table.id for entry in proved.manifest.tables}
    new = [
        TableOutcome(table.id, models.get(table.id, table.id), "new", None, raws[table.id].rows)
        for table in tables
        if table.id not in known
    ]
    return tables, (*compared, *new)


def _outcome(
    entry: TableEntry, table: Table | None, raws: Mapping[str, RawTable], cut: _Cut | None, workspace: Workspace
) -> TableOutcome:
    table_id, rows = entry.table.id, entry.state.rows
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


def _digests(proved: Validated, tables: Mapping[str, Table]) -> dict[str, tuple[int, str]]:
    """Rows and exact digest of some tables over some of their columns, as they are now."""
    if not tables:
        return {}
    folder = proved.scratch / "before-the-drop"
    _, raws = _read(proved, folder, set(tables))
    found = {}
    with _workspace(proved, folder) as workspace, workspace.cursor() as cursor:
        for table_id, table in tables.items():
            found[table_id] = exact_digest(cursor, table, None, relation(table, raws[table_id]))
    return found


def _read(
    proved: Validated, folder: Path, only: set[str] | None = None
) -> tuple[tuple[Table, ...], dict[str, RawTable]]:
    (folder / "view").mkdir(parents=True)
    with open_database(proved.staging.address).view(folder / "view", proved.settings.jobs) as view:
        tables = view.tables()
        wanted = [table for table in tables if only is None or table.id in only]
        raws = read_tables(proved.settings, proved.steps, view, wanted, folder / "rows", "read again", proved.like)
        return tables, raws


def _workspace(proved: Validated, folder: Path) -> AbstractContextManager[Workspace]:
    return open_workspace(
        folder / "workspace", memory_limit_mb=proved.settings.memory_limit_mb, threads=proved.settings.jobs
    )


def _run_edms(proved: Validated, arguments: list[str]) -> None:
    done = run_in_edms(proved.settings, arguments, database_name=proved.staging.address.name)
    if done.returncode != 0:
        raise CheckFailed(
            f"The EDMS's own `{' '.join(arguments)}` failed on the restored database.",
            where=proved.staging.address.display,
            why=(done.stderr or done.stdout).strip()[-1500:],
            fix="The live system is untouched. Mend the EDMS, or restore with --into to look at the data."
            + (" To restore without this check: [validate] django_check = false." if arguments[0] == "check" else ""),
        )
