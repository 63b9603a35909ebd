"""The raw rows of a table in the order of its proof: by key, or, if they have no key of their own, by the hash of their text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from edms_tasks.digests.canonical import row_text, text_of
from edms_tasks.inventory.model import Table
from edms_tasks.proof.row_order import ascending, boundaries_of, in_order, is_ascending, number_of_parts
from edms_tasks.quoting import identifier
from edms_tasks.scratch.arrow_batches import arrow_batches
from edms_tasks.scratch.raw_table import RawTable
from edms_tasks.scratch.workspace import Workspace, relation, types_of_rows

ORDER = "@order"
"""The column with the hash of a row's text."""


def rows_by_key(raw: RawTable, names: Sequence[str], folder: Path) -> Iterator[pa.Table]:
    """All raw rows, ascending by the columns `names`; raises NotInOrder if a key repeats or has a NULL.

    Rows that were read in that order are not sorted. `folder` is for temporary files; it must not exist yet.
    """
    if not raw.files:
        return
    rows = _as_read(raw)
    if number_of_parts(raw) < 2 or not is_ascending(raw, names):
        rows = in_order(rows, pq.read_schema(raw.files[0]), names, boundaries_of(raw, names), folder)
    yield from ascending(rows, names)


def rows_by_text(table: Table, raw: RawTable, workspace: Workspace, folder: Path) -> Iterator[pa.Table]:
    """All raw rows by the SHA-256 of their text; equal rows are interchangeable, and each of them is there."""
    if not raw.files:
        return
    schema = pq.read_schema(raw.files[0])
    with workspace.cursor() as cursor:
        with_order = f"SELECT *, {order_of_text(table, types_of_rows(cursor, table, raw))} FROM "
        rows = (
            pa.Table.from_batches([batch])
            for part, at_once in raw.by_width()
            for batch in arrow_batches(cursor, with_order + relation(table, part), at_once, rows=part.rows)
        )
        yield from by_text(rows, schema, raw, folder)


def by_text(rows: Iterator[pa.Table], schema: pa.Schema, raw: RawTable, folder: Path) -> Iterator[pa.Table]:
    """Rows by the column `ORDER`, which is left out of them then; `schema` is of the rows without it."""
    parts = number_of_parts(raw)
    even = pa.table({ORDER: [f"{place * 65536 // parts:04x}" for place in range(1, parts)]}) if parts > 1 else None
    wanted = pa.schema([*schema, pa.field(ORDER, pa.string())])
    placed = (table.select(wanted.names).cast(wanted) for table in rows)
    for table in in_order(placed, wanted, (ORDER,), even, folder):
        yield table.drop_columns([ORDER])


def order_of_text(table: Table, types: Mapping[str, str]) -> str:
    """SQL of the column `ORDER` for rows of a table whose columns have these DuckDB types."""
    texts = [text_of(identifier(column.name), types[column.name]) for column in table.columns]
    return f"sha256({row_text(texts)}) AS {identifier(ORDER)}"


def _as_read(raw: RawTable) -> Iterator[pa.Table]:
    for path in raw.files:
        with pq.ParquetFile(path) as file:
            for number in range(file.num_row_groups):
                yield file.read_row_group(number)
