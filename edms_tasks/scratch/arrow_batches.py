"""The rows of a query as Arrow batches, by whichever of DuckDB's two ways is cheaper for their number."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import duckdb
import pyarrow as pa

_FEW_ROWS = 2000
# DuckDB warns that this way copies the rows. For a few that costs less than the other, which binds the query twice.
warnings.filterwarnings("ignore", message="Arrow output on a DB-API result", category=UserWarning)


def arrow_batches(
    cursor: duckdb.DuckDBPyConnection, query: str, at_once: int, *, rows: int
) -> Iterator[pa.RecordBatch]:
    """The rows of a query, at most `at_once` in a batch; about `rows` are expected."""
    few = rows <= min(_FEW_ROWS, at_once)
    reader: pa.RecordBatchReader = (cursor.execute(query) if few else cursor.sql(query)).to_arrow_reader(at_once)
    yield from reader
