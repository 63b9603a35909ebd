"""Compare two open sources: read the tables that must be read, compare tables, then folders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from edms_tasks.comparing.common_origin import Origin, common_origin, migrations_table
from edms_tasks.comparing.comparison_result import Difference, LoneTable, RootDifference, TableDifference
from edms_tasks.comparing.shared_schema import SharedSchema, shared_schema
from edms_tasks.comparing.table_comparison import list_name, same_table
from edms_tasks.comparing.tables_to_read import alike, needed, unchanged
from edms_tasks.errors import CommandError
from edms_tasks.identifying.common_form import in_one_form
from edms_tasks.inventory.model import Table
from edms_tasks.manifest import FileIndex
from edms_tasks.redaction import Redaction
from edms_tasks.repository import Repository
from edms_tasks.scratch.raw_table import RawTable
from edms_tasks.scratch.workspace import Workspace
from flows.diffing.diff_sources import DiffSource
from flows.running.run import Run
from flows.tasks.compare_tasks import (
    BothSides,
    HowToCompare,
    RowsToProve,
    compare_folder,
    compare_rows,
    identify_rows,
    prove_rows,
)

_FIRST, _SECOND = "first", "second"


@dataclass(frozen=True)
class CompareOptions:
    """What to compare, and how much of it to return."""

    models: Sequence[str] = ()  # compare only rows of these models or tables; empty: everything, including files
    limit: int = 5  # highest number of rows and paths of each kind in the result, for each model and folder
    out: Path | None = None  # an empty folder for lists of all that differs


def compare_sources(
    run: Run,
    repository: Repository,
    workspace: Workspace,
    scratch: Path,
    before: DiffSource,
    after: DiffSource,
    reading: ExitStack,
    asked: CompareOptions,
) -> Difference:
    """The differences of two sources; `before` is a snapshot, and `reading` is closed as soon as all rows are read.

    Raises:
        CommandError: the engines of the two differ, or there is no such model.
        DamagedRepository: an object is missing or altered.
    """
    _require_one_engine(before, after)
    schema = shared_schema(before.state, after.state)
    chosen = _chosen(asked.models, before, after, schema)
    same = unchanged(schema, before.state, after.state)
    tables = needed(schema, chosen - same)
    with run.stage("read"):
        migrations = migrations_table(schema.tables)
        read = {**{table.id: table for table in (migrations,) if table and table.id not in same}, **tables}
        there = after.rows(list(read.values()), scratch / _SECOND)
        alone = [_alone(asked.models, *pair) for pair in ((before, after), (after, before))]
        reading.close()
        held = _held(run, schema, before, there, workspace) if not after.state.entries else frozenset[str]()
        origin = _origin(workspace, migrations, before, there, held, scratch)
        proved = alike(schema, held)
        tables = needed(schema, chosen - same - proved)
        # Rows that are the snapshot's are not fetched from it once more.
        fetched = before.rows([table for table in tables.values() if table.id not in held], scratch / _FIRST)
        raws = {
            _FIRST: {table_id: fetched.get(table_id, there[table_id]) for table_id in tables},
            _SECOND: {table_id: there[table_id] for table_id in tables},
        }
    with run.stage("compare"):
        redaction = _redaction(run, schema, before, after)
        found = _compare(
            run, workspace, scratch, schema, tables, chosen - same - proved, raws, redaction, asked, origin
        )
    found += [
        same_table(before.state.entries[table_id], schema.keys[table_id], read=table_id in proved)
        for table_id in chosen & (same | proved)
    ]
    files: tuple[RootDifference, ...] = ()
    notes: tuple[str, ...] = ()
    if not asked.models:
        with run.stage("files"):
            files, notes = _files(run, repository, before, after, asked, scratch)
    labels = {schema.tables[table_id].label for table_id in chosen}
    return Difference(
        first=before.state.title,
        second=after.state.title,
        tables=tuple(sorted(found, key=lambda one: (-one.differences, one.model))),
        only_first=alone[0],
        only_second=alone[1],
        columns=tuple(one for one in schema.columns if one.model in labels),
        files=files,
        notes=(
            *before.notes,
            *after.notes,
            *_notes(schema, asked.models),
            *_on_ids(origin, schema, found),
            *notes,
        ),
    )


def _held(
    run: Run, schema: SharedSchema, before: DiffSource, there: Mapping[str, RawTable], workspace: Workspace
) -> frozenset[str]:
    """The ids of the tables whose rows in a database (`there`) are proved to be those of the snapshot.

    Not those in which the database itself says what references lead to: the proof does not cover that. Nor those of format 1,
    whose digests do not tell a number from the text of its digits.
    """
    rows = [
        RowsToProve(entry, raw)
        for table_id, raw in there.items()
        if (entry := before.state.entries[table_id]).blocks is not None and not schema.tables[table_id].found_columns
    ]
    proved = run.map(prove_rows, rows, workspace)
    return frozenset(one.entry.table.id for one, is_proved in zip(rows, proved, strict=True) if is_proved)


def _redaction(run: Run, schema: SharedSchema, before: DiffSource, after: DiffSource) -> Redaction:
    """What may be shown. A table may have different labels in the live EDMS and in the snapshot; columns of both are hidden."""
    labels = {
        table_id: {source.called(table_id) for source in (before, after) if table_id in source.state.tables}
        for table_id in schema.tables
    }
    return Redaction(run.settings.validate_.sensitive, schema.tables, schema.keys, labels)


def _compare(
    run: Run,
    workspace: Workspace,
    scratch: Path,
    schema: SharedSchema,
    tables: Mapping[str, Table],
    looked_at: frozenset[str],
    raws: dict[str, dict[str, RawTable]],
    redaction: Redaction,
    asked: CompareOptions,
    origin: Origin,
) -> list[TableDifference]:
    """Compare the tables that are not known to be equal; `tables` are these and all they refer to."""
    if not looked_at:
        return []
    _bring_into_one_form(workspace, tables, raws, scratch / "forms")
    keys = {table_id: schema.keys[table_id] for table_id in tables}
    sides = run.call(identify_rows, list(tables.values()), keys, raws, workspace)
    both = [
        BothSides(table, number, raws[_FIRST][table.id], raws[_SECOND][table.id])
        for number, table in enumerate(table for table in tables.values() if table.id in looked_at)
    ]
    how = HowToCompare(sides[_FIRST], sides[_SECOND], redaction, asked.limit, asked.out, origin != "separate")
    return run.map(compare_rows, both, how, scratch / "compared")


def _origin(
    workspace: Workspace,
    migrations: Table | None,
    before: DiffSource,
    there: Mapping[str, RawTable],
    held: frozenset[str],
    scratch: Path,
) -> Origin:
    """Whether both are of one database; where it cannot be told, they are taken to be, and `_on_ids` says so."""
    if migrations is None:
        return "unknown"
    second = there.get(migrations.id)
    if second is None:  # not read, since it is the same
        return "one database"
    first = second if migrations.id in held else before.rows([migrations], scratch / "origin")[migrations.id]
    with workspace.cursor() as cursor:
        return common_origin(cursor, migrations, first, second)


def _on_ids(origin: Origin, schema: SharedSchema, found: Sequence[TableDifference]) -> list[str]:
    """What ids were taken to mean in tables without a natural key, if they are not known to be those of one database."""
    labels = sorted(one.model for one in found if schema.keys[one.table_id] is None and one.differences)
    if not labels or origin == "one database":
        return []
    if origin == "unknown":
        return [
            "Whether the two are of one database cannot be told, because they have no record of a common migration. Rows without a natural "
            f"key were matched by their ids as if they were, in {', '.join(labels)}."
        ]
    return [
        "The two were set up separately (none of their migrations was applied at the same time), so the same id is another row. Rows "
        "without a natural key were matched by their content alone, and those that differ cannot be paired: they count as removed and "
        f"added, in {', '.join(labels)}."
    ]


def _bring_into_one_form(
    workspace: Workspace, tables: Mapping[str, Table], raws: dict[str, dict[str, RawTable]], folder: Path
) -> None:
    with workspace.cursor() as cursor:
        for number, table in enumerate(tables.values()):
            held = {name: rows[table.id] for name, rows in raws.items()}
            for name, raw in in_one_form(cursor, table, held, folder / f"{number:04d}").items():
                raws[name][table.id] = raw


def _files(
    run: Run, repository: Repository, before: DiffSource, after: DiffSource, asked: CompareOptions, scratch: Path
) -> tuple[tuple[RootDifference, ...], tuple[str, ...]]:
    roots: list[RootDifference] = []
    notes: list[str] = []
    for number, name in enumerate(sorted({*before.roots, *after.roots} - before.not_compared - after.not_compared)):
        index = before.roots.get(name)
        assert index is None or isinstance(index, FileIndex)  # the first source is always a snapshot
        lists = asked.out / list_name(number, f"files-of-{name}") if asked.out is not None else None
        root, said = run.call(
            compare_folder,
            run,
            name,
            index,
            after.roots.get(name),
            repository,
            limit=asked.limit,
            out=lists,
            scratch=scratch,
        )
        roots.append(root)
        notes += said
    return tuple(roots), tuple(notes)


def _require_one_engine(first: DiffSource, second: DiffSource) -> None:
    engines = first.state.engine, second.state.engine
    if engines[0] != engines[1]:
        raise CommandError(
            f"Cannot compare {engines[0]} with {engines[1]}: the two engines store values in different ways.",
            where=f"{first.state.title}; {second.state.title}",
            fix="Compare two of the same engine: back up the system that was moved, and compare with that.",
        )


def _chosen(models: Sequence[str], first: DiffSource, second: DiffSource, schema: SharedSchema) -> frozenset[str]:
    """The requested tables that both have; raises CommandError for a name that neither has."""
    if not models:
        return frozenset(schema.tables)
    for name in models:
        known = (table for source in (first, second) for table in source.state.tables.values())
        if not any(_is_called(table, name) for table in known):
            raise CommandError(
                f"Neither of the two has a model {name!r}.",
                where="--model",
                fix="`edms-backup show` lists the models.",
            )
    unseen = {*schema.left_out, *schema.rebuilt}
    chosen = frozenset(
        table_id for table_id, table in schema.tables.items() if any(_is_called(table, name) for name in models)
    )
    for name in models:
        if name.lower() in map(str.lower, unseen):
            raise CommandError(
                f"{name} cannot be compared: the settings excluded its rows from a snapshot, or it is a search index.",
                where="--model",
                fix="Omit it, or compare snapshots that have its rows.",
            )
    return chosen


def _is_called(table: Table, name: str) -> bool:
    return name.lower() in (table.label.lower(), table.id.lower())


def _alone(models: Sequence[str], source: DiffSource, other: DiffSource) -> tuple[LoneTable, ...]:
    """The tables that the other source does not have."""
    state = source.state
    return tuple(
        LoneTable(table_id=table_id, model=table.label, rows=source.count(table_id))
        for table_id, table in sorted(state.tables.items())
        if table_id not in other.state.tables
        and table_id not in state.rebuilt | state.left_out
        and (not models or any(_is_called(table, name) for name in models))
    )


def _notes(schema: SharedSchema, models: Sequence[str]) -> list[str]:
    notes = [f"{label} was not compared: the settings left its rows out of a snapshot." for label in schema.left_out]
    if schema.rebuilt:
        notes.append(
            f"Tables of search indexes were not compared, they are made from others: {', '.join(schema.rebuilt)}."
        )
    if models:
        notes.append("Only the models asked for were compared, and no files.")
    return notes
