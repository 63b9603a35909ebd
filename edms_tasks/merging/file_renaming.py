"""Give files of the snapshot other names (`a_1.pdf`) if rows of the target have theirs, in the rows that name them as well.

The snapshot's rows get the new names before they are compared with the target's, as if they had always had them. So everything
that follows, the validation included, needs no special case.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

import duckdb
import pyarrow as pa

from edms_tasks.digests.value_text import text_value
from edms_tasks.inventory.model import Table
from edms_tasks.merging.file_name_columns import Naming, Namings
from edms_tasks.quoting import identifier, literal
from edms_tasks.scratch.raw_table import RawTable
from edms_tasks.scratch.workspace import AS_PARQUET, column_types, relation

Renames = Mapping[str, Mapping[str, str]]
"""The folder's name -> a file's name -> its new name."""

_TRIES = 20


def other_names(name: str, longest: int | None) -> Iterator[str]:
    """Names that a file may get instead: `a_1.pdf`, `a_2.pdf`, …, each at most `longest` characters long."""
    path = PurePosixPath(name)
    for number in range(1, _TRIES + 1):
        other = str(path.with_name(f"{path.stem}_{number}{path.suffix}"))
        if longest is None or len(other) <= longest:
            yield other


def longest_name(tables: Iterable[Table], namings: Namings, root: str) -> int | None:
    """The longest name, in characters, that every column naming files of the folder `root` can store; None if none has a limit."""
    limits: dict[tuple[str, str], int] = {}
    for table in tables:
        for naming in namings[table.id]:
            found = re.search(r"\((\d+)\)", table.column(naming.column).native_type)
            if naming.root == root and found:
                # A column that also stores absolute paths has more room for names without them.
                room = int(found[1]) - len(naming.strip) + len(naming.prefix)
                column = (table.id, naming.column)
                limits[column] = max(room, limits.get(column, room))
    return min(limits.values(), default=None)


def with_other_names(
    cursor: duckdb.DuckDBPyConnection,
    table: Table,
    raw: RawTable,
    namings: Sequence[Naming],
    renames: Renames,
    path: Path,
) -> RawTable:
    """Write a table's raw rows with the new names to `path`; returns `raw` unchanged if no row names a renamed file."""
    columns = [naming for naming in namings if renames.get(naming.root)]
    if not columns or not raw.files:
        return raw
    rows = relation(table, raw)
    kinds = column_types(cursor, rows)
    joins: list[str] = []
    values: dict[str, list[str]] = {}
    for number, naming in enumerate(columns):
        column, root = naming.column, naming.root
        listed = pa.table({"was": [*renames[root]], "now": [*renames[root].values()]})
        cursor.register(f"renames_{number}", listed)
        text = text_value(column, kinds[column], raw.encodings.get(column, "native"), alias="t")
        now = naming.value(f"n{number}.now")
        kept = f"'t' || hex({now})" if raw.encodings.get(column) == "tagged" else now
        joins.append(f"LEFT JOIN renames_{number} n{number} ON n{number}.was = {naming.path(text)}")
        values.setdefault(column, []).append(kept)
    replaced = [
        f"coalesce({', '.join(kept)}, t.{identifier(name)}) AS {identifier(name)}" for name, kept in values.items()
    ]
    cursor.execute(
        f"COPY (SELECT t.* REPLACE ({', '.join(replaced)}) FROM {rows} t {' '.join(joins)}) TO {literal(str(path))} {AS_PARQUET}"
    )
    for number, _ in enumerate(columns):
        cursor.unregister(f"renames_{number}")
    return RawTable(raw.table_id, raw.rows, raw.encodings, (path,))
