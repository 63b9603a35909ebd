"""Salvage a table: every chunk is read, checked against the snapshot, and kept or dropped as a whole.

A chunk is kept where its object, its digests and the list of its superseded rows are all as the snapshot says. Without
that list nobody can tell the snapshot's rows from those that had been changed or deleted before it, so the chunk is
lost with its list. What is not verifiably a row of this snapshot is not restored.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from edms_tasks.digests.canonical import digest_hex
from edms_tasks.digests.chunk_columns import KEY, content_column, reference_column
from edms_tasks.digests.table_state import exact_digest, is_in_other_columns, parquet, state_of_chunks
from edms_tasks.errors import DamagedRepository
from edms_tasks.manifest import Chunk, ObjectRef, TableEntry
from edms_tasks.package import differences, leave_out
from edms_tasks.repository import Repository
from edms_tasks.salvage.ids import Bounds, bounds_of, ids_of_lost
from edms_tasks.salvage.losses import LostChunk, LostObject, TableLoss
from edms_tasks.scratch.bounded_parquet import require_bounded
from edms_tasks.scratch.workspace import Workspace

_ROWS_AT_ONCE = 16_384


@dataclass(frozen=True)
class SalvagedTable:
    """The intact part of a table."""

    entry: TableEntry  # with the chunks that are left; its state is still the whole table's
    rows: int
    exact_digest: str  # of the rows that are left: the sum of their chunks' digests
    loss: TableLoss | None


@dataclass(frozen=True)
class _Read:
    """A chunk that was read: the digest of its rows that are the snapshot's, or why there is none."""

    exact_digest: str = ""
    bounds: Bounds | None = None  # of the primary keys of those rows, or of those they are among
    lost: LostObject | None = None


def survey_table(repository: Repository, entry: TableEntry, workspace: Workspace, folder: Path) -> SalvagedTable:
    """Read every chunk of a table; `folder` is created, and removed again."""
    folder.mkdir(parents=True)
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
        return _nothing(entry, read, f"its chunks hold {sum(rows):,} rows, not as many as the snapshot says.")
    kept = [number for number, found in enumerate(read) if found.lost is None]
    digest = added(read[number].exact_digest for number in kept)
    if len(kept) == len(read):
        if digest != entry.state.exact_digest:
            return _nothing(entry, read, "its chunks do not match the digest in the snapshot.")
        return SalvagedTable(entry, entry.state.rows, digest, None)
    left = sum(rows[number] for number in kept)
    loss = TableLoss(entry.table.id, entry.table.label, entry.state.rows, left, _lost_chunks(entry, read))
    chunks = tuple(entry.chunks[number] for number in kept)
    return SalvagedTable(entry.model_copy(update={"chunks": chunks}), left, digest, loss)


def _nothing(entry: TableEntry, read: Sequence[_Read], why: str) -> SalvagedTable:
    """Which of its rows are the snapshot's cannot be told: none comes back."""
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
    """The rows of a chunk that are the snapshot's."""
    return max(0, chunk.rows - chunk.superseded_rows)


def _read(repository: Repository, entry: TableEntry, chunk: Chunk, workspace: Workspace, folder: Path) -> _Read:
    rows, gone = folder / "chunk.parquet", folder / "superseded.parquet"
    if lost := _fetched(repository, chunk.object, rows):
        return _Read(lost=lost)
    if missing := _columns_of_chunk(entry) - {field.name for field in pq.read_schema(rows)}:
        why = f"It lacks columns of the table: {', '.join(sorted(missing))}"
        return _Read(lost=LostObject(chunk.object.sha256, why))
    try:
        found = state_of_chunks(workspace, entry.table, entry.natural_key, [rows])
    except (duckdb.ProgrammingError, duckdb.DataError, duckdb.NotSupportedError) as error:
        why = f"Its values are not the table's: {str(error).splitlines()[0][:200]}"
        return _Read(lost=LostObject(chunk.object.sha256, why))
    if wrong := differences("chunk", chunk, found):
        return _Read(lost=LostObject(chunk.object.sha256, "; ".join(wrong)))
    with workspace.cursor() as cursor:
        bounds = bounds_of(cursor, entry, rows)
        if chunk.superseded is None:
            return _Read(chunk.exact_digest, bounds)
        lost = _fetched(repository, chunk.superseded, gone)
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


def _fetched(repository: Repository, ref: ObjectRef, path: Path) -> LostObject | None:
    """Bring an object into `path` and read it through as Parquet; what is wrong with it, if anything is."""
    try:
        repository.fetch(ref, path)
    except DamagedRepository as error:
        return LostObject(ref.sha256, error.why)
    try:
        require_bounded(path, rows=None, name=ref.sha256)
    except DamagedRepository as error:
        return LostObject(ref.sha256, error.why)
    try:
        with pq.ParquetFile(path) as file:
            for _ in file.iter_batches(_ROWS_AT_ONCE):
                pass
    except (pa.ArrowException, OSError) as error:
        # Its bytes were just written here and are those the snapshot names, so it is the contents that are no Parquet.
        return LostObject(ref.sha256, f"It cannot be read as Parquet: {str(error).splitlines()[0][:200]}")
    return None


def added(digests: Iterable[str]) -> str:
    """The digest of rows from the digests of their parts (docs/format.md, 6.3: sums modulo 2**64, half by half)."""
    upper = lower = 0
    for digest in digests:
        upper, lower = (upper + int(digest[:16], 16)) % 2**64, (lower + int(digest[16:], 16)) % 2**64
    return digest_hex(upper, lower)
