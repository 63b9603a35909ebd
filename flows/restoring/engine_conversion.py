"""A restore into a database of the other engine: what it does in place of, or beside, what every restore does.

The EDMS's own migrations make the schema, in a database that is thrown away; every row is judged before anything is loaded;
what was loaded is read back, brought into the snapshot's own form, and held against the snapshot like any other restore.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from edms_tasks.conversion.compatibility import Compatibility, assess_table
from edms_tasks.conversion.converted_rows import brought_back, expected_entry, moved_entry, write_moved
from edms_tasks.conversion.counters import positions_there
from edms_tasks.conversion.migrations import commands_to
from edms_tasks.conversion.refusal import require_compatible
from edms_tasks.conversion.table_pairs import Pairing, TablePair, pair_tables
from edms_tasks.databases import DatabaseAddress, open_database
from edms_tasks.databases.protocol import CapturedSchema, StagingDatabase
from edms_tasks.errors import CheckFailed
from edms_tasks.extract import RawTable
from edms_tasks.inventory.inspect import run_on_another_engine
from edms_tasks.inventory.model import Table
from edms_tasks.manifest import Manifest, TableEntry
from edms_tasks.manifest import Sequence as SequencePosition
from edms_tasks.package import fetch_chunks
from edms_tasks.repository import Repository
from edms_tasks.restore import require_rows
from edms_tasks.scratch.workspace import Workspace, open_workspace
from edms_tasks.settings import Settings
from flows.restoring.target import Target
from flows.running.runner import Steps


@dataclass(frozen=True)
class EngineConversion:
    """How a snapshot goes into a database of the other engine.

    Args:
        expected: the snapshot as it must come back, in its own engine's form.
        manifest: the same, as it stands in the other engine.
        repository: where the chunks of `expected` are.
        schema: what the EDMS's migrations made there.
        notes: what an administrator should know.
    """

    expected: Manifest
    manifest: Manifest
    repository: Repository
    schema: CapturedSchema
    notes: tuple[str, ...]
    _pairs: Mapping[str, TablePair]
    _workspace: Workspace

    def load_table(self, staging: StagingDatabase, repository: Repository, entry: TableEntry, folder: Path) -> int:
        """Fetch, verify, convert and load one table of the snapshot; returns its rows. Raises CheckFailed."""
        pair = self._pairs[entry.table.id]
        moved = []
        with self._workspace.cursor() as cursor:
            for chunk in fetch_chunks(repository, pair.entry, folder):
                moved.append(chunk.with_suffix(".moved"))
                write_moved(cursor, pair, chunk, moved[-1])
                chunk.unlink()
        loaded = staging.load(moved_entry(pair), moved)
        for path in moved:
            path.unlink()
        require_rows(staging, entry, loaded)
        return loaded

    def bring_back(
        self, steps: Steps, restored: Sequence[Table], raws: Mapping[str, RawTable], folder: Path, *, jobs: int
    ) -> tuple[tuple[Table, ...], dict[str, RawTable]]:
        """Tables and rows as they were read there, in the snapshot's own form; tables the snapshot does not know stay."""
        known = [table for table in restored if table.id in self._pairs]
        strangers = [table for table in restored if table.id not in self._pairs and raws[table.id].rows]

        def one(numbered: tuple[int, Table]) -> RawTable:
            number, table = numbered
            pair = self._pairs[table.id]
            like = fetch_chunks(self.repository, _first_chunk(pair.entry), folder / f"{number:04d}" / "like")
            if not like:  # the snapshot has no rows of it, so that any that came back are one too many
                return RawTable(table.id, raws[table.id].rows, pair.entry.encodings, ())
            with self._workspace.cursor() as cursor:
                return brought_back(cursor, pair, raws[table.id], like[0], folder / f"{number:04d}" / "back")

        back = steps.map(
            lambda numbered: f"bring back {numbered[1].label}",
            one,
            list(enumerate(known)),
            jobs=jobs,
            weight=lambda numbered: raws[numbered[1].id].rows,
        )
        tables = (*(self._pairs[table.id].entry.table for table in known), *strangers)
        return tables, {raw.table_id: raw for raw in back} | {table.id: raws[table.id] for table in strangers}

    def migrate_to_code(
        self, settings: Settings, steps: Steps, staging: StagingDatabase, planned: Sequence[tuple[str, str]]
    ) -> tuple[str, ...]:
        """Run the EDMS's newer migrations on the proved database, if there are any, and its own check; returns notes.

        Raises:
            CheckFailed: one of them failed.
        """
        alias, notes = ["--database", settings.edms.database], []
        if planned:
            arguments = ["migrate", "--no-input", *alias]
            steps.run("run the EDMS's migrations", lambda: _run(settings, [arguments], staging.address))
            notes.append(f"After the proof the EDMS's {len(planned)} newer migrations were run.")
        if settings.validate_.django_check:
            steps.run("run the EDMS's own check", lambda: _run(settings, [["check", *alias]], staging.address))
            notes.append("The EDMS's own `check` passed on the restored database.")
        return tuple(notes)


def convert_engine(
    settings: Settings,
    steps: Steps,
    repository: Repository,
    manifest: Manifest,
    target: Target,
    planned: Sequence[tuple[str, str]],
    scratch: Path,
    cleanup: ExitStack,
) -> EngineConversion:
    """Make the schema, and hold every row against it.

    Args:
        target: a database of the other engine.
        planned: the code's migrations that the snapshot was not made under.
        scratch: folder for temporary files; created.
        cleanup: ends what the crossing needs until the proof is done.

    Raises:
        DoesNotFit: rows, tables or columns have no place there; all are named.
        CheckFailed: the EDMS's migrations do not run there.
    """
    assert target.report is not None  # find_target asked for it …
    assert target.into is not None  # … and for this
    database = target.database
    (scratch / "workspace").mkdir(parents=True)
    workspace = cleanup.enter_context(
        open_workspace(scratch / "workspace", memory_limit_mb=settings.memory_limit_mb, threads=settings.jobs)
    )
    commands = commands_to(manifest, target.report, planned, settings.edms.database)
    (scratch / "view").mkdir()
    with database.blank(target.into, scratch) as blank:
        steps.run("run the EDMS's migrations", lambda: _run(settings, commands, blank))
        with open_database(blank).view(scratch / "view", 1) as view:
            made, counters = view.tables(), view.counters()
            schema = view.capture_schema(scratch / "schema")
    pairing = pair_tables(manifest.tables, made)
    own = repository.with_overlay(scratch / "repository")
    assessed = steps.map(
        lambda numbered: f"judge {numbered[1].entry.table.label}",
        lambda numbered: _assess(settings, own, numbered[1], workspace, scratch / "chunks" / f"{numbered[0]:04d}"),
        list(enumerate(pairing.pairs)),
        jobs=settings.jobs,
        weight=lambda numbered: numbered[1].entry.state.rows * len(numbered[1].entry.table.columns),
    )
    fits = {pair.entry.table.id: fit for pair, (fit, _) in zip(pairing.pairs, assessed, strict=True)}
    require_compatible(database.address, pairing, list(fits.values()))
    expected = {pair.entry.table.id: entry for pair, (_, entry) in zip(pairing.pairs, assessed, strict=True)}
    highest = {table_id: fit.highest for table_id, fit in fits.items() if fit.highest is not None}
    positions, left = positions_there(
        [pair.entry.table for pair in pairing.pairs], counters, manifest.sequences, highest
    )
    pairs = {pair.entry.table.id: pair for pair in pairing.pairs}
    return EngineConversion(
        expected=manifest.model_copy(update={"tables": tuple(expected.values())}),
        manifest=_moved(manifest, database.address.engine, pairs, expected, positions),
        repository=own,
        schema=schema,
        notes=tuple(_notes(manifest, database.address.engine, pairing, fits, left)),
        _pairs=pairs,
        _workspace=workspace,
    )


def _assess(
    settings: Settings, repository: Repository, pair: TablePair, workspace: Workspace, folder: Path
) -> tuple[Compatibility, TableEntry]:
    files = fetch_chunks(repository, pair.entry, folder)
    with workspace.cursor() as cursor:
        fit = assess_table(cursor, pair, files, settings.validate_.sensitive)
    expected = pair.entry
    if not fit.incompatible:
        expected = expected_entry(workspace, repository, pair, files, fit.respelled or (), folder / "respelled")
    for path in files:
        path.unlink()
    return fit, expected


def _run(settings: Settings, commands: Sequence[Sequence[str]], address: DatabaseAddress) -> None:
    done = run_on_another_engine(settings, commands, address)
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip()
        driver = " Install psycopg where the EDMS runs." if "psycopg" in said else ""
        raise CheckFailed(
            f"The EDMS's own `{commands[0][0]}` failed on {address.engine}.",
            where=address.display,
            why=said[-1500:],
            fix=f"The live system is untouched. Mend the EDMS until its migrations run on {address.engine}.{driver}",
        )


def _first_chunk(entry: TableEntry) -> TableEntry:
    return entry.model_copy(update={"chunks": entry.chunks[:1]})


def _moved(
    manifest: Manifest,
    engine: str,
    pairs: Mapping[str, TablePair],
    expected: Mapping[str, TableEntry],
    positions: Sequence[SequencePosition],
) -> Manifest:
    """The snapshot as it stands in the other engine, with the states that must come back."""
    entries = [
        moved_entry(pair).model_copy(update={"state": expected[table_id].state}) for table_id, pair in pairs.items()
    ]
    return manifest.model_copy(update={"engine": engine, "tables": tuple(entries), "sequences": tuple(positions)})


def _notes(
    manifest: Manifest, engine: str, pairing: Pairing, fits: Mapping[str, Compatibility], left: Sequence[str]
) -> Iterator[str]:
    yield (
        f"From {manifest.engine} to {engine}: the EDMS's own migrations made the tables, indexes and constraints; what was read back "
        f"was brought into {manifest.engine}'s form and compared in that."
    )
    tables = {pair.entry.table.id: pair.entry.table for pair in pairing.pairs}
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
            "These values say the same and are written in another way, so they were compared by what they say "
            f"(JSON without the order of keys, white space and spelling of numbers): {', '.join(respelled)}."
        )
    if computed:
        yield f"The database computes these columns itself, anew and in its own way; they were not compared: {', '.join(computed)}."
    numbered = [table.label for table in tables.values() if table.row_ids]
    if numbered:
        yield f"SQLite's hidden row ids have no place there and were left behind: {', '.join(numbered)}."
    if pairing.empty:
        yield f"Tables without rows that no migration makes were left out: {', '.join(pairing.empty)}."
    if pairing.added:
        yield f"The EDMS's migrations make tables that the snapshot does not have; they are empty: {', '.join(pairing.added)}."
    if left:
        yield f"Counters that number no rows there were left out: {', '.join(left)}."
