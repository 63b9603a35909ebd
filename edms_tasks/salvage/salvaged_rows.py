"""The salvaged rows as raw rows, measured like rows that are read from a database.

Beside its own columns each row keeps its natural key and those of the rows it referred to when the snapshot was made. So
a reference to a lost row can still be named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from edms_tasks.chunks.stored_chunks import fetch_chunks
from edms_tasks.digests.chunk_columns import KEY, reference_column
from edms_tasks.digests.table_state import chunks, parquet
from edms_tasks.errors import CheckFailed
from edms_tasks.inventory.model import ROW_ID, Column, Table
from edms_tasks.keys.checked_keys import CheckedKeys
from edms_tasks.keys.table_counts import measure_table
from edms_tasks.manifest import FileIndex, FileNameState, Manifest, TableEntry
from edms_tasks.proof.table_proof import measure
from edms_tasks.quoting import identifier, literal
from edms_tasks.repository import Repository
from edms_tasks.salvage.salvaged_blocks import SalvagedTable
from edms_tasks.scratch.raw_table import RawTable
from edms_tasks.scratch.workspace import Workspace, column_types

THEN_KEY = "@then:key"


def key_at_backup_column(reference: str) -> str:
    """The column with the natural key of the row that a reference named when the snapshot was made."""
    return f"@then:ref:{reference}"


def with_keys_at_backup(table: Table) -> Table:
    """The table with the columns that `salvaged_rows` adds to it."""
    names = [THEN_KEY, *(key_at_backup_column(reference.name) for reference in table.references)]
    added = (Column(name=name, native_type="", logical_type="text", nullable=True) for name in names)
    return table.model_copy(update={"columns": (*table.columns, *added)})


def salvaged_rows(repository: Repository, entry: TableEntry, workspace: Workspace, folder: Path) -> RawTable:
    """The rows of an entry's chunks, with the columns of `with_keys_at_backup`; `folder` is created."""
    if not entry.chunks:
        return RawTable(entry.table.id, 0, entry.encodings, ())
    fetched = fetch_chunks(repository, entry, folder)
    path = folder / "rows.parquet"
    columns = [identifier(column.name) for column in entry.table.columns]
    columns += [identifier(ROW_ID)] if entry.table.row_ids else []
    columns.append(f"{identifier(KEY)} AS {identifier(THEN_KEY)}")
    columns += [
        f"{identifier(reference_column(reference.name))} AS {identifier(key_at_backup_column(reference.name))}"
        for reference in entry.table.references
    ]
    with workspace.cursor() as cursor:
        there = column_types(cursor, parquet(fetched))
        columns += [identifier(name) for name in entry.table.found_columns if name in there]
        source = chunks(cursor, entry.table, entry.natural_key, fetched)
        cursor.execute(
            f"COPY (SELECT {', '.join(columns)} FROM {source}) TO {literal(str(path))} (FORMAT parquet, COMPRESSION lz4)"
        )
        ((rows,),) = cursor.execute(f"SELECT count(*) FROM read_parquet({literal(str(path))})").fetchall()
    for chunk in fetched:
        chunk.unlink()
    return RawTable(entry.table.id, int(rows), entry.encodings, (path,))


def state_of_salvaged(salvaged: SalvagedTable, raw: RawTable, keys: CheckedKeys) -> TableEntry:
    """The manifest entry of what is left of a table: the intact chunks and the state of their rows.

    Raises:
        CheckFailed: the rows do not match those of the intact chunks.
    """
    entry = salvaged.entry
    state = measure_table(entry.table, raw, keys, digests=entry.blocks is None)
    if entry.blocks is not None:
        state = state.model_copy(update={"proof": measure(entry, raw, keys.workspace).proof})
    if (state.rows, state.fingerprint) != (salvaged.rows, salvaged.fingerprint):
        raise CheckFailed(
            f"The salvaged rows of {entry.table.label} changed while they were read.",
            where=entry.table.id,
            why=f"{salvaged.rows} rows with the proof {salvaged.fingerprint} became {state.rows} with {state.fingerprint}.",
            fix="Nothing was restored. Check the disks of the repository and of `workdir`, and run it again.",
        )
    return entry.model_copy(update={"state": state})


def salvaged_manifest(
    manifest: Manifest,
    entries: Sequence[TableEntry],
    indexes: Mapping[str, FileIndex],
    file_names: Sequence[FileNameState],
) -> Manifest:
    """A manifest of what is left of a snapshot, with the digests that a restore of it must reach."""
    return manifest.model_copy(
        update={
            "tables": tuple(entries),
            "files": tuple(indexes[index.root.name] for index in manifest.files),
            "file_names": tuple(file_names),
        }
    )
