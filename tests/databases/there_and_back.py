"""Take any database through extract, serialize and load, without an EDMS around it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edms_tasks.databases import DatabaseAddress, open_database
from edms_tasks.databases.protocol import CapturedSchema, StagingDatabase, View
from edms_tasks.digests.chunk_columns import KEY
from edms_tasks.digests.table_state import chunks
from edms_tasks.extract import extract_table
from edms_tasks.inventory.model import Table
from edms_tasks.inventory.natural_keys import derive_candidates
from edms_tasks.keys.checked_keys import CheckedKeys
from edms_tasks.keys.checking import check_keys, key_of_candidates
from edms_tasks.keys.joined_rows import joined
from edms_tasks.keys.table_counts import measure_table
from edms_tasks.manifest import TableEntry, TableState
from edms_tasks.proof.table_proof import measure
from edms_tasks.quoting import identifier
from edms_tasks.scratch.raw_table import RawTable
from edms_tasks.scratch.workspace import open_workspace
from edms_tasks.serialize import SerializedTable, serialize_table

CHUNK_ROWS = 2  # forces every boundary


@dataclass(frozen=True)
class ThereAndBack:
    """A copy made by the product, and the states of both."""

    url: str
    before: dict[str, TableState]
    after: dict[str, TableState]
    encodings: dict[str, dict[str, str]]
    schema: CapturedSchema
    staging: StagingDatabase


def there_and_back(url: str, folder: Path) -> ThereAndBack:
    """Copy a database into the staging database beside it, by way of Parquet."""
    database = open_database(DatabaseAddress.from_url(url))
    scratch = folder / "scratch"
    scratch.mkdir(parents=True)
    with database.view(scratch, 2) as view:
        tables = _with_keys(view)
        raws = {t.id: extract_table(view, t, folder / "raw" / t.id, CHUNK_ROWS) for t in tables}
        schema, sequences = view.capture_schema(folder / "schema"), view.sequences()
    staging = database.stage(schema, None, 2)
    entries = []
    before: dict[str, TableState] = {}
    with open_workspace(folder / "workspace", memory_limit_mb=200, threads=1) as workspace:
        keys = check_keys(tables, raws, workspace)
        for table in tables:
            made = serialize_table(table, raws[table.id], keys, folder / "made" / table.id, CHUNK_ROWS)
            entry = made.entry(table, chunks=())
            assert _keys_differ(table, raws[table.id], keys, made) == []
            assert staging.load(entry, _new(made)) == entry.state.rows
            before[table.id] = _measured(entry, raws[table.id], keys)
            assert before[table.id].proof == made.state.proof
            entries.append(entry)
    staging.finish(entries, sequences)
    chosen = {entry.table.id: entry.natural_key for entry in entries}
    after: dict[str, TableState] = {}
    with open_database(staging.address).view(scratch, 2) as view:
        raws = {t.id: extract_table(view, t, folder / "back" / t.id, CHUNK_ROWS) for t in view.tables()}
    with open_workspace(folder / "workspace", memory_limit_mb=200, threads=1) as workspace:
        keys = key_of_candidates(tables, raws, workspace, chosen)
        after = {entry.table.id: _measured(entry, raws[entry.table.id], keys) for entry in entries}
    return ThereAndBack(
        url=staging.address.url(),
        before=before,
        after=after,
        encodings={entry.table.id: dict(entry.encodings) for entry in entries},
        schema=schema,
        staging=staging,
    )


def _measured(entry: TableEntry, raw: RawTable, keys: CheckedKeys) -> TableState:
    """Everything that can be measured of a table's rows: counts, digests, and the proof in the entry's blocks."""
    proof = measure(entry, raw, keys.workspace).proof
    return measure_table(entry.table, raw, keys, digests=True).model_copy(update={"proof": proof})


def _new(made: SerializedTable) -> list[Path]:
    return [block.new.path for block in made.blocks if block.new is not None]


def _keys_differ(table: Table, raw: RawTable, keys: CheckedKeys, made: SerializedTable) -> list[object]:
    """Keys of rows that those of the chunks are not, and the other way round."""
    if not made.blocks:
        return []
    key = identifier(KEY)
    with keys.workspace.cursor() as cursor:
        rows = f"SELECT {key} FROM ({joined(table, raw, keys)})"
        stored = f"SELECT {key} FROM {chunks(cursor, table, made.natural_key, _new(made))}"
        both = f"(({rows}) EXCEPT ALL ({stored})) UNION ALL (({stored}) EXCEPT ALL ({rows}))"
        return list(cursor.execute(both).fetchall())


def _with_keys(view: View) -> list[Table]:
    tables = {table.id: table for table in view.tables()}
    candidates, _ = derive_candidates(tables, {}, {})
    return [table.model_copy(update={"key_candidates": candidates[table.id]}) for table in tables.values()]
