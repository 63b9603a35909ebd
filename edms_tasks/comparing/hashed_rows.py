"""All rows of a table as hashes, which show in one pass which rows are equal."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from edms_tasks.comparing.fields import carried, fields_of, said
from edms_tasks.digests.canonical import CONTENT, EXACT, halves, with_hashes
from edms_tasks.digests.chunk_columns import KEY
from edms_tasks.digests.table_state import HALVES
from edms_tasks.identifying.sides import Side
from edms_tasks.inventory.model import Table
from edms_tasks.quoting import identifier, identifiers, literal
from edms_tasks.scratch.raw_table import RawTable
from edms_tasks.scratch.workspace import AS_PARQUET
from edms_tasks.serialize import joined

EXACT_HALVES, CONTENT_HALVES = HALVES[:2], HALVES[2:]
REPEAT = "@key:repeat"
HELD = (*EXACT_HALVES, REPEAT)
"""What identifies a side's rows: all their values, and a number for rows with the same values."""
FOUND_AGAIN = (*HELD, *CONTENT_HALVES)
"""By what a row is looked up once more, so that it is certain to say what it said."""


@dataclass(frozen=True)
class HashedRows:
    """A side's rows in a Parquet file: primary key, `@key`, two hashes in halves, of all that a row holds and of what it says."""

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
    """Hash a side's rows of a table."""
    columns = identifiers([*table.primary_key, KEY, *EXACT_HALVES, *CONTENT_HALVES, REPEAT])
    with side.workspace.cursor() as cursor:
        cursor.execute(
            f"COPY (SELECT {columns} FROM ({hashed(side, other, table, side.raws[table.id])})) "
            f"TO {literal(str(path))} {AS_PARQUET}"
        )
    return HashedRows(side, table, path, pq.read_metadata(path).num_rows)


def hashed(side: Side, other: Side, table: Table, raw: RawTable) -> str:
    """SELECT rows (all of a table's, or some) with everything that `serialize.joined` gives, and their hashes."""
    fields = fields_of(table)
    plain = [field for field in fields if field.is_column]
    own = {field.name for field in plain}
    rows = with_hashes(
        f"({joined(table, raw, side.keys)})",
        common=[said(field, side, other, table) for field in plain],
        exact=[carried(column.name, side, other, table) for column in table.columns if column.name not in own],
        content=[said(field, side, other, table) for field in fields if not field.is_column],
    )
    split = [
        f"{half} AS {identifier(name)}"
        for column, names in ((EXACT, EXACT_HALVES), (CONTENT, CONTENT_HALVES))
        for half, name in zip(halves(column), names, strict=True)
    ]
    repeat = "1" if _has_unique_keys(table) else f"row_number() OVER (PARTITION BY {EXACT})"
    # A row that nothing names is what it says.
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
