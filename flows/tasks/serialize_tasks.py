"""Serialize: add natural keys and digests to extracted rows, and write them as chunks of a snapshot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edms_tasks.incremental.previous_rows import Previous
from edms_tasks.incremental.row_index import StoredRows
from edms_tasks.inventory.model import Finding, Table
from edms_tasks.keys.checked_keys import CheckedKeys
from edms_tasks.keys.checking import check_keys
from edms_tasks.repository import Repository
from edms_tasks.scratch.raw_table import RawTable
from edms_tasks.serialize import SerializedTable, serialize_table
from flows.running.flow_decorators import task
from flows.running.run import Run, numbered


@dataclass(frozen=True)
class Extracted:
    """A table and its rows, as they were extracted."""

    table: Table
    raw: RawTable
    folder: str  # the name of its folder, different from those of other tables


@dataclass(frozen=True)
class Serialized:
    """A table as it will be stored, and the findings if the previous snapshot could not be reused."""

    table: SerializedTable
    unusable: tuple[Finding, ...]


check_natural_keys = task(name="check natural keys", tags=["serialize"])(check_keys)


@task(
    name="serialize table",
    tags=["serialize"],
    task_run_name="serialize {extracted.table.label}",
    weight=lambda extracted: extracted.raw.bytes,
)
def serialize_rows(
    extracted: Extracted,
    keys: CheckedKeys,
    previous: Previous | None,
    repository: Repository,
    folder: Path,
    chunk_rows: int,
) -> Serialized:
    """Write the rows of a table that the previous snapshot does not hold already."""
    table, raw = extracted.table, extracted.raw
    stored: StoredRows | None = None
    unusable: Sequence[Finding] = ()
    if previous is not None and raw.rows:
        with keys.workspace.cursor() as cursor:
            stored, unusable = previous.find(
                repository,
                table,
                keys.keys[table.id].natural_key,
                raw.encodings,
                {column.name: keys.types[table.id][column.name] for column in table.columns},
                cursor=cursor,
                scratch=folder / "stored" / extracted.folder,
                chunk_rows=chunk_rows,
            )
    made = serialize_table(table, raw, keys, folder / "serialized" / extracted.folder, chunk_rows, stored)
    return Serialized(made, tuple(unusable))


def serialize_tables(
    run: Run,
    repository: Repository,
    tables: Sequence[Table],
    raws: Mapping[str, RawTable],
    keys: CheckedKeys,
    previous: Previous | None,
    folder: Path,
) -> list[Serialized]:
    """Serialize tables, each on one thread: several threads for each would double the memory, no more."""
    extracted = [Extracted(table, raws[table.id], place) for place, table in numbered(tables)]
    return run.map(serialize_rows, extracted, keys, previous, repository, folder, run.settings.chunk_rows)
