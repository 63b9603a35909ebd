"""Read a table that no query can read (unplannable_tables.py) by COPY, which writes each value's text by its type's output function.

The result has the same values and Arrow types as that of a query.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
import pyarrow as pa
import pyarrow.compute as pc

from edms_tasks.databases.address import DatabaseAddress
from edms_tasks.databases.postgresql.connection import connected
from edms_tasks.databases.postgresql.read_failures import unreadable_rows
from edms_tasks.inventory.model import Table
from edms_tasks.quoting import identifier, identifiers

_AT_A_TIME = 5_000
_FIRST, _LAST = "0001-01-02", "9999-12-30"  # the dates between are the same in Arrow and Python
_AT_LAST = rf"^{_LAST}( 00:00:00(\+00)?)?$"


@dataclass(frozen=True)
class CopiedRows:
    """Reads such tables under the exported snapshot of a view."""

    address: DatabaseAddress
    snapshot: str
    search_path: str  # the EDMS's, which its functions need

    def batches(self, table: Table) -> Iterator[pa.Table]:
        """The rows, some thousand at a time, with every value as text."""
        names = [column.name for column in table.columns]
        schema = pa.schema([(name, pa.string()) for name in names])
        with self._session(table) as copy:
            rows: list[tuple[str | None, ...]] = []
            for row in copy(f"COPY {identifier(table.schema_name, table.name)} ({identifiers(names)}) TO STDOUT"):
                rows.append(row)
                if len(rows) == _AT_A_TIME:
                    yield _arrow(rows, schema)
                    rows = []
            if rows:
                yield _arrow(rows, schema)

    @contextmanager
    def _session(self, table: Table) -> Iterator[Callable[[str], Iterator[tuple[str | None, ...]]]]:
        with connected(self.address, autocommit=False) as connection:
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            connection.execute(f"SET TRANSACTION SNAPSHOT '{self.snapshot}'".encode())
            connection.execute("SELECT pg_catalog.set_config('search_path', %s, true)", (self.search_path,))

            def copy(statement: str) -> Iterator[tuple[str | None, ...]]:
                try:
                    with connection.cursor() as cursor, cursor.copy(statement.encode()) as stream:
                        yield from stream.rows()
                except psycopg.Error as error:
                    if known := unreadable_rows(error, table, self.address):
                        raise known from error
                    raise

            yield copy


def rows_and_strange_dates(batches: Iterator[pa.Table], dated: Sequence[str]) -> tuple[int, set[str]]:
    """The number of rows, and which of the columns `dated` have dates that Arrow or Python cannot represent."""
    rows, beyond = 0, set[str]()
    for batch in batches:
        rows += batch.num_rows
        for name in dated:
            values = batch[name]
            usual = pc.match_substring_regex(values, r"^\d{4}-\d{2}-\d{2}($| [^B]*$)")  # neither infinity nor BC
            day = pc.utf8_slice_codeunits(values, 0, 10)
            late = pc.and_(pc.greater_equal(day, _LAST), pc.invert(pc.match_substring_regex(values, _AT_LAST)))
            if pc.any(pc.or_(pc.invert(usual), pc.or_(pc.less(day, _FIRST), late))).as_py():
                beyond.add(name)
    return rows, beyond


def as_types(batch: pa.Table, schema: pa.Schema) -> pa.Table:
    """The batch with its texts converted to the types of the schema."""
    return pa.table([_typed(batch[field.name], field.type) for field in schema], schema=schema)


def _typed(texts: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    if kind == pa.bool_():
        return pc.equal(texts, "t")
    if kind == pa.binary():
        return pa.chunked_array(
            [[None if text is None else bytes.fromhex(text[2:]) for text in texts.to_pylist()]], kind
        )
    return texts.cast(kind)


def _arrow(rows: Sequence[tuple[str | None, ...]], schema: pa.Schema) -> pa.Table:
    return pa.table([pa.array(column, pa.string()) for column in zip(*rows, strict=True)], schema=schema)
