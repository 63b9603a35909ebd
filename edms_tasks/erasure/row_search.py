"""Look for a row in a snapshot: a name with a typing error would erase nothing, for ever and in silence."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import duckdb

from edms_tasks.chunks.stored_chunks import fetch_chunks
from edms_tasks.digests.value_text import text_value
from edms_tasks.manifest import Encoding, TableEntry
from edms_tasks.quoting import literal
from edms_tasks.repository import Repository
from edms_tasks.scratch.workspace import column_types


def matching(
    row: Mapping[str, str], types: Mapping[str, str], encodings: Mapping[str, Encoding]
) -> tuple[str, list[str]]:
    """SQL of whether a row is the one with these texts in its columns, and the values for its parameters."""
    wanted = " AND ".join(f"{text_value(name, types[name], encodings.get(name, 'native'))} = ?" for name in row)
    return wanted, list(row.values())


def count_rows(
    cursor: duckdb.DuckDBPyConnection,
    repository: Repository,
    entry: TableEntry,
    row: Mapping[str, str],
    folder: Path,
) -> int:
    """The number of rows of a snapshot's table with these texts in their columns. `folder` is created; its files are removed."""
    found = 0
    for path in fetch_chunks(repository, entry, folder) if entry.chunks else ():
        source = f"read_parquet({literal(str(path))})"
        types = column_types(cursor, source)
        if row.keys() <= types.keys():
            wanted, values = matching(row, types, entry.encodings)
            ((count,),) = cursor.execute(f"SELECT count(*) FROM {source} WHERE {wanted}", values).fetchall()
            found += int(count)
        path.unlink()
    return found
