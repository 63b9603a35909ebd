"""BooleanField: 0 and 1 in SQLite, boolean in PostgreSQL."""

from __future__ import annotations

from edms_tasks.conversion.forms import Columns, Converted
from edms_tasks.conversion.storage_classes import Classes


def to_postgresql(value: Classes, columns: Columns) -> Converted:
    """0 is false, 1 is true, and nothing else is a boolean."""
    return Converted(f"CASE {value.integer} WHEN 0 THEN false WHEN 1 THEN true END")


def to_sqlite(value: str, columns: Columns) -> Converted:
    """As Django writes it."""
    return Converted(f"CAST({value} AS BIGINT)")
