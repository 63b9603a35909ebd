"""Restore a snapshot into the other engine: the steps that replace those of a normal restore.

The EDMS's own migrations create the schema, in a temporary database. Every row is checked before anything is loaded. The
loaded rows are read back, converted into the snapshot's form, and compared with the snapshot as in any other restore.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from edms_tasks.chunks.stored_chunks import fetch_chunks
from edms_tasks.conversion.canonical_json import json_functions
from edms_tasks.conversion.compatibility import Compatibility, assess_table
from edms_tasks.conversion.converted_rows import converted_back, converted_entry, expected_entry, write_converted
from edms_tasks.conversion.id_counters import converted_positions, counter_of
from edms_tasks.conversion.incompatibility_error import require_compatible
from edms_tasks.conversion.left_out import LeftOutTable, Omissions, omissions
from edms_tasks.conversion.run_migrations import commands_to, unfinished_migration
from edms_tasks.conversion.table_pairs import Pairing, TablePair, pair_tables
from edms_tasks.conversion.table_splitting import split_documents
from edms_tasks.conversion.virtual_tables import search_indexes
from edms_tasks.databases import DatabaseAddress, open_database
from edms_tasks.databases.protocol import CapturedSchema, StagingDatabase
from edms_tasks.errors import CheckFailed
from edms_tasks.inventory.declared_as_derived import derived_columns
from edms_tasks.inventory.model import Table
from edms_tasks.inventory.run_probe import run_on_another_engine
from edms_tasks.manifest import Manifest, SequencePosition, TableEntry
from edms_tasks.masking.masking_facts import MaskingFacts
from edms_tasks.migrating.migration_outcome import CodeMigration
from edms_tasks.redaction import Redaction
from edms_tasks.repository import Repository
from edms_tasks.restore import fetch_schema, require_rows
from edms_tasks.salvage import Losses
from edms_tasks.scratch.raw_table import RawTable
from edms_tasks.scratch.workspace import Workspace
from edms_tasks.settings import Settings
from flows.requests import SchemaSource
from flows.restoring.target import Target
from flows.running.flow_decorators import task
from flows.running.run import Numbered, Run, numbered
from flows.tasks.restore_tasks import Load

if TYPE_CHECKING:
    from flows.restoring.open_restore import Opened


@dataclass(frozen=True)
class ConvertedSnapshot:
    """A snapshot that is converted to the other engine.

    Args:
        manifest: the snapshot that the restored rows must equal, in its own engine's form.
        staged_manifest: the same in the other engine's form.
        repository: where the chunks of `manifest` are.
        made: the schema that the EDMS's migrations created.
        planned: (app, name) of the code's migrations that the snapshot lacks.
        notes: sentences for the administrator.
        omissions: what is not converted, because it can be made again.
    """

    manifest: Manifest
    staged_manifest: Manifest
    repository: Repository
    made: CapturedSchema
    planned: Sequence[tuple[str, str]]
    notes: tuple[str, ...]
    omissions: Omissions
    _pairs: Mapping[str, TablePair]
    _workspace: Workspace
    like: Mapping[str, RawTable] = field(default_factory=dict)
    losses: Losses | None = None

    @property
    def whole(self) -> Manifest:
        """The whole snapshot: a conversion loses nothing."""
        return self.manifest

    @property
    def left_out(self) -> tuple[LeftOutTable, ...]:
        """The tables and search indexes that are not converted."""
        return self.omissions.listed

    @property
    def load(self) -> Load:
        """Fetch, verify, convert and load."""
        return self._load

    def schema(self, folder: Path) -> CapturedSchema:
        """The schema that the EDMS's migrations created."""
        return self.made

    def examine(
        self, run: Run, tables: Sequence[Table], raws: Mapping[str, RawTable], scratch: Path
    ) -> MaskingFacts | None:
        """None: a conversion masks nothing."""
        return None

    def keep_lists(self, folder: Path) -> None:
        """Nothing to write: a conversion has no lists of losses."""

    def bring_back(
        self, run: Run, tables: Sequence[Table], raws: Mapping[str, RawTable], folder: Path
    ) -> tuple[Sequence[Table], Mapping[str, RawTable]]:
        """Convert tables and rows as read from the other engine into the snapshot's form; tables that it does not have stay."""
        known = [ConvertedRows(self._pairs[table.id], raws[table.id]) for table in tables if table.id in self._pairs]
        others = [table for table in tables if table.id not in self._pairs and table.id not in self.omissions.made]
        strangers = [table for table in others if raws[table.id].rows]
        back = run.map(convert_table_back, numbered(known), self.repository, self._workspace, folder)
        found = (*(read.pair.table for read in known), *strangers)
        return found, {raw.table_id: raw for raw in back} | {table.id: raws[table.id] for table in strangers}

    def migrate(
        self, run: Run, opened: Opened, staging: StagingDatabase, scratch: Path, notes: list[str]
    ) -> CodeMigration | None:
        """Run the EDMS's newer migrations, if there are any, and its `check` on the validated database.

        Raises:
            CheckFailed: a migration or the check failed.
        """
        alias = ["--database", run.settings.edms.database]
        if self.planned:
            run.call(run_edms_commands, run.settings, [["migrate", "--no-input", *alias]], staging.address)
            notes.append(f"After validation the EDMS's {len(self.planned)} newer migrations were run.")
        if run.settings.validate_.django_check:
            run.call(run_edms_commands, run.settings, [["check", *alias]], staging.address)
            notes.append("The EDMS's own `check` passed on the restored database.")
        return None

    def _load(self, staging: StagingDatabase, repository: Repository, entry: TableEntry, folder: Path) -> int:
        pair = self._pairs[entry.table.id]
        converted = []
        with self._workspace.cursor() as cursor:
            for chunk in fetch_chunks(repository, pair.entry, folder):
                converted.append(chunk.with_suffix(".converted"))
                write_converted(cursor, pair, chunk, converted[-1])
                chunk.unlink()
        loaded = staging.load(converted_entry(pair), converted)
        for path in converted:
            path.unlink()
        require_rows(staging, entry, loaded)
        return loaded


@dataclass(frozen=True)
class ConvertedRows:
    """A table's rows as read from the other engine."""

    pair: TablePair
    raw: RawTable


@dataclass(frozen=True)
class Assessed:
    """Whether a table's rows are compatible with the other engine, which columns are, and what the restored rows must equal."""

    pair: TablePair
    compatibility: Compatibility
    expected: TableEntry


def convert_engine(
    run: Run,
    repository: Repository,
    manifest: Manifest,
    target: Target,
    planned: Sequence[tuple[str, str]],
    made_by: SchemaSource,
    scratch: Path,
    cleanup: ExitStack,
) -> ConvertedSnapshot:
    """Create the schema in a temporary database, and check every row against it.

    Args:
        target: a database of the other engine.
        planned: (app, name) of the code's migrations that the snapshot lacks.
        made_by: the part of the EDMS that creates the tables.
        scratch: folder for temporary files; created.
        cleanup: closes, after the validation, what the conversion needs until then.

    Raises:
        IncompatibleRows: rows, tables or columns are incompatible; the error names all.
        CheckFailed: the EDMS's migrations do not run on this engine.
    """
    assert target.report is not None  # `find_target` requires both for the other engine
    assert target.into is not None
    database = target.database
    (scratch / "workspace").mkdir(parents=True)
    workspace = cleanup.enter_context(run.workspace(scratch / "workspace"))
    cleanup.enter_context(json_functions(workspace.engine))
    commands = commands_to(manifest, target.report, planned, run.settings.edms.database, made_by)
    (scratch / "view").mkdir()
    with database.blank(target.into, scratch) as blank:
        run.call(run_edms_commands, run.settings, commands, blank, made_by, not planned)
        with open_database(blank).view(scratch / "view", 1) as view:
            made, counters = view.tables(), view.counters()
            schema = view.capture_schema(scratch / "schema")
    of_snapshot = fetch_schema(repository, manifest.native_schema, scratch / "schema-of-snapshot")
    tables = [entry.table for entry in manifest.tables]
    omitted = omissions(
        manifest.tables,
        made,
        search_indexes(of_snapshot, tables),
        search_indexes(schema, made),
        run.settings.derived.tables,
        run.settings.derived.rebuild,
    )
    pairing = pair_tables(
        [entry for entry in manifest.tables if entry.table.id not in omitted.tables],
        [table for table in made if table.id not in omitted.tables | omitted.made],
        derived_columns(run.settings.derived.columns, tables, made),
    )
    own = repository.with_overlay(scratch / "repository")
    redaction = Redaction.of_entries(run.settings.validate_.sensitive, manifest.tables)
    assessed = run.map(assess_rows, numbered(pairing.pairs), redaction, own, workspace, scratch / "chunks")
    pairing = replace(pairing, pairs=tuple(one.pair for one in assessed))
    fits = {one.pair.entry.table.id: one.compatibility for one in assessed}
    require_compatible(database.address, pairing, list(fits.values()))
    omitted = omitted.with_columns(pairing.pairs, run.settings.derived.rebuild)
    expected = {one.pair.entry.table.id: one.expected for one in assessed}
    highest = {table_id: fit.highest for table_id, fit in fits.items() if fit.highest is not None}
    their_counters = [counter_of(table, manifest.sequences) for table in tables if table.id in omitted.tables]
    kept = [position for position in manifest.sequences if position not in their_counters]
    positions, left = converted_positions([pair.entry.table for pair in pairing.pairs], counters, kept, highest)
    pairs = {pair.entry.table.id: pair for pair in pairing.pairs}
    return ConvertedSnapshot(
        manifest=_expected_manifest(manifest, expected, omitted),
        staged_manifest=_converted_manifest(manifest, database.address.engine, pairs, expected, positions),
        repository=own,
        made=schema,
        planned=planned,
        notes=(*_notes(manifest, database.address.engine, made_by, pairing, fits, left), *map(str, omitted.listed)),
        omissions=omitted,
        _pairs=pairs,
        _workspace=workspace,
    )


@task(
    name="assess table",
    tags=["convert"],
    task_run_name="assess {pair.item.entry.table.label}",
    weight=lambda pair: pair.item.entry.state.rows * len(pair.item.entry.table.columns),
)
def assess_rows(
    pair: Numbered[TablePair], redaction: Redaction, repository: Repository, workspace: Workspace, scratch: Path
) -> Assessed:
    """Check every row of a table against the other engine, before anything is loaded."""
    folder, entry = scratch / pair.folder, pair.item.entry
    files = fetch_chunks(repository, entry, folder)
    with workspace.cursor() as cursor:
        files = split_documents(cursor, pair.item, files)
        one = pair.item
        found = assess_table(cursor, one, files, redaction)
        unfit = {column.column for column in found.incompatible}
        if unfit and unfit <= one.derived:
            one = one.without(unfit)
            found = assess_table(cursor, one, files, redaction)
    expected = entry
    if not found.incompatible:
        respelled = found.respelled or ()
        expected = expected_entry(workspace, repository, one, files, respelled, folder / "respelled")
    for path in files:
        path.unlink()
    return Assessed(one, found, expected)


@task(
    name="bring back table",
    tags=["validate"],
    task_run_name="bring back {read.item.pair.entry.table.label}",
    weight=lambda read: read.item.raw.rows,
)
def convert_table_back(
    read: Numbered[ConvertedRows], repository: Repository, workspace: Workspace, scratch: Path
) -> RawTable:
    """Convert the rows of a table back to the snapshot's own form."""
    pair, raw, folder = read.item.pair, read.item.raw, scratch / read.folder
    like = fetch_chunks(repository, _first_chunk(pair.entry), folder / "like")
    if not like:  # the snapshot has no rows of this table: any row that was read is one too many
        return RawTable(pair.entry.table.id, raw.rows, pair.entry.encodings, ())
    with workspace.cursor() as cursor:
        return converted_back(cursor, pair, raw, like[0], folder / "back")


@task(name="run EDMS command", tags=["migrate"], task_run_name="let the EDMS {commands[0][0]}")
def run_edms_commands(
    settings: Settings,
    commands: Sequence[Sequence[str]],
    address: DatabaseAddress,
    made_by: SchemaSource = "migrations",
    as_snapshot: bool = False,
) -> None:
    """Run the EDMS's own commands on a database of the other engine; raises CheckFailed, which names the migration.

    `as_snapshot`: the code has the snapshot's migrations and no others, so that its models can make the tables.
    """
    done = run_on_another_engine(settings, commands, address, from_models=made_by == "models")
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip()
        driver = " Install psycopg where the EDMS runs." if "psycopg" in said else ""
        what = f"The EDMS's own `{commands[0][0]}` failed on {address.engine}."
        fix = f"Fix the EDMS until its migrations run on {address.engine}.{driver}"
        if migration := unfinished_migration(done.stdout):
            what = f"The EDMS's migration {migration} does not run on {address.engine}."
            fix = "Change the migration so that it runs on both engines."
            if as_snapshot:
                fix += (
                    " Or, if it is the only one that fails, create the tables from the models: --schema models (docs/migrate.md says "
                    "what it leaves out)."
                )
        raise CheckFailed(what, where=address.display, why=said[-1500:], fix=f"The live system is untouched. {fix}")


def _first_chunk(entry: TableEntry) -> TableEntry:
    if entry.blocks is None:
        return entry.model_copy(update={"chunks": entry.chunks[:1]})
    return entry.model_copy(
        update={"chunks": entry.chunks_by_block()[0] if entry.blocks else (), "blocks": entry.blocks[:1]}
    )


def _expected_manifest(manifest: Manifest, expected: Mapping[str, TableEntry], omitted: Omissions) -> Manifest:
    """The snapshot's manifest without what is left out, which is among its findings."""
    findings = (*manifest.findings, *(one.finding() for one in omitted.listed))
    return manifest.model_copy(update={"tables": tuple(expected.values()), "findings": findings})


def _converted_manifest(
    manifest: Manifest,
    engine: str,
    pairs: Mapping[str, TablePair],
    expected: Mapping[str, TableEntry],
    positions: Sequence[SequencePosition],
) -> Manifest:
    """The snapshot's manifest in the other engine's form, with the states that the restored rows must have."""
    entries = [
        converted_entry(pair).model_copy(update={"state": expected[table_id].state}) for table_id, pair in pairs.items()
    ]
    return manifest.model_copy(update={"engine": engine, "tables": tuple(entries), "sequences": tuple(positions)})


def _notes(
    manifest: Manifest,
    engine: str,
    made_by: SchemaSource,
    pairing: Pairing,
    fits: Mapping[str, Compatibility],
    left: Sequence[str],
) -> Iterator[str]:
    yield (
        f"From {manifest.engine} to {engine}: the EDMS's own {made_by} created the tables, indexes and constraints. What was read back "
        f"was converted to {manifest.engine}'s form and compared in it."
    )
    if made_by == "models":
        yield (
            "No migration was run: what only migrations make (triggers, views, functions, indexes and constraints of RunSQL and "
            "RunPython) is not in the new database. Compare it with the old one before you use it."
        )
    tables = {pair.entry.table.id: pair.table for pair in pairing.pairs}
    computed = [
        f"{table.label}.{column.name}" for table in tables.values() for column in table.columns if column.generated
    ]
    respelled = [
        f"{tables[table_id].label}.{column} ({count:,} rows)"
        for table_id, fit in fits.items()
        for column, count in sorted((fit.respelled or {}).items())
        if not tables[table_id].column(column).generated
    ]
    if respelled:
        yield (
            "These values are equal but written differently, so they were compared by meaning (JSON without the order of keys, white "
            f"space and spelling of numbers): {', '.join(respelled)}."
        )
    if computed:
        yield f"The database computes these columns itself; they were not compared: {', '.join(computed)}."
    numbered = [table.label for table in tables.values() if table.row_ids]
    if numbered:
        yield f"SQLite's hidden row ids do not exist there and were left out: {', '.join(numbered)}."
    if pairing.empty:
        yield f"Tables without rows that no migration creates were left out: {', '.join(pairing.empty)}."
    if pairing.added:
        yield f"The EDMS's migrations create tables that the snapshot does not have; they are empty: {', '.join(pairing.added)}."
    if left:
        yield f"Counters without a table there were left out: {', '.join(left)}."
