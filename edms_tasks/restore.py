"""Restore: load a snapshot into a staging database and staged folders, and measure the rows in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq

from edms_tasks.chunks.stored_chunks import fetch_chunks
from edms_tasks.databases import Database
from edms_tasks.databases.protocol import CapturedSchema, StagingDatabase
from edms_tasks.digests.canonical import EMPTY_DIGEST
from edms_tasks.digests.table_state import exact_digest
from edms_tasks.errors import CheckFailed, CommandError
from edms_tasks.inventory.model import FOUND, ROW_ID, Table
from edms_tasks.keys.checked_keys import CheckedKeys
from edms_tasks.keys.checking import key_of_candidates
from edms_tasks.keys.table_counts import measure_table
from edms_tasks.manifest import Manifest, NativeSchema, TableEntry
from edms_tasks.proof.measured_table import MeasuredTable
from edms_tasks.proof.table_proof import measure
from edms_tasks.repository import Repository
from edms_tasks.scratch.raw_table import RawTable
from edms_tasks.scratch.workspace import Workspace, relation


def check_engine(manifest: Manifest, database: Database) -> None:
    """Check that the target has the snapshot's engine; raises CommandError if not."""
    if manifest.engine != database.address.engine:
        raise CommandError(
            f"The snapshot was made from {manifest.engine}, the target is {database.address.engine}.",
            where=database.address.display,
            fix=f"Name a {manifest.engine} database.",
        )


def fetch_schema(repository: Repository, schema: NativeSchema, folder: Path) -> CapturedSchema:
    """Fetch the native schema into `folder` and verify it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "schema"
    repository.fetch(schema.object, path)
    return CapturedSchema(path, schema.format, schema.server_version, dict(schema.settings), schema.materialized_views)


def load_table(staging: StagingDatabase, repository: Repository, entry: TableEntry, folder: Path) -> int:
    """Fetch, verify and load one table; returns its rows.

    Raises:
        CheckFailed: the database took another number of rows than the snapshot holds.
    """
    chunks = fetch_chunks(repository, entry, folder)
    loaded = staging.load(entry, chunks)
    for path in chunks:
        path.unlink()
    require_rows(staging, entry, loaded)
    return loaded


def require_rows(staging: StagingDatabase, entry: TableEntry, loaded: int) -> None:
    """Check that the database took as many rows as the snapshot has; raises CheckFailed."""
    if loaded != entry.state.rows and entry.table.stored_columns:
        raise CheckFailed(
            f"{entry.table.label}: the snapshot has {entry.state.rows} rows, the database accepted {loaded}.",
            where=staging.address.display,
            fix="The live system is untouched. Run `edms-backup verify` on the snapshot.",
        )


def keys_as_recorded(
    manifest: Manifest, tables: Sequence[Table], raws: Mapping[str, RawTable], workspace: Workspace
) -> CheckedKeys:
    """The snapshot's natural keys, tabulated from the restored rows."""
    chosen = {entry.table.id: entry.natural_key for entry in manifest.tables}
    return key_of_candidates(tables, {t.id: raws[t.id] for t in tables if t.id in raws}, workspace, chosen)


def holds_its_rows(entry: TableEntry, raw: RawTable, workspace: Workspace) -> bool:
    """Whether the rows read back equal the snapshot's, by number and proof."""
    return raw.rows == entry.state.rows and measure_rows(entry, raw, workspace).equals(entry.state)


def measure_rows(entry: TableEntry, raw: RawTable, workspace: Workspace) -> MeasuredTable:
    """Count the rows that were read back, and prove every column of every one as it is.

    What else the entry says of the table (health of keys and references) is computed from the rows of all tables, so it holds where
    all tables hold their rows.
    """
    names = pq.read_schema(raw.files[0]).names if raw.files else ()
    if raw.rows and _present(entry.table, names) != _columns(entry.table):
        return MeasuredTable(raw.rows, None)
    if entry.blocks is not None:
        found = measure(entry, raw, workspace)
        return MeasuredTable(raw.rows, found.proof, differences=found.differences)
    if not raw.rows:
        return MeasuredTable(0, EMPTY_DIGEST)
    with workspace.cursor() as cursor:
        rows, digest = exact_digest(cursor, entry.table, entry.natural_key, relation(entry.table, raw))
    return MeasuredTable(raw.rows, digest if rows == raw.rows else None)


def _columns(table: Table) -> set[str]:
    return {column.name for column in table.columns} | ({ROW_ID} if table.row_ids else set())


def _present(table: Table, names: Iterable[str]) -> set[str]:
    """The columns of raw rows that the snapshot has; older releases lack some."""
    present = {name for name in names if not name.startswith(FOUND)}
    return present if table.row_ids else present - {ROW_ID}


def measure_restored(entry: TableEntry, raw: RawTable, keys: CheckedKeys) -> MeasuredTable:
    """Everything that the manifest says of one restored table, by the same rules as at the backup.

    Raises:
        CheckFailed: a restored table whose columns are others than the snapshot's cannot be proved by them.
    """
    expected = _columns(entry.table)
    present = _present(entry.table, keys.types[entry.table.id])
    if raw.files and expected != present:
        raise CheckFailed(
            f"{entry.table.label} was restored with other columns.",
            where=entry.table.id,
            why=f"missing {sorted(expected - present)}, unexpected {sorted(present - expected)}",
        )
    counted = MeasuredTable.whole(measure_table(entry.table, raw, keys, digests=entry.blocks is None))
    if entry.blocks is None:
        return counted
    found = measure_rows(entry, raw, keys.workspace)
    return replace(counted, fingerprint=found.fingerprint, differences=found.differences)
