"""Serialize: add natural keys and digests to extracted rows, and write them as chunks of a snapshot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edms_tasks.incremental.previous_rows import Previous
from edms_tasks.inventory.model import Table
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
) -> SerializedTable:
    """Write the rows of a table that the previous snapshot does not hold already."""
    table, raw = extracted.table, extracted.raw
    stored = None
    if previous is not None and raw.rows:
        key = keys.keys[table.id].natural_key
        stored = previous.find(repository, table, key, raw.encodings, folder / "stored" / extracted.folder)
    return serialize_table(table, raw, keys, folder / "serialized" / extracted.folder, chunk_rows, stored)


def serialize_tables(
    run: Run,
    repository: Repository,
    tables: Sequence[Table],
    raws: Mapping[str, RawTable],
    keys: CheckedKeys,
    previous: Previous | None,
    folder: Path,
) -> list[SerializedTable]:
    """Serialize tables, each on one thread: several threads for each would double the memory, no more."""
    extracted = [Extracted(table, raws[table.id], place) for place, table in numbered(tables)]
    return run.map(serialize_rows, extracted, keys, previous, repository, folder, run.settings.chunk_rows)
