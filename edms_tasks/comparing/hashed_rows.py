"""Hash all rows of a table, so that one pass shows which rows of two sides are equal."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from edms_tasks.comparing.fields import compared, compared_column, fields_of
from edms_tasks.digests.canonical import CONTENT, EXACT, halves, with_hashes
from edms_tasks.digests.chunk_columns import KEY
from edms_tasks.digests.table_state import HALVES
from edms_tasks.identifying.sides import Side
from edms_tasks.inventory.model import Table
from edms_tasks.keys.joined_rows import joined
from edms_tasks.quoting import identifier, identifiers, literal
from edms_tasks.scratch.raw_table import RawTable
from edms_tasks.scratch.workspace import AS_PARQUET

EXACT_HALVES, CONTENT_HALVES = HALVES[:2], HALVES[2:]
REPEAT = "@key:repeat"
HELD = (*EXACT_HALVES, REPEAT)
"""Columns that identify a side's rows: the hash of all values, and a number for rows with equal values."""
FOUND_AGAIN = (*HELD, *CONTENT_HALVES)
"""Columns by which a row is looked up again; the content hash shows that the row has not changed."""


@dataclass(frozen=True)
class HashedRows:
    """A side's rows in a Parquet file: primary key, `@key`, and two hashes in halves.

    The exact hash covers all values of a row; the content hash covers its fields without ids.
    """

    side: Side
    table: Table
    path: Path
    hashed: int  # how many rows are in the file

    @property
    def relation(self) -> str:
        """SQL: the relation to select from."""
        return f"read_parquet({literal(str(self.path))})"

    @property
    def rows(self) -> int:
        """The number of rows."""
        return self.side.raws[self.table.id].rows


def write_hashes(side: Side, other: Side, table: Table, path: Path) -> HashedRows:
    """Hash a side's rows of a table, and write them to `path`."""
    columns = identifiers([*table.primary_key, KEY, *EXACT_HALVES, *CONTENT_HALVES, REPEAT])
    with side.workspace.cursor() as cursor:
        cursor.execute(
            f"COPY (SELECT {columns} FROM ({hashed(side, other, table, side.raws[table.id])})) "
            f"TO {literal(str(path))} {AS_PARQUET}"
        )
    return HashedRows(side, table, path, pq.read_metadata(path).num_rows)


def hashed(side: Side, other: Side, table: Table, raw: RawTable) -> str:
    """SQL: SELECT the rows `raw` of a table with all columns of `serialize.joined` and their hashes."""
    fields = fields_of(table)
    plain = [field for field in fields if field.is_column]
    own = {field.name for field in plain}
    rows = with_hashes(
        f"({joined(table, raw, side.keys)})",
        common=[compared(field, side, other, table) for field in plain],
        exact=[compared_column(column.name, side, other, table) for column in table.columns if column.name not in own],
        content=[compared(field, side, other, table) for field in fields if not field.is_column],
    )
    split = [
        f"{half} AS {identifier(name)}"
        for column, names in ((EXACT, EXACT_HALVES), (CONTENT, CONTENT_HALVES))
        for half, name in zip(halves(column), names, strict=True)
    ]
    repeat = "1" if _has_unique_keys(table) else f"row_number() OVER (PARTITION BY {EXACT})"
    # A row without a natural key is identified by the hash of its content.
    key = (
        identifier(KEY)
        if side.keys.keys[table.id].natural_key is not None
        else f"""'["content","' || printf('%032x', {CONTENT}) || '"]'"""
    )
    return (
        f"SELECT * REPLACE ({key} AS {identifier(KEY)}), {', '.join(split)}, "
        f"CAST({repeat} AS BIGINT) AS {identifier(REPEAT)} FROM ({rows})"
    )


def _has_unique_keys(table: Table) -> bool:
    """Whether no two rows can be equal; they can if an SQLite primary key is NULL."""
    return bool(table.primary_key) and not any(table.column(name).nullable for name in table.primary_key)
