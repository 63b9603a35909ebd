"""A table's rows with their natural keys, in the order of its proof."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from edms_tasks.inventory.model import Table
from edms_tasks.keys.checked_keys import CheckedKeys
from edms_tasks.keys.joined_rows import chunk_columns, joined
from edms_tasks.proof.order_choice import choose_order
from edms_tasks.proof.row_order import ascending, boundaries_of, in_order, is_ascending, number_of_parts
from edms_tasks.proof.row_streams import ORDER, by_text, order_of_text
from edms_tasks.quoting import identifiers
from edms_tasks.scratch.arrow_batches import arrow_batches
from edms_tasks.scratch.raw_table import RawTable


@dataclass(frozen=True)
class OrderedRows:
    """Rows as a chunk has them, ascending by `columns`, or by their text if there are none.

    Reading `tables` raises NotInOrder if they do not ascend.
    """

    tables: Iterator[pa.Table]
    columns: tuple[str, ...]
    schema: pa.Schema


def rows_with_keys(
    cursor: duckdb.DuckDBPyConnection,
    table: Table,
    raw: RawTable,
    keys: CheckedKeys,
    folder: Path,
    previous: Sequence[str] = (),
) -> Iterator[OrderedRows]:
    """The rows in each order that is worth trying: the first that can be read to its end is that of the table's proof.

    A join may give rows back in another order than they were read in, and a key with NULLs or duplicates orders no rows.
    `folder` is for temporary files; it must not exist. `previous` are the columns that ordered the rows in the previous snapshot.
    """
    for columns in choose_order(table, raw, previous):
        yield from rows_by_columns(cursor, table, raw, keys, folder, columns)
    schema = _schema(table, raw, keys)
    with_text = pa.schema([*schema, pa.field(ORDER, pa.string())])
    order = order_of_text(table, keys.types[table.id])
    yield OrderedRows(by_text(_rows(cursor, table, raw, keys, with_text, order), schema, raw, folder), (), schema)


def rows_by_columns(
    cursor: duckdb.DuckDBPyConnection,
    table: Table,
    raw: RawTable,
    keys: CheckedKeys,
    folder: Path,
    columns: tuple[str, ...],
) -> Iterator[OrderedRows]:
    """The rows in the order of these columns: as they come, if that is the order in which they were read; then sorted."""
    schema = _schema(table, raw, keys)
    if number_of_parts(raw) > 1 and is_ascending(raw, columns):
        yield OrderedRows(ascending(_rows(cursor, table, raw, keys, schema), columns), columns, schema)
    rows = _rows(cursor, table, raw, keys, schema)
    placed = in_order(rows, schema, columns, boundaries_of(raw, columns), folder)
    yield OrderedRows(ascending(placed, columns), columns, schema)


def _rows(
    cursor: duckdb.DuckDBPyConnection, table: Table, raw: RawTable, keys: CheckedKeys, schema: pa.Schema, *also: str
) -> Iterator[pa.Table]:
    """The rows with keys and the columns `also` (SQL), about 8 MB at a time, because some of them are copied to be sorted."""
    columns = ", ".join([identifiers(chunk_columns(table, keys)), *also])
    for part, at_once in raw.by_width():
        query = f"SELECT {columns} FROM ({joined(table, part, keys)})"
        for batch in arrow_batches(cursor, query, max(1, at_once // 8), rows=part.rows):
            yield pa.Table.from_batches([batch]).cast(schema)


def _schema(table: Table, raw: RawTable, keys: CheckedKeys) -> pa.Schema:
    """The schema of a table's chunks: raw columns keep the types of the raw files, which DuckDB must not change; keys are text."""
    read = {field.name: field.type for field in pq.read_schema(raw.files[0])} if raw.files else {}
    return pa.schema([(name, read.get(name, pa.string())) for name in chunk_columns(table, keys)])
