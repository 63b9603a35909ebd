"""Serialize: add natural keys and digests to extracted rows, and write them as chunks of a snapshot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edms_tasks.incremental.compared_rows import ComparedRows, compare_rows
from edms_tasks.incremental.known_rows import (
    KnownRows,
    find_known_rows,
    findings_as_before,
    recorded_keys,
    still_hold,
)
from edms_tasks.incremental.previous_rows import Previous
from edms_tasks.inventory.model import Finding, Inventory, Table
from edms_tasks.keys.checked_keys import CheckedKeys
from edms_tasks.keys.checking import check_keys
from edms_tasks.manifest import Manifest
from edms_tasks.package import versions
from edms_tasks.repository import Repository
from edms_tasks.scratch.disk_space import has_space
from edms_tasks.scratch.own_folder import own_folder
from edms_tasks.scratch.raw_table import RawTable
from edms_tasks.scratch.workspace import Workspace
from edms_tasks.serialize import SerializedTable, serialize_table
from flows.running.flow_decorators import always, task
from flows.running.run import Run, numbered


@dataclass(frozen=True)
class Extracted:
    """A table and its rows, as they were extracted."""

    table: Table
    raw: RawTable
    folder: str  # the name of its folder, different from those of other tables


check_natural_keys = task(name="check natural keys", tags=["serialize"])(check_keys)

find_known = task(name="find known rows", tags=["serialize"], task_run_name="find rows whose keys are as before")(
    find_known_rows
)


@task(
    name="compare table",
    tags=["serialize"],
    task_run_name="compare {extracted.table.label} with the previous snapshot",
    weight=lambda extracted: extracted.raw.bytes,
    anywhere=always,
)
def compare_table(
    extracted: Extracted, previous: Previous, repository: Repository, folder: Path, chunk_rows: int
) -> ComparedRows | None:
    """Find the blocks of the previous snapshot whose rows are as they were."""
    table, raw = extracted.table, extracted.raw
    stored = previous.find(repository, table, raw.encodings, own_folder(folder / "stored" / extracted.folder))
    return compare_rows(raw, stored, own_folder(folder / "compared" / extracted.folder), chunk_rows) if stored else None


@task(
    name="serialize table",
    tags=["serialize"],
    task_run_name="serialize {extracted.table.label}",
    weight=lambda extracted: extracted.raw.bytes,
    anywhere=always,
)
def serialize_rows(
    extracted: Extracted,
    keys: CheckedKeys,
    previous: Previous | None,
    known: Mapping[str, KnownRows],
    repository: Repository,
    folder: Path,
    chunk_rows: int,
) -> SerializedTable:
    """Write the rows of a table that the previous snapshot does not hold already."""
    table, raw = extracted.table, extracted.raw
    stored = None
    if previous is not None and raw.rows and table.id not in known:
        stored = previous.find(repository, table, raw.encodings, own_folder(folder / "stored" / extracted.folder))
        if stored is not None and stored.entry.natural_key != keys.keys[table.id].natural_key:
            stored = None
    of_table = own_folder(folder / "serialized" / extracted.folder)
    return serialize_table(table, raw, keys, of_table, chunk_rows, stored, known.get(table.id))


@dataclass(frozen=True)
class Serialized:
    """All tables to store, and the natural keys of their rows."""

    tables: Sequence[SerializedTable]
    keys: CheckedKeys
    findings: Sequence[Finding]


def serialize_tables(
    run: Run,
    repository: Repository,
    inventory: Inventory,
    tables: Sequence[Table],
    raws: Mapping[str, RawTable],
    previous: Previous | None,
    workspace: Workspace,
    folder: Path,
) -> Serialized:
    """Check natural keys, and serialize tables, each on one thread: several threads for each would double the memory, no more.

    Args:
        run: the run.
        repository: where the previous snapshot is.
        inventory: all tables, and declared ids in names of files.
        tables: the tables to serialize.
        raws: their rows.
        previous: the previous snapshot, whose rows and keys are used again as far as they are as they were.
        workspace: where keys are tabulated.
        folder: for temporary files.
    """
    extracted = [Extracted(table, raws[table.id], place) for place, table in numbered(tables)]
    known: Mapping[str, KnownRows] = {}
    # Rows that changed are written once more, before those that are joined, sorted and compressed.
    room = 2 * sum(raw.bytes for raw in raws.values())
    if previous is not None and _is_of_these_programs(previous.manifest) and has_space(folder, room):
        compared = run.map(compare_table, extracted, previous, repository, folder, run.settings.chunk_rows)
        by_id = {table.id: one for table, one in zip(tables, compared, strict=True) if one is not None}
        its = {table.id: table for table in tables}
        known = run.call(find_known, its, raws, previous.manifest, by_id, workspace, folder / "changed")
    rows = sum(raw.rows for raw in raws.values())
    with workspace.threads(run.threads_for(rows)):
        named = {reference.target for reference in inventory.file_names}
        recorded = recorded_keys(inventory.tables, known, named)
        changed = {table_id: its.compared.changed for table_id, its in known.items()}
        keys = run.call(check_natural_keys, inventory.tables, raws, workspace, recorded, changed)
        if previous is not None and known and not still_hold(known, keys, previous.manifest):
            known, recorded = {}, {}
            keys = run.call(check_natural_keys, inventory.tables, raws, workspace)
    made = run.map(serialize_rows, extracted, keys, previous, known, repository, folder, run.settings.chunk_rows)
    again = findings_as_before(recorded, previous.manifest) if previous is not None else []
    return Serialized(made, keys, [*keys.findings, *again])


def _is_of_these_programs(manifest: Manifest) -> bool:
    """Whether the programs that determine natural keys are those that wrote a snapshot: others may write the same key in another way."""
    now = versions()
    return all(manifest.versions.get(name) == now[name] for name in ("edms-backup", "duckdb", "pyarrow"))
