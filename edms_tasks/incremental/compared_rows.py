"""Compare a table's raw rows with the blocks of the previous snapshot, before natural keys are joined to them.

A block whose own columns have the hashes that they had is unchanged. What was derived from other tables' rows (`@key`, `@ref:…`) can still
be different; `changed_targets.py` finds out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from edms_tasks.digests.chunk_columns import is_derived
from edms_tasks.errors import DamagedRepository
from edms_tasks.incremental.previous_rows import StoredTable
from edms_tasks.manifest import Encoding
from edms_tasks.proof.block_cuts import BLOCK_BYTES, Piece, cut_at_keys
from edms_tasks.proof.block_hash import hash_columns
from edms_tasks.proof.row_order import NotInOrder
from edms_tasks.proof.row_streams import rows_by_key
from edms_tasks.proof.table_proof import cuts_of
from edms_tasks.scratch.raw_table import RawTable, write_raw


@dataclass(frozen=True)
class ChangedPiece:
    """Rows now in place of a stored block, or a part of them."""

    place: int
    rows: int
    file: Path
    columns: Mapping[str, str]  # column -> its hash; empty if it is a part


@dataclass(frozen=True)
class ComparedRows:
    """A table's rows held against the blocks of the previous snapshot.

    Args:
        stored: the previous snapshot's table.
        unchanged: numbers of its blocks that have the rows that they had, in the table's own columns.
        pieces: the rows now in place of all its other blocks.
        encodings: how the values of columns are encoded.
    """

    stored: StoredTable
    unchanged: frozenset[int]
    pieces: tuple[ChangedPiece, ...]
    encodings: dict[str, Encoding]

    @property
    def is_whole(self) -> bool:
        """Whether all rows are as they were."""
        return len(self.unchanged) == len(self.stored.blocks) and not self.pieces

    @property
    def replaced(self) -> frozenset[int]:
        """The numbers of the stored blocks that are not unchanged."""
        return frozenset(range(len(self.stored.blocks))) - self.unchanged

    @property
    def changed(self) -> RawTable:
        """The rows of all pieces."""
        return self.rows_of(self.replaced)

    def rows_of(self, places: AbstractSet[int]) -> RawTable:
        """The rows of the pieces at these places."""
        those = [piece for piece in self.pieces if piece.place in places]
        files = tuple(piece.file for piece in those)
        return RawTable(self.stored.entry.table.id, sum(piece.rows for piece in those), self.encodings, files)

    def changed_in(self, names: Iterable[str]) -> frozenset[int]:
        """The places with rows that are new, gone, or different in one of these columns."""
        wanted = tuple(names)
        blocks = self.stored.blocks
        same = {
            piece.place
            for piece in self.pieces
            if piece.rows == blocks[piece.place].rows
            and piece.columns
            and all(piece.columns[name] == blocks[piece.place].columns[name] for name in wanted)
        }
        return self.replaced - same


def most_of_a_block(chunk_rows: int) -> tuple[int, int]:
    """The most rows and bytes of a block that was there before.

    It may grow by half before it is cut in two: otherwise one character more would do it.
    """
    return chunk_rows * 3 // 2, BLOCK_BYTES * 3 // 2


def compare_rows(raw: RawTable, stored: StoredTable, folder: Path, chunk_rows: int) -> ComparedRows | None:
    """Compare raw rows with stored ones; changed ones are written to `folder` (created).

    None if they cannot be compared: they have other columns or types, or no order by key.
    """
    ordered_by, schema = stored.entry.ordered_by, pq.read_schema(raw.files[0]) if raw.files else None
    if not ordered_by or schema is None or own_types(stored.entry.types or {}) != _types(schema):
        return None
    folder.mkdir(parents=True)
    rows, size = most_of_a_block(chunk_rows)
    unchanged: set[int] = set()
    pieces: list[ChangedPiece] = []
    try:
        cuts = cuts_of(stored.entry, schema)
        for piece in cut_at_keys(
            rows_by_key(raw, ordered_by, folder / "order"), ordered_by, cuts, rows=rows, size=size
        ):
            columns = hash_columns(piece.rows, raw.encodings) if piece.whole else {}
            if _is_unchanged(piece, columns, stored):
                unchanged.add(piece.place)
            else:
                path = folder / f"{len(pieces):06d}.parquet"
                write_raw(piece.rows, path)
                pieces.append(ChangedPiece(piece.place, piece.rows.num_rows, path, columns))
    except NotInOrder:
        return None
    return ComparedRows(stored, frozenset(unchanged), tuple(pieces), raw.encodings)


def own_types(types: Mapping[str, str]) -> dict[str, str]:
    """Those of a chunk's columns that raw rows have too."""
    return {name: kind for name, kind in types.items() if not is_derived(name)}


def _types(schema: pa.Schema) -> dict[str, str]:
    return {field.name: str(field.type) for field in schema}


def _is_unchanged(piece: Piece, columns: Mapping[str, str], stored: StoredTable) -> bool:
    block = stored.blocks[piece.place]
    if not columns or block.rows != piece.rows.num_rows:
        return False
    if any(block.columns[name] != found for name, found in columns.items()):
        return False
    try:
        stored.require_chunks(piece.place)
    except DamagedRepository:
        return False  # it is stored once more
    return True
