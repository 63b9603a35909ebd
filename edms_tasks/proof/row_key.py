"""The columns that order a table's rows, and their values: as text in the manifest, and in a form that Python compares.

Numbers and times are ordered by value, texts by their UTF-8 bytes. So the order depends neither on a database's collation nor on the
order in which it returns rows.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from edms_tasks.inventory.model import ROW_ID, Table


def possible_keys(table: Table, schema: pa.Schema) -> list[tuple[str, ...]]:
    """The columns that can order a table's rows, best first: SQLite's row id, then the primary key, as far as their types do."""
    candidates = [(ROW_ID,) if table.row_ids else (), table.primary_key]
    return [tuple(names) for names in candidates if can_order(names, schema)]


def can_order(names: Sequence[str], schema: pa.Schema) -> bool:
    """Whether rows of this schema have these columns, and their types have an order in which equal values have equal bits."""
    return bool(names) and all(name in schema.names and _orders(schema.field(name).type) for name in names)


def ascends(rows: pa.Table, names: Sequence[str]) -> bool:
    """Whether each row's key is greater than that of the row before it, and none has a NULL."""
    if any(rows[name].null_count for name in names):
        return False
    if rows.num_rows < 2:
        return True
    rises = equal = None
    for name in names:
        values = comparable_column(rows[name])
        before, after = values.slice(0, len(values) - 1), values.slice(1)
        greater, same = pc.less(before, after), pc.equal(before, after)
        rises = greater if rises is None else pc.or_(rises, pc.and_(equal, greater))
        equal = same if equal is None else pc.and_(equal, same)
    return bool(pc.all(rises).as_py())


def key_of_row(rows: pa.Table, names: Sequence[str], row: int) -> tuple[int | bytes, ...]:
    """The key of a row, for comparison with others of the same columns."""
    return tuple(_comparable(rows[name].slice(row, 1)) for name in names)


def rows_before(table: pa.Table, names: Sequence[str], cut: tuple[int | bytes, ...]) -> int:
    """The number of rows whose keys are less than a cut; the rows must be in the order of their keys, and at least one."""
    if key_of_row(table, names, table.num_rows - 1) < cut:
        return int(table.num_rows)
    found: int = bisect_left(range(table.num_rows), cut, key=lambda row: key_of_row(table, names, row))
    return found


def as_texts(key: Sequence[int | bytes], kinds: Sequence[pa.DataType]) -> tuple[str, ...]:
    """A key as the manifest has it: integers, days and microseconds in decimal, texts as they are, bytes in hex."""
    return tuple(
        str(part) if isinstance(part, int) else part.decode() if pa.types.is_string(kind) else part.hex()
        for part, kind in zip(key, kinds, strict=True)
    )


def from_texts(texts: Sequence[str], kinds: Sequence[pa.DataType]) -> tuple[int | bytes, ...]:
    """The key whose texts these are; raises ValueError if they are no values of these types."""
    return tuple(
        text.encode() if pa.types.is_string(kind) else bytes.fromhex(text) if pa.types.is_binary(kind) else int(text)
        for text, kind in zip(texts, kinds, strict=True)
    )


def comparable_column(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Values in a type whose order is that of the key: texts as bytes, times as integers."""
    kind = values.type
    if pa.types.is_string(kind):
        return values.cast(pa.binary())
    if pa.types.is_date32(kind):
        return values.cast(pa.int32())
    return values.cast(pa.int64()) if pa.types.is_timestamp(kind) else values


def _orders(kind: pa.DataType) -> bool:
    # Equal floats may differ in their bits, and NaN equals nothing.
    return bool(
        pa.types.is_integer(kind)
        or pa.types.is_string(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_date32(kind)
        or pa.types.is_timestamp(kind)
    )


def _comparable(one: pa.ChunkedArray) -> int | bytes:
    value: int | bytes = comparable_column(one)[0].as_py()
    return value
