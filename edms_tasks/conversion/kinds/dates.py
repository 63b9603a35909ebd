"""DateField: `YYYY-MM-DD` in SQLite, date in PostgreSQL, of which Python knows the years 1 to 9999."""

from __future__ import annotations

from edms_tasks.conversion.forms import Columns, Converted, Incompatible
from edms_tasks.conversion.storage_classes import Classes

_WRITTEN = r"(000[1-9]|00[1-9]\d|0[1-9]\d\d|[1-9]\d\d\d)-\d\d-\d\d"


def to_postgresql(value: Classes, columns: Columns) -> Converted:
    """The day, as Django writes it."""
    return Converted(f"CASE WHEN regexp_full_match({value.text}, '{_WRITTEN}') THEN TRY_CAST({value.text} AS DATE) END")


def from_text(value: str) -> str:
    """The day that PostgreSQL's own text names; NULL where Python has no such day."""
    return f"CASE WHEN regexp_full_match({value}, '{_WRITTEN}') THEN TRY_CAST({value} AS DATE) END"


def to_sqlite(value: str, columns: Columns) -> Converted:
    """The text Django writes."""
    text = f"CAST({value} AS VARCHAR)"
    known = f"regexp_full_match({text}, '{_WRITTEN}')"
    return Converted(
        f"CASE WHEN {known} THEN {text} END",
        (Incompatible(f"NOT {known}", "is outside the years 1 to 9999 that Python supports"),),
    )
