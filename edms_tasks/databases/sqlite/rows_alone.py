"""Which rows a table's unique keys refuse, asked in a table without them. A CHECK refuses none here: SQLite keeps the rows."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import adbc_driver_manager
import adbc_driver_sqlite.dbapi as adbc
import pyarrow.parquet as pq

from edms_tasks.databases.refused_together import RefusedRow, unique_queries
from edms_tasks.databases.sqlite.staging import insert_rows
from edms_tasks.manifest import TableEntry
from edms_tasks.quoting import identifier, mentions

_TWIN = "edms_refused_rows"


def refused_rows(path: Path, entry: TableEntry, chunks: Sequence[Path]) -> Iterator[RefusedRow]:
    """The rows of a table's chunks that its unique keys refuse, as far as this library can evaluate them.

    Args:
        path: a file in which the table is.
        entry: the table, with the encodings of its rows.
        chunks: its rows.
    """
    table = entry.table
    columns = [column.name for column in table.stored_columns]
    # They are not computed here, so no constraint is asked that names one.
    computed = [column.name.lower() for column in table.columns if column.generated]
    if not table.primary_key or not columns:
        return
    twin = path.with_name(f"{path.name}.{_TWIN}")
    try:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("ATTACH ? AS twin", [str(twin)])
            connection.execute(f"CREATE TABLE twin.{_TWIN} AS SELECT * FROM main.{identifier(table.name)} WHERE 0")
            connection.commit()
        with adbc.connect(str(twin), autocommit=True) as loader, loader.cursor() as cursor:
            cursor.execute("BEGIN")
            for chunk in chunks:
                insert_rows(cursor, _TWIN, pq.read_table(chunk, columns=columns), [])
            cursor.execute("COMMIT")
        with closing(sqlite3.connect(twin)) as connection:
            for name, query in unique_queries(table, _TWIN):
                if any(mentions(query.lower(), column) for column in computed):
                    continue
                try:
                    for group, *key in connection.execute(query):
                        yield RefusedRow(name, group, tuple(key))
                except sqlite3.OperationalError:
                    continue  # a function that the EDMS alone has
    except (sqlite3.Error, adbc_driver_manager.Error):
        return  # the database's own refusal is all that is known
    finally:
        twin.unlink(missing_ok=True)
