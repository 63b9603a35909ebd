"""The rows of an old backup in a throwaway database: the EDMS's present schema, made by its code, and the rows placed in it."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from edms_tasks.conversion.serialized_values import serialized_functions
from edms_tasks.databases import Database, DatabaseAddress, open_database
from edms_tasks.databases.protocol import CapturedSchema, StagingDatabase
from edms_tasks.errors import CheckFailed, TerminalError
from edms_tasks.findings import make_finding
from edms_tasks.inventory.build_inventory import build_inventory
from edms_tasks.inventory.model import Finding, Table
from edms_tasks.inventory.probe_report import ProbeReport
from edms_tasks.inventory.run_probe import run_probe_on
from edms_tasks.legacy.code_models import code_models, models_without_place
from edms_tasks.legacy.not_accepted import RefusedRows
from edms_tasks.legacy.old_backup import OldBackup
from edms_tasks.legacy.placed_rows import place_rows
from edms_tasks.legacy.placed_tables import PlacedRows, PlacedTable
from edms_tasks.manifest import SequencePosition, TableEntry, TableState
from edms_tasks.scratch.raw_table import RawTable
from flows.requests import SchemaSource
from flows.restoring.edms_indexes import build_indexes_in_the_edms
from flows.restoring.engine_conversion import run_edms_commands
from flows.running.flow_decorators import task
from flows.running.run import Run
from flows.tasks.extract_tasks import extract_tables
from flows.tasks.inspect_tasks import inspect_edms, require_reachable
from flows.tasks.restore_tasks import create_staging_database

_SUFFIX = "_edms_convert"
_ATTEMPTS = 5  # without a row, others may refer to none, and be forbidden for that


@dataclass(frozen=True)
class LoadedRows:
    """The throwaway database with the rows, and what was found while they were placed."""

    address: DatabaseAddress
    report: ProbeReport
    findings: tuple[Finding, ...]
    left_out: tuple[Path, ...]  # JSON lines of the rows that have no place


@dataclass(frozen=True)
class _EmptySchema:
    """The EDMS's tables as its code makes them, and the rows that its migrations put into them."""

    tables: tuple[Table, ...]
    captured: CapturedSchema
    counters: Mapping[str, SequencePosition]
    sequences: Sequence[SequencePosition]
    seeds: Mapping[str, RawTable]


@contextmanager
def loaded_rows(run: Run, old: OldBackup, made_by: SchemaSource, folder: Path) -> Iterator[LoadedRows]:
    """Load an old backup's rows into a throwaway database, which is removed at the end whatever happens.

    Args:
        run: the run.
        old: the old backup, with its rows in files.
        made_by: the part of the EDMS that makes the tables.
        folder: for temporary files, and for a database that is a file.

    Raises:
        CheckFailed: the EDMS's migrations fail, or the database refuses the rows.
        MayNotCreateDatabases, ServerNotReady: the throwaway database cannot be made.
    """
    report = run.call(inspect_edms, run.ask, run.settings)
    address = DatabaseAddress.from_probe(report.databases[0])
    require_reachable(report, address)
    database = open_database(address)
    into = _name(database, folder)
    with database.lock(into, "work", shared=False, purpose="convert an old backup"):
        schema = _empty_schema(run, database, into, made_by, folder)
        placed, staging = _accepted(run, old, report, schema, into, folder)
        try:
            loaded_report = run.call(inspect_loaded, run, staging.address)
            findings = (*placed.findings, *_broken(staging))
            yield LoadedRows(staging.address, loaded_report, findings, tuple(placed.left_out))
        finally:
            staging.drop()


def _accepted(
    run: Run, old: OldBackup, report: ProbeReport, schema: _EmptySchema, into: str, folder: Path
) -> tuple[PlacedRows, StagingDatabase]:
    """The rows that the database accepts, and the database with them."""
    database = open_database(DatabaseAddress.from_probe(report.databases[0]))
    refused = RefusedRows(folder / "refused.jsonl")
    attempt = 0
    while True:
        attempt += 1
        placed = run.call(place_old_rows, run, old, report, schema, database.address.engine, folder, refused)
        staging = run.call(create_staging_database, database, schema.captured, into, run.settings.restore.jobs)
        try:
            _load(run, staging, schema, placed)
        except BaseException as error:
            try:
                if attempt == _ATTEMPTS or not isinstance(error, CheckFailed):
                    raise
                known = refused.rows
                for one in placed.tables:
                    refused.add(
                        one.table.id, open_database(staging.address).refused_rows(_entry(one), one.files), attempt
                    )
                if refused.rows == known:
                    raise
            finally:
                staging.drop()
        else:
            return placed, staging


def _name(database: Database, folder: Path) -> str:
    if database.address.is_file:
        return str(folder / "converted.sqlite3")
    return f"{database.address.name[:30]}{_SUFFIX}_{secrets.token_hex(4)}"


def _empty_schema(run: Run, database: Database, into: str, made_by: SchemaSource, folder: Path) -> _EmptySchema:
    alias = ["--no-input", "--verbosity", "1", "--database", run.settings.edms.database]
    commands = [["migrate", *alias], ["migrate", "--run-syncdb", *alias]]
    if made_by == "models":
        commands = [["migrate", "--run-syncdb", *alias]]
    for name in ("view", "seeds"):
        (folder / name).mkdir()
    with database.blank(into, folder) as blank:
        run.call(run_edms_commands, run.settings, commands, blank, made_by, True)
        with open_database(blank).view(folder / "view", 1) as view:
            tables = view.tables()
            raws = extract_tables(run, view, tables, folder / "seeds")
            return _EmptySchema(
                tables,
                view.capture_schema(folder / "schema"),
                view.counters(),
                view.sequences(),
                {table: raw for table, raw in raws.items() if raw.rows},
            )


@task(name="place rows", tags=["convert"])
def place_old_rows(
    run: Run,
    old: OldBackup,
    report: ProbeReport,
    schema: _EmptySchema,
    engine: str,
    scratch: Path,
    refused: RefusedRows,
) -> PlacedRows:
    """Place the rows in the tables of the schema, without those that the database has refused."""
    folder = scratch / "placed"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    inventory = build_inventory(report, schema.tables, run.settings, engine)
    # One thread: each further one holds rows of its own, and a million rows of texts and JSON then exceed the default limit.
    with (
        run.workspace(folder / "workspace", threads=1) as workspace,
        serialized_functions(workspace.engine),
        workspace.cursor() as cursor,
    ):
        models, placeless = code_models(report, inventory.tables), models_without_place(report, inventory.tables)
        placed = place_rows(cursor, engine, models, old.rows, schema.seeds, folder, placeless, refused)
    if old.cut_times and placed.cut_times:
        placed.findings.append(make_finding("old-milliseconds", "times", count=placed.cut_times))
    known = {one.table.id for one in placed.tables}
    by_id = {table.id: table for table in inventory.tables}
    for table, raw in schema.seeds.items():  # the record of migrations, and tables that no model owns
        if table not in known and by_id[table].model is None:
            placed.tables.append(PlacedTable(by_id[table], raw.rows, raw.encodings, raw.files))
    return placed


@task(name="inspect loaded rows", tags=["inspect"])
def inspect_loaded(run: Run, address: DatabaseAddress) -> ProbeReport:
    """The probe's report on the throwaway database: natural keys are proved on the rows of the old backup."""
    return run_probe_on(run.settings, address)


def _load(run: Run, staging: StagingDatabase, schema: _EmptySchema, placed: PlacedRows) -> None:
    entries = []
    with run.progress("rows placed", sum(one.rows for one in placed.tables)) as advance:
        for one in placed.tables:
            entry = _entry(one)
            loaded = _loaded(staging, entry, one)
            if loaded != one.rows:
                raise CheckFailed(
                    f"{one.table.label}: {one.rows:,} rows were placed, the database accepted {loaded:,}.",
                    where=staging.address.display,
                    fix="Nothing was written. Please report this.",
                )
            entries.append(entry)
            advance(one.rows)
    _finish(staging, entries, _positions(schema, placed))
    build_indexes_in_the_edms(run, staging)
    staging.gather_statistics()


def _entry(placed: PlacedTable) -> TableEntry:
    state = TableState(rows=placed.rows)
    return TableEntry(table=placed.table, natural_key=None, encodings=placed.encodings, state=state, chunks=())


def _finish(staging: StagingDatabase, entries: Sequence[TableEntry], positions: Sequence[SequencePosition]) -> None:
    try:
        staging.finish(entries, positions)
    except TerminalError as error:
        raise CheckFailed(
            "The database cannot build its indexes and constraints over the rows of the old backup.",
            where=f"{staging.address.display}: {error.what}",
            why=error.why,
            fix="Nothing was written. If it names a constraint that is unique, for some rows only perhaps, the old backup has rows that "
            "it forbids beside each other: correct them in a copy of it.",
        ) from error


def _loaded(staging: StagingDatabase, entry: TableEntry, placed: PlacedTable) -> int:
    if not placed.files:
        return 0
    try:
        return staging.load(entry, placed.files)
    except TerminalError as error:
        raise CheckFailed(
            f"The database refuses a value of {placed.table.label} in the old backup.",
            where=staging.address.display,
            why=error.why,
            fix="Nothing was written. The constraint that is named forbids the value: correct it in a copy of the old backup.",
        ) from error


def _positions(schema: _EmptySchema, placed: PlacedRows) -> list[SequencePosition]:
    """The positions of the counters: behind the highest key of each table."""
    highest = {one.table.id: one.highest for one in placed.tables if one.highest is not None}
    moved = {
        (position.schema_name, position.name): replace_position(position, highest[table])
        for table, position in schema.counters.items()
        if table in highest
    }
    kept = {(one.schema_name, one.name): one for one in schema.sequences}
    return list((kept | moved).values())


def replace_position(position: SequencePosition, highest: int) -> SequencePosition:
    """A counter that goes on behind `highest`."""
    return position.model_copy(update={"last_value": max(highest, 1), "is_called": True})


def _broken(staging: StagingDatabase) -> list[Finding]:
    return [
        make_finding(
            "old-reference-unresolved", name, "The database has references that lead to no row.", count=max(count, 1)
        )
        for name, count in staging.broken_references().items()
    ]
