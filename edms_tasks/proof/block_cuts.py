"""Cut rows that stand in the order of their key into blocks.

A table that is proved for the first time is cut wherever a block is full. Later the cuts stay: a block ends before the key with which
the next one began. So a row that was added, changed or removed changes one block, and all others are as before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from edms_tasks.proof.row_key import rows_before

BLOCK_BYTES = 8 << 20
"""A block ends when its rows have about this many bytes in memory."""


@dataclass(frozen=True)
class Piece:
    """Rows between two cuts, or a part of them if they exceed the size of a block."""

    rows: pa.Table
    place: int  # the number of cuts before it
    whole: bool  # whether it has all rows between the two cuts


def cut_at_keys(
    tables: Iterable[pa.Table],
    names: Sequence[str],
    cuts: Sequence[tuple[int | bytes, ...]],
    *,
    rows: int | None = None,
    size: int | None = None,
) -> Iterator[Piece]:
    """Cut rows at keys, and between them where `rows` or about `size` bytes are reached.

    Args:
        tables: the rows, ascending by the columns `names`.
        names: the columns of the key; none if there are no cuts.
        cuts: keys with which a piece begins, ascending.
        rows: the most rows of a piece; None: any number.
        size: a piece ends at about this number of bytes; None: at any.
    """
    held = _Held()
    place, split = 0, False
    for table in tables:
        while table.num_rows:
            take, ends = table.num_rows, False
            if place < len(cuts):
                take = rows_before(table, names, cuts[place])
                ends = take < table.num_rows
            room = held.room(table, rows, size)
            if room < take:
                take, ends = room, False
            held.add(table.slice(0, take))
            table = table.slice(take)
            if ends:
                if held.rows:
                    yield Piece(held.take(), place, not split)
                place, split = place + 1, False
            elif held.is_full(rows, size) and _goes_on(table, names, cuts[place:]):
                yield Piece(held.take(), place, False)
                split = True
    if held.rows:
        yield Piece(held.take(), place, not split)


def cut_at_counts(tables: Iterable[pa.Table], counts: Sequence[int]) -> Iterator[Piece]:
    """Cut rows after these numbers of rows; all that are left make one more piece."""
    held = _Held()
    place = 0
    for table in tables:
        while table.num_rows:
            take = table.num_rows if place == len(counts) else min(counts[place] - held.rows, table.num_rows)
            held.add(table.slice(0, take))
            table = table.slice(take)
            if place < len(counts) and held.rows == counts[place]:
                yield Piece(held.take(), place, True)
                place += 1
    if held.rows:
        yield Piece(held.take(), place, True)


class _Held:
    """The rows of the piece in the making."""

    def __init__(self) -> None:
        self._tables: list[pa.Table] = []
        self.rows = self.bytes = 0

    def add(self, rows: pa.Table) -> None:
        if rows.num_rows:
            self._tables.append(rows)
            self.rows += rows.num_rows
            self.bytes += rows.nbytes

    def take(self) -> pa.Table:
        rows = pa.concat_tables(self._tables).combine_chunks()
        self._tables, self.rows, self.bytes = [], 0, 0
        return rows

    def room(self, table: pa.Table, rows: int | None, size: int | None) -> int:
        """How many of a table's rows still fit; at least one into a piece that is not full."""
        if self.is_full(rows, size):
            return 0
        fit: int = table.num_rows if rows is None else min(rows - self.rows, table.num_rows)
        if size is not None:
            fit = min(fit, max(0, size - self.bytes) * table.num_rows // max(table.nbytes, 1) + 1)
        return fit

    def is_full(self, rows: int | None, size: int | None) -> bool:
        return (rows is not None and self.rows >= rows) or (size is not None and self.bytes >= size)


def _goes_on(table: pa.Table, names: Sequence[str], cuts: Sequence[tuple[int | bytes, ...]]) -> bool:
    """Whether the next row is known, and stands before the next cut."""
    return table.num_rows > 0 and (not cuts or rows_before(table.slice(0, 1), names, cuts[0]) > 0)
