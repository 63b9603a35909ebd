"""Let the EDMS's own connection compute what rows need that a merge writes: generated columns, and CHECKs, over its own functions.

It inserts the rows into tables with the real definitions, in a scratch database. The values that it computes are read from there.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import adbc_driver_sqlite.dbapi as adbc
import pyarrow as pa
import pyarrow.parquet as pq

from edms_tasks.databases.left_to_the_edms import LeftToTheEdms
from edms_tasks.databases.merge_transaction import TableChange
from edms_tasks.databases.protocol import Part
from edms_tasks.databases.sqlite.application_functions import in_file, strip_for_reading
from edms_tasks.databases.sqlite.staging import insert_rows
from edms_tasks.databases.sqlite.tables_of_the_edms import OwnTable
from edms_tasks.databases.sqlite.view import SqliteView
from edms_tasks.quoting import identifier, identifiers

BATCH_ROWS = 65_536


@dataclass(frozen=True)
class Computed:
    """A batch of rows with a table's stored generated columns, followed by their primary key."""

    columns: tuple[str, ...]
    tagged: Sequence[str]
    rows: pa.Table


def leave_to_the_edms(path: Path, own: Mapping[str, OwnTable], changes: Sequence[TableChange]) -> LeftToTheEdms | None:
    """Make the scratch database with the rows to write; returns what the EDMS has to run on it, None for nothing."""
    wanted = [change for change in changes if change.table.name in own]
    if not wanted:
        return None
    path.unlink(missing_ok=True)
    statements = []
    with closing(sqlite3.connect(path)) as made, made:
        for name in {change.table.name: None for change in wanted}:
            own[name].foreign.register(made)
            made.execute(own[name].definition)
    with adbc.connect(str(path), autocommit=True) as connection, connection.cursor() as cursor:
        for change in wanted:
            name, columns = change.table.name, [column.name for column in change.table.stored_columns]
            rows = f"rows of {name}"
            cursor.execute(f"CREATE TABLE {identifier(rows)} ({identifiers(columns)})")
            tagged = [column for column in columns if change.encodings[column] == "tagged"]
            for batch in batches((*change.inserts, *change.updates), columns):
                insert_rows(cursor, rows, batch, tagged)
            statements.append(
                f"INSERT INTO {identifier(name)} ({identifiers(columns)}) SELECT {identifiers(columns)} FROM {identifier(rows)}"
            )
    # The rows that these refer to are not in the scratch database.
    return LeftToTheEdms(path, ("PRAGMA foreign_keys = OFF", *statements, "PRAGMA integrity_check(1)"))


def make_readable(path: Path) -> None:
    """Give the scratch database's tables plain definitions, after the EDMS has computed."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        foreign = in_file(connection)
        foreign.register(connection)
        strip_for_reading(connection, foreign)


def computed_values(path: Path, own: OwnTable) -> Iterator[Computed]:
    """The values that the EDMS computed for a table's stored generated columns."""
    if not own.computed:
        return
    with closing(SqliteView(path)) as view:
        (table,) = (one for one in view.tables() if one.name == own.name)
        names = (*own.computed, *own.primary_key)
        columns = tuple(column for column in table.columns if column.name in names)
        part = table.model_copy(update={"columns": columns, "row_ids": False})
        # Tagged, a value is read back as the function returned it, whatever it is.
        measure = view.cautious(part, view.measure(part))
        tagged = [name for name in names if measure.encodings[name] == "tagged"]
        for rows in view.batches(part, measure, Part("", 0), BATCH_ROWS):
            yield Computed(own.computed, tagged, rows.select(list(names)))


def batches(paths: Sequence[Path], columns: Sequence[str]) -> Iterator[pa.Table]:
    """The rows of Parquet files with these columns, a batch at a time."""
    for path in paths:
        for batch in pq.ParquetFile(path).iter_batches(batch_size=BATCH_ROWS, columns=list(columns)):
            if batch.num_rows:
                yield pa.Table.from_batches([batch]).select(list(columns))
