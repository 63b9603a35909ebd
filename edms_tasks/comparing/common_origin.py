"""Whether two states are of one database: only then does an id mean the same row in both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import duckdb

from edms_tasks.digests.value_text import text_value
from edms_tasks.inventory.model import Table
from edms_tasks.scratch.raw_table import RawTable
from edms_tasks.scratch.workspace import column_types, relation

MIGRATIONS = "django_migrations"
Origin = Literal["one database", "separate", "unknown"]
_COLUMNS = {"app", "name", "applied"}


def migrations_table(tables: Mapping[str, Table]) -> Table | None:
    """The table that says when each migration was applied; None if there is none."""
    found = next((table for table in tables.values() if table.name == MIGRATIONS), None)
    return found if found is not None and {column.name for column in found.columns} >= _COLUMNS else None


def common_origin(cursor: duckdb.DuckDBPyConnection, table: Table, first: RawTable, second: RawTable) -> Origin:
    """Whether two states are of one database: `separate` if no migration that both have was applied at the same time."""
    if not (first.files and second.files):
        return "unknown"
    applied = []
    for raw in (first, second):
        rows = relation(table, raw)
        kinds = column_types(cursor, rows)
        columns = ", ".join(
            f"{text_value(name, kinds[name], raw.encodings.get(name, 'native'))} AS {name}" for name in sorted(_COLUMNS)
        )
        applied.append(f"(SELECT {columns} FROM {rows})")
    (common, together) = cursor.execute(
        "SELECT count(*), count(*) FILTER (a.applied IS NOT DISTINCT FROM b.applied) "
        f"FROM {applied[0]} a JOIN {applied[1]} b USING (app, name)"
    ).fetchall()[0]
    if not common:
        return "unknown"
    return "one database" if together else "separate"
