"""Choose the columns that order a table's rows.

Rows in the order in which they were written compress better, need no sorting, and a later backup finds new ones at the end. The order must
follow from values alone, because a restored database, or one that was reorganised, returns rows in another order. SQLite's row id and
a counter have both; a random key (UUID) has neither, but a time or counter beside it often has: then that column comes first.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from edms_tasks.inventory.model import Table
from edms_tasks.proof.row_key import can_order, comparable_column, possible_keys
from edms_tasks.scratch.raw_table import RawTable

_IN_ORDER = 0.05
"""The most neighbouring rows that may descend in a column for which rows count as written in its order."""

_LARGE = 16_384  # rows; smaller tables are ordered by their key, whatever it is


def choose_order(table: Table, raw: RawTable, previous: Sequence[str] = ()) -> list[tuple[str, ...]]:
    """The orders to try, best first. Each is right if rows ascend in it strictly; if none is, their text orders them.

    Args:
        table: the table.
        raw: its rows.
        previous: the columns that ordered them in the previous snapshot, whose blocks can then be compared.
    """
    if not raw.files:
        return []
    schema = pq.read_schema(raw.files[0])
    keys = possible_keys(table, schema)
    chosen = list(keys)
    if keys and raw.rows >= _LARGE and _disorder(raw, keys[0][0]) > _IN_ORDER:
        chosen = [(name, *keys[0]) for name in _written_in_order(table, raw, schema, keys[0])] + chosen
    if can_order(previous, schema) and any(tuple(previous[-len(key) :]) == key for key in keys):
        chosen = [tuple(previous), *(one for one in chosen if one != tuple(previous))]
    return chosen


def _written_in_order(table: Table, raw: RawTable, schema: pa.Schema, key: Sequence[str]) -> list[str]:
    """The column in whose order rows were written; none if there is no such column."""
    found = {}
    for column in table.columns:
        kind = schema.field(column.name).type
        if column.name in key or column.nullable:
            continue
        if pa.types.is_timestamp(kind) or pa.types.is_date32(kind) or pa.types.is_integer(kind):
            found[column.name] = _disorder(raw, column.name)
    return [name for name in sorted(found, key=lambda name: found[name])[:1] if found[name] <= _IN_ORDER]


def _disorder(raw: RawTable, name: str) -> float:
    """The share of rows whose value is less than that of the row before; 1 if values are missing, or most rows repeat the one before."""
    descents = rises = rows = 0
    for path in raw.files:
        with pq.ParquetFile(path) as file:
            values = comparable_column(file.read(columns=[name])[name]).combine_chunks()
        if values.null_count:
            return 1.0
        before, after = values.slice(0, max(len(values) - 1, 0)), values.slice(1)
        descents += pc.sum(pc.less(after, before)).as_py() or 0
        rises += pc.sum(pc.less(before, after)).as_py() or 0
        rows += len(values)
    return descents / max(rows, 1) if (rises + descents) * 2 > rows else 1.0
