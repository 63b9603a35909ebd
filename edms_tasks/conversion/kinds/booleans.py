"""BooleanField: 0 and 1 in SQLite, boolean in PostgreSQL."""

from __future__ import annotations

from edms_tasks.conversion.conversion_types import Columns, Converted
from edms_tasks.conversion.storage_classes import Classes


def to_postgresql(value: Classes, columns: Columns) -> Converted:
    """0 as false, 1 as true; NULL for any other value."""
    return Converted(f"CASE {value.integer} WHEN 0 THEN false WHEN 1 THEN true END")


def to_sqlite(value: str, columns: Columns) -> Converted:
    """0 or 1, as Django writes it."""
    return Converted(f"CAST({value} AS BIGINT)")
