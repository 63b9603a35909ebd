"""What the previous snapshot stored of a table, so that only rows that are new or changed are stored again."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from edms_tasks.digests.table_state import parquet
from edms_tasks.errors import DamagedRepository
from edms_tasks.findings import make_finding
from edms_tasks.incremental.row_index import (
    StoredRows,
    chunks_to_rewrite,
    comparable,
    index_chunks,
    index_path,
    is_sound,
    kinds_of,
    seal,
    without,
)
from edms_tasks.inventory.model import Finding, NaturalKey, Table
from edms_tasks.manifest import Encoding, Manifest, TableEntry
from edms_tasks.repository import Repository
from edms_tasks.scratch.bounded_parquet import require_bounded
from edms_tasks.scratch.workspace import column_types

if TYPE_CHECKING:
    from edms_tasks.serialize import SerializedTable

_ID = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Previous:
    """The previous snapshot, and the folder with the indexes of its rows."""

    snapshot_id: str
    manifest: Manifest
    indexes: Path

    def find(
        self,
        repository: Repository,
        table: Table,
        key: NaturalKey | None,
        encodings: Mapping[str, Encoding],
        kinds: Mapping[str, str],
        *,
        cursor: duckdb.DuckDBPyConnection,
        scratch: Path,
        chunk_rows: int,
    ) -> tuple[StoredRows | None, tuple[Finding, ...]]:
        """The reusable rows of a table; None if its shape or key changed.

        `kinds` are the current DuckDB types of the columns. The folder `scratch` is created if the index must be made from the
        chunks.
        """
        entry = next((entry for entry in self.manifest.tables if entry.table.id == table.id), None)
        if entry is None or not entry.chunks or not comparable(entry, table, key, encodings):
            return None, ()
        if not all(repository.has(chunk.object) for chunk in entry.chunks):
            return None, (_unusable(table, "Some of its objects are missing."),)
        index = index_path(self.indexes, self.snapshot_id, table.id)
        if not is_sound(cursor, entry, index):
            try:
                _make(repository, entry, cursor, scratch, index)
            except DamagedRepository as damage:
                return None, (_unusable(table, str(damage.what)),)
            if not is_sound(cursor, entry, index):
                return None, ()  # equal rows, which the index cannot tell apart
        if kinds_of(index) != dict(kinds):
            return None, ()  # the type of a column's values changed, so equal hashes do not mean equal rows
        return StoredRows(entry, index, chunks_to_rewrite(entry, chunk_rows)), ()


def keep_indexes(folder: Path, snapshot_id: str, tables: Mapping[str, SerializedTable]) -> None:
    """Keep the indexes of a snapshot that was written, and remove those of earlier ones."""
    for table_id, serialized in tables.items():
        if serialized.index is not None:
            path = index_path(folder, snapshot_id, table_id)
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(serialized.index, path)
            seal(path, serialized.kinds)
    for other in folder.iterdir() if folder.is_dir() else ():
        # Leave anything that does not have the name of a snapshot: it is not ours.
        if other.name != snapshot_id and _ID.fullmatch(other.name) and other.is_dir() and not other.is_symlink():
            shutil.rmtree(other)


def _make(
    repository: Repository, entry: TableEntry, cursor: duckdb.DuckDBPyConnection, scratch: Path, index: Path
) -> None:
    scratch.mkdir(parents=True)
    chunks: list[Path] = []
    superseded: dict[int, Path] = {}
    for number, chunk in enumerate(entry.chunks):
        chunks.append(scratch / f"{number:06d}.parquet")
        repository.fetch(chunk.object, chunks[-1])
        require_bounded(chunks[-1], rows=chunk.rows, name=chunk.object.sha256)
        if chunk.superseded is not None:
            superseded[number] = scratch / f"{number:06d}.superseded.parquet"
            repository.fetch(chunk.superseded, superseded[number])
            require_bounded(superseded[number], rows=chunk.superseded_rows, name=chunk.superseded.sha256)
    index_chunks(cursor, entry, chunks, index)
    without(cursor, index, superseded)
    seal(index, _kinds(cursor, entry, chunks))
    shutil.rmtree(scratch)


def _kinds(cursor: duckdb.DuckDBPyConnection, entry: TableEntry, chunks: Sequence[Path]) -> dict[str, str]:
    """The types of a table's columns in its chunks, without columns that have more than one."""
    found = [column_types(cursor, parquet([chunk])) for chunk in chunks]
    names = (column.name for column in entry.table.columns)
    return {name: found[0][name] for name in names if len({kinds[name] for kinds in found}) == 1}


def _unusable(table: Table, why: str) -> Finding:
    return make_finding(
        "previous-rows-unusable",
        table.label,
        f"The chunks of the previous snapshot cannot be used, so all rows were stored again: {why}",
    )
