"""Look for a row in a snapshot: a name with a typing error would erase nothing, for ever and in silence."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class FoundRows:
    """Rows of a snapshot's table: how many there are, their primary keys, and rows with one of `known` keys that are others."""

    rows: int = 0
    keys: frozenset[str] = frozenset()
    others: int = 0


def find_rows(
    cursor: duckdb.DuckDBPyConnection,
    repository: Repository,
    entry: TableEntry,
    row: Mapping[str, str],
    folder: Path,
    known: Collection[str] = (),
) -> FoundRows:
    """The rows with these texts in their columns, and those with a primary key of `known` and other texts: renamed ones.

    Keys of several columns are not compared. `folder` is created; its files are removed.
    """
    key = entry.table.primary_key[0] if len(entry.table.primary_key) == 1 else None
    found = FoundRows()
    for path in fetch_chunks(repository, entry, folder) if entry.chunks else ():
        source = f"read_parquet({literal(str(path))})"
        types = column_types(cursor, source)
        if row.keys() <= types.keys():
            wanted, values = matching(row, types, entry.encodings)
            pk = text_value(key, types[key], entry.encodings.get(key, "native")) if key in types else "NULL"
            ((count, keys, others),) = cursor.execute(
                f"""
                SELECT
                    count(*) FILTER (WHERE matches),
                    list(DISTINCT pk) FILTER (WHERE matches AND pk IS NOT NULL),
                    count(*) FILTER (WHERE NOT coalesce(matches, false) AND list_contains(?, pk))
                FROM (SELECT {wanted} AS matches, {pk} AS pk FROM {source})
                """,
                [list(known), *values],
            ).fetchall()
            found = FoundRows(found.rows + int(count), found.keys | set(keys or ()), found.others + int(others))
        path.unlink()
    return found


def count_rows(
    cursor: duckdb.DuckDBPyConnection,
    repository: Repository,
    entry: TableEntry,
    wanted: Sequence[Mapping[str, str]],
    folder: Path,
) -> list[int]:
    """For each of `wanted`, the number of rows of a snapshot's table with these texts in their columns; the table is read once.

    `folder` is created; its files are removed.
    """
    counts = [0] * len(wanted)
    for path in fetch_chunks(repository, entry, folder) if entry.chunks else ():
        source = f"read_parquet({literal(str(path))})"
        types = column_types(cursor, source)
        for number, row in enumerate(wanted):
            if row.keys() <= types.keys():
                condition, values = matching(row, types, entry.encodings)
                ((count,),) = cursor.execute(f"SELECT count(*) FROM {source} WHERE {condition}", values).fetchall()
                counts[number] += int(count)
        path.unlink()
    return counts
