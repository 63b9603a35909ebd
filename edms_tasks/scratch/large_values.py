"""Which column of a table has the large values, for the error when memory runs out while its rows are at work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb
import pyarrow.parquet as pq

from edms_tasks.count_text import count_text
from edms_tasks.scratch.raw_table import RawTable


@contextmanager
def naming_the_largest_column(raw: RawTable) -> Iterator[None]:
    """Note at an error for lack of memory which column of these rows is the largest one."""
    try:
        yield
    except (duckdb.OutOfMemoryException, MemoryError) as error:
        if note := _largest_column(raw):
            error.add_note(note)
        raise


def _largest_column(raw: RawTable) -> str:
    """The column with the most bytes a row in any row group; only footers are read. Empty if there are no rows."""
    found = (0.0, "", 0, 0)
    for path in raw.files:
        footer = pq.read_metadata(path)
        for group in (footer.row_group(number) for number in range(footer.num_row_groups)):
            for column in (group.column(number) for number in range(group.num_columns)):
                size, rows = column.total_uncompressed_size, group.num_rows
                found = max(found, (size / max(rows, 1), column.path_in_schema, size, rows))
    _, name, size, rows = found
    return (
        f"The largest column of these rows is {name}: {size / 1e6:,.0f} MB in {count_text(rows, 'row')}."
        if name
        else ""
    )
