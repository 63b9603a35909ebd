"""Salvage a table: every chunk is read, checked against the snapshot, and kept or dropped as a whole.

`salvaged_blocks` does this for format 2. In format 1 a chunk is kept if its object, its digests and the list of its superseded rows
all match the snapshot. Without that list the snapshot's rows cannot be told from rows that had been changed or deleted before it, so
the chunk is lost with its list.
Only what is verifiably a row of this snapshot is restored.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
import pyarrow.parquet as pq

from edms_tasks.chunks.stored_chunks import leave_out
from edms_tasks.databases.quoted_values import without_quoted_values
from edms_tasks.digests.canonical import digest_hex
from edms_tasks.digests.chunk_columns import KEY, content_column, reference_column
from edms_tasks.digests.table_state import exact_digest, is_in_other_columns, parquet, state_of_chunks
from edms_tasks.errors import DamagedRepository
from edms_tasks.manifest import Chunk, TableEntry
from edms_tasks.package import differences
from edms_tasks.repository import Repository
from edms_tasks.salvage.losses import LostChunk, LostObject, TableLoss
from edms_tasks.salvage.lost_ids import Bounds, bounds_of, ids_of_lost
from edms_tasks.salvage.read_objects import read_through
from edms_tasks.salvage.salvaged_blocks import SalvagedTable, survey_blocks
from edms_tasks.scratch.workspace import Workspace


@dataclass(frozen=True)
class _Read:
    """The result of reading a chunk: the digest of the snapshot's rows in it, or why it is lost."""

    exact_digest: str = ""
    bounds: Bounds | None = None  # of the primary keys of those rows; of a lost chunk, bounds that include them
    lost: LostObject | None = None


def survey_table(repository: Repository, entry: TableEntry, workspace: Workspace, folder: Path) -> SalvagedTable:
    """Read every chunk of a table; `folder` is created, and removed again."""
    folder.mkdir(parents=True)
    if entry.blocks is not None:
        salvaged = survey_blocks(repository, entry, folder)
        shutil.rmtree(folder)
        return salvaged
    read = []
    for chunk in entry.chunks:
        read.append(_read(repository, entry, chunk, workspace, folder))
        shutil.rmtree(folder)
        folder.mkdir()
    folder.rmdir()
    return _salvaged(entry, read)


def _salvaged(entry: TableEntry, read: Sequence[_Read]) -> SalvagedTable:
    rows = [_rows(chunk) for chunk in entry.chunks]
    if sum(rows) != entry.state.rows:
        return _all_lost(entry, read, f"its chunks hold {sum(rows):,} rows, not as many as the snapshot says.")
    kept = [number for number, found in enumerate(read) if found.lost is None]
    digest = added(read[number].exact_digest for number in kept)
    if len(kept) == len(read):
        if digest != entry.state.exact_digest:
            return _all_lost(entry, read, "its chunks do not match the digest in the snapshot.")
        return SalvagedTable(entry, entry.state.rows, digest, None)
    left = sum(rows[number] for number in kept)
    loss = TableLoss(entry.table.id, entry.table.label, entry.state.rows, left, _lost_chunks(entry, read))
    chunks = tuple(entry.chunks[number] for number in kept)
    return SalvagedTable(entry.model_copy(update={"chunks": chunks}), left, digest, loss)


def _all_lost(entry: TableEntry, read: Sequence[_Read], why: str) -> SalvagedTable:
    """A table of which no row is salvaged, because it is unknown which rows are the snapshot's."""
    loss = TableLoss(entry.table.id, entry.table.label, entry.state.rows, 0, _lost_chunks(entry, read), why)
    return SalvagedTable(entry.model_copy(update={"chunks": ()}), 0, added(()), loss)


def _lost_chunks(entry: TableEntry, read: Sequence[_Read]) -> tuple[LostChunk, ...]:
    lost = []
    first = 0
    intact = [None if found.lost else found.bounds for found in read]
    for number, (chunk, found) in enumerate(zip(entry.chunks, read, strict=True)):
        if found.lost is not None:
            ids = ids_of_lost(entry.table, number, intact, among=found.bounds)
            lost.append(LostChunk(number + 1, len(read), _rows(chunk), first, found.lost, ids))
        first += _rows(chunk)
    return tuple(lost)


def _rows(chunk: Chunk) -> int:
    """The number of a chunk's rows that are not superseded."""
    return max(0, chunk.rows - chunk.superseded_rows)


def _read(repository: Repository, entry: TableEntry, chunk: Chunk, workspace: Workspace, folder: Path) -> _Read:
    rows, gone = folder / "chunk.parquet", folder / "superseded.parquet"
    if lost := read_through(repository, chunk.object, rows):
        return _Read(lost=lost)
    if missing := _columns_of_chunk(entry) - {field.name for field in pq.read_schema(rows)}:
        why = f"It lacks columns of the table: {', '.join(sorted(missing))}"
        return _Read(lost=LostObject(chunk.object.sha256, why))
    try:
        found = state_of_chunks(workspace, entry.table, entry.natural_key, [rows])
    except (duckdb.ProgrammingError, duckdb.DataError, duckdb.NotSupportedError) as error:
        why = f"Its values are not the table's: {without_quoted_values(str(error)).splitlines()[0][:200]}"
        return _Read(lost=LostObject(chunk.object.sha256, why))
    if wrong := differences("chunk", chunk, found):
        return _Read(lost=LostObject(chunk.object.sha256, "; ".join(wrong)))
    with workspace.cursor() as cursor:
        bounds = bounds_of(cursor, entry, rows)
        if chunk.superseded is None:
            return _Read(chunk.exact_digest or "", bounds)
        lost = read_through(repository, chunk.superseded, gone)
        if lost is None:
            try:
                leave_out(rows, gone, chunk)
            except DamagedRepository as error:
                lost = LostObject(chunk.superseded.sha256, f"{error.what} {error.why}")
        if lost is not None:
            why = f"{lost.why} It lists which of {chunk.rows:,} rows are superseded, so the snapshot's rows cannot be determined."
            return _Read(bounds=bounds, lost=replace(lost, why=why))
        _, digest = exact_digest(cursor, entry.table, entry.natural_key, parquet([rows]))
        return _Read(digest, bounds_of(cursor, entry, rows))


def _columns_of_chunk(entry: TableEntry) -> set[str]:
    """The columns that a chunk of a table must have (docs/format.md, 4)."""
    table = entry.table
    needed = {column.name for column in table.columns}
    needed |= {reference_column(reference.name) for reference in table.references}
    needed |= {content_column(column) for column in table.soft_columns}
    return needed if is_in_other_columns(table, entry.natural_key) else needed | {KEY}


def added(digests: Iterable[str]) -> str:
    """The digest of all rows of several sets, from their digests (docs/format.md, 10.2: sums modulo 2**64, half by half)."""
    upper = lower = 0
    for digest in digests:
        upper, lower = (upper + int(digest[:16], 16)) % 2**64, (lower + int(digest[16:], 16)) % 2**64
    return digest_hex(upper, lower)
