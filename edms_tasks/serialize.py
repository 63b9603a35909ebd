"""Serialize: write raw rows as Parquet chunks with natural keys, in blocks that are proved, set-based.

A chunk has the table's columns unchanged, `@key` (the row's natural key, unless it follows from other columns), for each reference
`@ref:<reference>` (the natural key of the row that it points at, NULL if it dangles), and for each column with soft references its
content `@soft:<column>`. Rows stand in the order of their key and are cut into blocks; blocks and rows that the previous snapshot has
are not stored again.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import pyarrow as pa
import pyarrow.parquet as pq

from edms_tasks.chunks.chunk_file import write_chunk
from edms_tasks.chunks.ordered_rows import OrderedRows, rows_by_columns, rows_with_keys
from edms_tasks.digests.table_state import StateOfRows, empty_state
from edms_tasks.errors import CheckFailed, DamagedRepository, RepositorySealed
from edms_tasks.incremental.block_changes import BlockChanges, changes
from edms_tasks.incremental.compared_rows import most_of_a_block
from edms_tasks.incremental.known_rows import KnownRows
from edms_tasks.incremental.previous_rows import StoredTable
from edms_tasks.inventory.model import NaturalKey, Table
from edms_tasks.keys.checked_keys import CheckedKeys
from edms_tasks.manifest import Block, Chunk, Encoding, TableEntry, TableState
from edms_tasks.proof.block_cuts import BLOCK_BYTES, Piece, cut_at_keys
from edms_tasks.proof.block_hash import EMPTY_PROOF, differing, hash_columns, hash_table
from edms_tasks.proof.row_order import NotInOrder
from edms_tasks.proof.table_proof import block_of, cuts_of, own_columns, types_of
from edms_tasks.scratch.large_values import naming_the_largest_column
from edms_tasks.scratch.raw_table import RawTable


@dataclass(frozen=True)
class NewChunk:
    """A new chunk to store, with rows of one block."""

    path: Path
    rows: int


@dataclass(frozen=True)
class KeptChunk:
    """A chunk of the previous snapshot that is used again, without rows that were changed or deleted since."""

    chunk: Chunk
    superseded: Path | None  # None: as in the previous snapshot
    superseded_rows: int


@dataclass(frozen=True)
class SerializedBlock:
    """A block and its chunks: first those that are kept, then the new one."""

    block: Block
    kept: tuple[KeptChunk, ...]
    new: NewChunk | None
    unusable: str = ""  # why chunks of the previous snapshot could not be used, although they should be there


@dataclass(frozen=True)
class SerializedTable:
    """A table to store, in blocks."""

    table_id: str
    natural_key: NaturalKey | None
    encodings: dict[str, Encoding]
    state: TableState
    blocks: tuple[SerializedBlock, ...]
    ordered_by: tuple[str, ...]
    types: dict[str, str]  # column of a chunk -> Arrow type
    raw_bytes: int  # the size of the raw rows

    @property
    def unusable(self) -> str:
        """Why some chunks of the previous snapshot could not be used again; "" if all could."""
        return next((block.unusable for block in self.blocks if block.unusable), "")

    def entry(self, table: Table, chunks: Sequence[Chunk]) -> TableEntry:
        """The manifest's entry of the table, with these chunks."""
        return TableEntry(
            table=table,
            natural_key=self.natural_key,
            encodings=self.encodings,
            state=self.state,
            chunks=tuple(chunks),
            blocks=tuple(block.block for block in self.blocks),
            ordered_by=self.ordered_by,
            types=self.types,
            raw_bytes=self.raw_bytes,
        )


def serialize_table(
    table: Table,
    raw: RawTable,
    keys: CheckedKeys,
    folder: Path,
    chunk_rows: int,
    stored: StoredTable | None = None,
    known: KnownRows | None = None,
) -> SerializedTable:
    """Join the natural keys to a table's rows, prove them block by block, and write what is not stored yet to `folder` (created).

    Args:
        table: the table.
        raw: its rows.
        keys: the natural keys; of tables whose rows are all `known`, those of others suffice.
        folder: for new chunks.
        chunk_rows: the most rows of a block.
        stored: what the previous snapshot has of the table.
        known: blocks of the previous snapshot that are as they were, keys included; then `stored` is not needed.

    Raises:
        CheckFailed: the number of serialized rows differs from that of the raw ones.
    """
    making = _Making(table, raw, keys, folder, chunk_rows)
    if not raw.rows:
        state = empty_state(table).model_copy(update={"proof": EMPTY_PROOF})
        return SerializedTable(table.id, keys.keys[table.id].natural_key, raw.encodings, state, (), (), {}, 0)
    if known is not None:
        with naming_the_largest_column(raw):
            return making.with_known_blocks(known)
    with naming_the_largest_column(raw), keys.workspace.cursor() as cursor:
        before = stored.entry.ordered_by or () if stored else ()
        for rows in rows_with_keys(cursor, table, raw, keys, folder / "order", before):
            making.empty_folder()
            try:
                return making.of_all_rows(rows, stored)
            except NotInOrder:
                continue
    raise AssertionError("rows have no order")  # the last one, that of their texts, takes any rows


@dataclass(frozen=True)
class _Making:
    """A table that is being serialized."""

    table: Table
    raw: RawTable
    keys: CheckedKeys
    folder: Path
    chunk_rows: int

    def empty_folder(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)

    def of_all_rows(self, rows: OrderedRows, stored: StoredTable | None) -> SerializedTable:
        """The table with all its rows joined. Raises NotInOrder."""
        if stored is not None and not stored.has_form(rows.schema, rows.columns):
            stored = None
        state = StateOfRows(self.table, self.keys.workspace)
        made = [block for _, block in self._blocks(rows, stored, state)]
        return self._finished(state, made, rows.columns, types_of(rows.schema))

    def with_known_blocks(self, known: KnownRows) -> SerializedTable:
        """The table with its known blocks, and only the rows of others joined."""
        stored = known.compared.stored
        kept = [
            (place, SerializedBlock(stored.blocks[place], _as_before(stored.chunks[place]), None))
            for place in sorted(known.compared.unchanged)
        ]
        count = sum(block.block.rows for _, block in kept)
        made, state = self._changed_blocks(known, count)
        blocks = [block for _, block in sorted([*kept, *made], key=lambda one: one[0])]
        return self._finished(state, blocks, known.entry.ordered_by or (), known.entry.types or {})

    def _changed_blocks(self, known: KnownRows, count: int) -> tuple[list[tuple[int, SerializedBlock]], StateOfRows]:
        """The blocks that are not known, each with its place, and the state of all rows; `count` is the number of the known ones."""
        changed, stored = known.compared.changed, known.compared.stored

        def begun() -> StateOfRows:
            self.empty_folder()
            return StateOfRows(self.table, self.keys.workspace, rows=count, references=known.references)

        if not changed.rows:
            return [], begun()
        order = stored.entry.ordered_by or ()
        hashed = {piece.place: piece.columns for piece in known.compared.pieces if piece.columns}
        with self.keys.workspace.cursor() as cursor:
            for rows in rows_by_columns(cursor, self.table, changed, self.keys, self.folder / "order", order):
                state = begun()
                try:
                    return list(self._blocks(rows, stored, state, hashed)), state
                except NotInOrder:
                    continue
        raise AssertionError("rows have no order")  # all of them were compared in it

    def _blocks(
        self,
        rows: OrderedRows,
        stored: StoredTable | None,
        state: StateOfRows,
        hashed: Mapping[int, Mapping[str, str]] = MappingProxyType({}),
    ) -> Iterator[tuple[int, SerializedBlock]]:
        """The blocks of rows, each with its place among those that are stored; `hashed` are columns whose hashes are known, by place."""
        cuts = cuts_of(stored.entry, rows.schema) if stored and rows.columns else []
        most_rows, most_bytes = most_of_a_block(self.chunk_rows) if stored else (self.chunk_rows, BLOCK_BYTES)
        pieces = cut_at_keys(rows.tables, rows.columns, cuts, rows=most_rows, size=most_bytes)
        for number, piece in enumerate(pieces):
            state.add(piece.rows)
            found = hashed.get(piece.place, {}) if piece.whole else {}
            others = piece.rows.select([name for name in piece.rows.column_names if name not in found])
            columns = {**found, **hash_columns(others, self.raw.encodings)}
            block = block_of(piece.rows, rows.columns, columns)
            path = self.folder / f"{number:06d}.parquet"
            yield piece.place, _stored_block(block, piece, rows.columns, stored, path)

    def _finished(
        self, state: StateOfRows, blocks: Sequence[SerializedBlock], ordered_by: tuple[str, ...], types: dict[str, str]
    ) -> SerializedTable:
        table, raw = self.table, self.raw
        key = self.keys.keys[table.id]
        found = state.total(key.nulls, key.duplicates)
        if found.rows != raw.rows:
            raise CheckFailed(
                f"{table.label}: {raw.rows} rows were read, but {found.rows} serialized.",
                where=table.id,
                why="A reference's target is not unique in the database, so rows multiplied.",
                fix="Nothing was stored. Find the duplicate rows: `edms-backup inspect` shows the table's unique constraints.",
            )
        proof = hash_table([one.block for one in blocks], own_columns(table))
        return SerializedTable(
            table_id=table.id,
            natural_key=key.natural_key,
            encodings=raw.encodings,
            state=found.model_copy(update={"proof": proof}),
            blocks=tuple(blocks),
            ordered_by=ordered_by,
            types=types,
            raw_bytes=raw.bytes,
        )


def _as_before(chunks: Sequence[Chunk]) -> tuple[KeptChunk, ...]:
    return tuple(KeptChunk(chunk, None, chunk.superseded_rows) for chunk in chunks)


def _stored_block(
    block: Block, piece: Piece, ordered_by: Sequence[str], stored: StoredTable | None, path: Path
) -> SerializedBlock:
    """The chunks of a block: those of the previous snapshot as far as they have its rows, and a new one at `path` with the others."""
    unusable = ""
    place = stored.place_of(block, piece.place if ordered_by and piece.whole else None) if stored else None
    if stored is not None and place is not None:
        try:
            return _kept_block(block, piece.rows, place, ordered_by, stored, path)
        except RepositorySealed:
            pass  # a machine that only writes cannot compare rows with those of the previous backup: it stores the block anew
        except DamagedRepository as damage:
            unusable = str(damage.what)
    return SerializedBlock(block, (), _written(piece.rows, path), unusable)


def _kept_block(
    block: Block, rows: pa.Table, place: int, ordered_by: Sequence[str], stored: StoredTable, path: Path
) -> SerializedBlock:
    """A block of which the previous snapshot has rows. Raises DamagedRepository if one of its objects is missing or damaged."""
    stored.require_chunks(place)
    chunks = stored.chunks[place]
    before = stored.blocks[place]
    if block.columns == before.columns:
        return SerializedBlock(block, _as_before(chunks), None)
    changed = _changes(block, rows, before, ordered_by, stored, place)
    if changed is None:
        return SerializedBlock(block, (), _written(rows, path))
    kept = []
    for number, (chunk, gone) in enumerate(zip(chunks, changed.superseded, strict=True)):
        superseded = None
        if len(gone) > chunk.superseded_rows:
            superseded = path.with_name(f"{path.name}-superseded-{number}")
            pq.write_table(pa.table({"row": pa.array(gone)}), superseded, compression="zstd")
        kept.append(KeptChunk(chunk, superseded, len(gone)))
    new = rows.take(pa.array(changed.new))
    return SerializedBlock(block, tuple(kept), _written(new, path) if new.num_rows else None)


def _changes(
    block: Block, rows: pa.Table, before: Block, ordered_by: Sequence[str], stored: StoredTable, place: int
) -> BlockChanges | None:
    """The rows that changed; where all rows have the keys they had, only columns with other hashes are read and compared."""
    different = differing(block.columns, before.columns)
    same_keys = block.rows == before.rows and different.isdisjoint(ordered_by)
    columns = [name for name in rows.column_names if name in different or name in ordered_by] if same_keys else None
    totals = [chunk.rows for chunk in stored.chunks[place]]
    held = rows.select(columns) if columns else rows
    return changes(held, stored.rows_of(place, columns), totals, ordered_by, same_keys=same_keys)


def _written(rows: pa.Table, path: Path) -> NewChunk:
    write_chunk(rows, path)
    return NewChunk(path, rows.num_rows)
