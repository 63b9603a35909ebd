"""Extract: write the rows of a table, unchanged, from the consistent view to Parquet files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from edms_tasks.databases.protocol import Measure, Part, View
from edms_tasks.errors import CheckFailed, TerminalError
from edms_tasks.inventory.model import FOUND, ROW_ID, Table
from edms_tasks.scratch.raw_table import RawTable, write_raw


def extract_table(view: View, table: Table, folder: Path, chunk_rows: int, like: RawTable | None = None) -> RawTable:
    """Read a whole table into `folder` (created), at most `chunk_rows` rows a file.

    Args:
        view: the view to read from.
        table: the table to read.
        folder: the folder for the files.
        chunk_rows: the most rows of a file.
        like: rows whose encodings are used instead of those that the present values suggest.

    Raises:
        CheckFailed: the engine counted another number of rows than it delivered.
    """
    _require_carriable(table)
    measure = measured(view, table, like)
    parts = view.parts(table)
    try:
        read = [
            extract_part(view, table, measure, part, folder / str(number), chunk_rows)
            for number, part in enumerate(parts)
        ]
    except pa.ArrowInvalid:
        # A text is not valid UTF-8, which Arrow requires: read the table again with every text tagged.
        measure = view.cautious(table, measure)
        read = [
            extract_part(view, table, measure, part, folder / f"{number}-cautious", chunk_rows)
            for number, part in enumerate(parts)
        ]
    return together(table, measure, read)


def measured(view: View, table: Table, like: RawTable | None = None) -> Measure:
    """The measure of a table: its number of rows, and the encodings for its present values, or those of `like`.

    With `like`, a part of a table gets the encodings of the whole; its own values might suggest others.
    """
    found = view.measure(table)
    if found.rows and not table.columns:
        raise TerminalError(
            f"{table.label} has rows, but no columns.",
            where=table.id,
            why="A snapshot holds the values of rows, and these have none: their number would be lost.",
            fix=f'Give it a column, or leave the table out: [exclude] tables = ["{table.label}"].',
        )
    if like is None or not like.files:
        return found
    stored = {field.name: field.type for field in pq.read_schema(like.files[0])}
    if not found.types.keys() <= stored.keys() & like.encodings.keys():
        return found  # the columns differ; the digests will show it
    return Measure(
        rows=found.rows,
        encodings={name: like.encodings[name] for name in found.types},
        types={name: stored[name] for name in found.types},
    )


def extract_part(view: View, table: Table, measure: Measure, part: Part, folder: Path, chunk_rows: int) -> RawTable:
    """Read one part of a measured table; `together` combines the parts."""
    _require_carriable(table)
    folder.mkdir(parents=True, exist_ok=True)
    files: list[Path] = []
    rows = 0
    for piece in view.batches(table, measure, part, chunk_rows):
        path = folder / f"{len(files):06d}.parquet"
        write_raw(piece, path)
        files.append(path)
        rows += piece.num_rows
    return RawTable(table_id=table.id, rows=rows, encodings=measure.encodings, files=tuple(files))


def together(table: Table, measure: Measure, parts: Sequence[RawTable]) -> RawTable:
    """Combine the parts of a table.

    Raises:
        CheckFailed: the engine counted another number of rows than it delivered.
    """
    rows = sum(part.rows for part in parts)
    if rows != measure.rows and table.columns:
        raise CheckFailed(
            f"{table.label}: {rows} rows were read, but the database counts {measure.rows}.",
            where=table.id,
            fix="Nothing was stored. Run the backup again; if it repeats, check the database's indexes (REINDEX) and disks.",
        )
    files = tuple(path for part in parts for path in part.files)
    return RawTable(table_id=table.id, rows=measure.rows, encodings=measure.encodings, files=files)


def _require_carriable(table: Table) -> None:
    """Check the column names: a chunk needs names that differ in more than case and are not reserved. Raises TerminalError."""
    names = [column.name.lower() for column in table.columns]
    doubled = sorted({name for name in names if names.count(name) > 1})
    reserved = [name for name in names if name.startswith(("@key", "@ref:", "@soft:", FOUND, ROW_ID))]
    if doubled or reserved:
        raise TerminalError(
            f"{table.label} has columns that cannot be backed up: {', '.join(doubled + reserved)}.",
            where=table.id,
            why="Column names in a chunk must differ in more than case, and must not begin like the format's own.",
            fix=f'Rename the column, or leave the table out: [exclude] tables = ["{table.label}"].',
        )
