"""Prove the rows of a table: blocks with the hashes of their columns, and the differences from the blocks of a snapshot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from edms_tasks.errors import DamagedRepository
from edms_tasks.inventory.model import ROW_ID, Table
from edms_tasks.manifest import Block, TableEntry
from edms_tasks.proof.block_cuts import BLOCK_BYTES, Piece, cut_at_counts, cut_at_keys
from edms_tasks.proof.block_hash import hash_columns, hash_table
from edms_tasks.proof.order_choice import choose_order
from edms_tasks.proof.row_key import as_texts, from_texts, key_of_row
from edms_tasks.proof.row_order import NotInOrder
from edms_tasks.proof.row_streams import rows_by_key, rows_by_text
from edms_tasks.quoting import identifier, identifiers
from edms_tasks.scratch.raw_table import RawTable
from edms_tasks.scratch.workspace import Workspace, relation

BLOCK_ROWS = 65_536


@dataclass(frozen=True)
class BlockDifference:
    """A block of a snapshot whose rows are not as they were: in which columns."""

    block: int
    columns: tuple[str, ...]  # all of them if the number of rows differs


@dataclass(frozen=True)
class Measurement:
    """The proof of rows, and where they differ from a snapshot; without proof if they cannot be cut into its blocks."""

    proof: str | None
    differences: tuple[BlockDifference, ...] = ()


def own_columns(table: Table) -> tuple[str, ...]:
    """The columns that a table's proof covers, in its order: its own, and SQLite's row id if it is stored."""
    return (*(column.name for column in table.columns), *((ROW_ID,) if table.row_ids else ()))


def types_of(schema: pa.Schema) -> dict[str, str]:
    """Column -> name of its Arrow type, as the manifest has it."""
    return {field.name: str(field.type) for field in schema}


def block_of(rows: pa.Table, ordered_by: Sequence[str], columns: dict[str, str]) -> Block:
    """The manifest's block of rows that have these hashes."""
    kinds = [rows.schema.field(name).type for name in ordered_by]
    return Block(rows=rows.num_rows, first=as_texts(key_of_row(rows, ordered_by, 0), kinds), columns=columns)


def cuts_of(entry: TableEntry, schema: pa.Schema) -> list[tuple[int | bytes, ...]]:
    """The keys at which the rows of an entry are cut. Raises DamagedRepository if they are no keys of this schema."""
    ordered_by, blocks = entry.ordered_by or (), entry.blocks or ()
    kinds = [schema.field(name).type for name in ordered_by]
    try:
        return [from_texts(block.first, kinds) for block in blocks[1:]]
    except ValueError as error:
        raise DamagedRepository(
            "The manifest names no possible key of a row.",
            where=entry.table.label,
            why=str(error),
            fix="Use another snapshot (`edms-backup list`).",
        ) from error


def measure(entry: TableEntry, raw: RawTable, workspace: Workspace) -> Measurement:
    """Prove raw rows in the blocks of an entry, so that equal rows have its proof, in whatever order they were read.

    Args:
        entry: the snapshot's table.
        raw: rows with its columns.
        workspace: where to compute; rows that must be sorted are written to its folder.
    """
    names = own_columns(entry.table)
    expected = entry.blocks or ()
    if not raw.files:
        return _compared([], expected, names) if not raw.rows else Measurement(None)
    schema = pq.read_schema(raw.files[0])
    found = types_of(schema)
    other_types = [name for name in names if found[name] != (entry.types or {}).get(name)]
    if other_types and expected:
        return Measurement(None, (BlockDifference(0, tuple(other_types)),))
    try:
        pieces = _pieces(entry, raw, workspace, workspace.scratch("order"))
        made = [
            (
                piece.place,
                Block(
                    rows=piece.rows.num_rows, first=(), columns=hash_columns(piece.rows.select(names), raw.encodings)
                ),
            )
            for piece in pieces
        ]
    except NotInOrder:
        return Measurement(None)
    return _compared(made, expected, names)


def ordering_of(table: Table, raw: RawTable, workspace: Workspace) -> tuple[str, ...]:
    """The columns that order raw rows; none if there is no such key, or it has NULLs or duplicates."""
    for names in choose_order(table, raw):
        filled = " AND ".join(f"{identifier(name)} IS NOT NULL" for name in names)
        with workspace.cursor() as cursor:
            ((unique,),) = cursor.execute(
                f"SELECT count(*) = count(DISTINCT ({identifiers(names)})) FILTER ({filled}) FROM {relation(table, raw)}"
            ).fetchall()
        if unique:
            return names
    return ()


def cut_anew(
    table: Table, raw: RawTable, ordered_by: Sequence[str], workspace: Workspace
) -> Iterator[tuple[pa.Table, Block]]:
    """Raw rows and their blocks, as if they were stored for the first time; see `measure`."""
    folder = workspace.scratch("order")
    rows = rows_by_key(raw, ordered_by, folder) if ordered_by else rows_by_text(table, raw, workspace, folder)
    for piece in cut_at_keys(rows, ordered_by, (), rows=BLOCK_ROWS, size=BLOCK_BYTES):
        yield piece.rows, block_of(piece.rows, ordered_by, hash_columns(piece.rows, raw.encodings))


def _pieces(entry: TableEntry, raw: RawTable, workspace: Workspace, folder: Path) -> Iterator[Piece]:
    if entry.ordered_by:
        rows = rows_by_key(raw, entry.ordered_by, folder)
        return cut_at_keys(rows, entry.ordered_by, cuts_of(entry, pq.read_schema(raw.files[0])))
    counts = [block.rows for block in entry.blocks or ()]
    return cut_at_counts(rows_by_text(entry.table, raw, workspace, folder), counts)


def _compared(made: Sequence[tuple[int, Block]], expected: Sequence[Block], names: Sequence[str]) -> Measurement:
    found = dict(made)
    different = []
    for place in sorted(found.keys() | set(range(len(expected)))):
        was = expected[place] if place < len(expected) else None
        if columns := _different_columns(was, found.get(place), names):
            different.append(BlockDifference(place, columns))
    return Measurement(hash_table([block for _, block in made], names), tuple(different))


def _different_columns(was: Block | None, now: Block | None, names: Sequence[str]) -> tuple[str, ...]:
    if was is None or now is None or was.rows != now.rows:
        return tuple(names) or ("",)
    return tuple(name for name in names if was.columns.get(name) != now.columns[name])
