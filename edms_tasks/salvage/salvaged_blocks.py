"""Salvage a table of format 2 block by block: every chunk is read, and what is left of a block is proved anew.

A block whose chunks are all intact must match its hashes; if it does not, nothing shows which of its rows are right, and the block is lost.
Of a block with a lost chunk the rows in the other chunks are kept: each of these objects is the one that the snapshot names.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from edms_tasks.chunks.stored_chunks import live_rows, together
from edms_tasks.errors import DamagedRepository
from edms_tasks.manifest import Block, Chunk, TableEntry
from edms_tasks.proof.block_hash import differing, hash_columns, hash_table
from edms_tasks.proof.table_proof import own_columns, types_of
from edms_tasks.repository import Repository
from edms_tasks.salvage.losses import LostChunk, LostObject, TableLoss
from edms_tasks.salvage.lost_ids import ids_of_block
from edms_tasks.salvage.read_objects import read_through


@dataclass(frozen=True)
class SalvagedTable:
    """The intact part of a table."""

    entry: TableEntry  # with the intact chunks only; in format 1 its state is still that of the whole table
    rows: int
    fingerprint: str  # of the rows that are left: their proof, or the sum of their chunks' digests in format 1
    loss: TableLoss | None


@dataclass(frozen=True)
class _Survey:
    """What became of the chunks of a block, and the block that is left."""

    lost: dict[int, LostObject]  # number of the chunk -> why it is lost
    left: Block | None


def survey_blocks(repository: Repository, entry: TableEntry, folder: Path) -> SalvagedTable:
    """Read every chunk of a table; `folder` is for temporary files, and must exist."""
    numbered: dict[int | None, list[int]] = {}
    for number, chunk in enumerate(entry.chunks):
        numbered.setdefault(chunk.block, []).append(number)
    surveys = [
        _surveyed(repository, entry, number, numbered.get(number, []), folder)
        for number in range(len(entry.blocks or ()))
    ]
    lost = {number: why for survey in surveys for number, why in survey.lost.items()}
    renumbered: dict[int | None, int] = {}
    for number, survey in enumerate(surveys):
        if survey.left is not None:
            renumbered[number] = len(renumbered)
    blocks = tuple(survey.left for survey in surveys if survey.left is not None)
    chunks = tuple(
        chunk.model_copy(update={"block": renumbered[chunk.block]})
        for number, chunk in enumerate(entry.chunks)
        if number not in lost and chunk.block in renumbered
    )
    rows = sum(block.rows for block in blocks)
    proof = hash_table(blocks, own_columns(entry.table))
    if not lost and proof == entry.state.proof:
        return SalvagedTable(entry, rows, proof, None)
    loss = TableLoss(entry.table.id, entry.table.label, entry.state.rows, rows, _lost_chunks(entry, lost))
    return SalvagedTable(entry.model_copy(update={"chunks": chunks, "blocks": blocks}), rows, proof, loss)


def _surveyed(repository: Repository, entry: TableEntry, block: int, chunks: Sequence[int], folder: Path) -> _Survey:
    assert entry.blocks is not None
    expected = entry.blocks[block]
    lost: dict[int, LostObject] = {}
    intact: dict[int, pa.Table] = {}
    for number in chunks:
        found = _read(repository, entry, entry.chunks[number], folder)
        if isinstance(found, LostObject):
            lost[number] = found
        else:
            intact[number] = found
    if not intact:
        return _Survey(lost, None)
    try:
        rows = together(list(intact.values()), [entry.chunks[number] for number in intact], entry.ordered_by or ())
    except DamagedRepository as damage:
        return _Survey({**lost, **_all(entry, intact, damage.why)}, None)
    columns = hash_columns(rows, entry.encodings)
    if lost:
        left = Block(rows=rows.num_rows, first=expected.first, columns=columns) if rows.num_rows else None
        return _Survey(lost, left)
    if rows.num_rows != expected.rows or differing(columns, expected.columns):
        return _Survey(_all(entry, intact, "Its rows do not match the hashes of their block in the snapshot."), None)
    return _Survey({}, expected)


def _read(repository: Repository, entry: TableEntry, chunk: Chunk, folder: Path) -> pa.Table | LostObject:
    """The rows of a chunk that are not superseded, or why it is lost."""
    path = folder / "chunk.parquet"
    if lost := read_through(repository, chunk.object, path):
        return lost
    found = types_of(pq.read_schema(path))
    if missing := sorted((entry.types or {}).keys() - found.keys()):
        return LostObject(chunk.object.sha256, f"It lacks columns of the table: {', '.join(missing)}")
    if found != entry.types:
        return LostObject(chunk.object.sha256, "Its values have other types than the snapshot says.")
    rows = pq.read_metadata(path).num_rows
    if rows != chunk.rows:
        return LostObject(chunk.object.sha256, f"It has {rows:,} rows, the manifest says {chunk.rows:,}.")
    try:
        live, _ = live_rows(repository, chunk, path)
    except DamagedRepository as damage:
        if chunk.superseded is None:
            return LostObject(chunk.object.sha256, damage.why)
        why = f"{damage.why} It lists which of {chunk.rows:,} rows are superseded, so the snapshot's rows cannot be determined."
        return LostObject(chunk.superseded.sha256, why)
    return live


def _all(entry: TableEntry, chunks: Iterable[int], why: str) -> dict[int, LostObject]:
    return {number: LostObject(entry.chunks[number].object.sha256, why) for number in chunks}


def _lost_chunks(entry: TableEntry, lost: dict[int, LostObject]) -> tuple[LostChunk, ...]:
    found = []
    first = 0
    for number, chunk in enumerate(entry.chunks):
        rows = max(0, chunk.rows - chunk.superseded_rows)
        if number in lost:
            ids = ids_of_block(entry, chunk.block or 0)
            found.append(LostChunk(number + 1, len(entry.chunks), rows, first, lost[number], ids))
        first += rows
    return tuple(found)
