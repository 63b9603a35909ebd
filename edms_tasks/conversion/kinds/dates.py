"""DateField: `YYYY-MM-DD` in SQLite, date in PostgreSQL. Python supports the years 1 to 9999 only."""

from __future__ import annotations

from edms_tasks.conversion.conversion_types import Columns, Converted, Incompatible
from edms_tasks.conversion.storage_classes import Classes

_WRITTEN = r"(000[1-9]|00[1-9]\d|0[1-9]\d\d|[1-9]\d\d\d)-\d\d-\d\d"


def to_postgresql(value: Classes, columns: Columns) -> Converted:
    """The date; NULL unless the text is as Django writes dates."""
    return Converted(f"CASE WHEN regexp_full_match({value.text}, '{_WRITTEN}') THEN TRY_CAST({value.text} AS DATE) END")


def from_text(value: str) -> str:
    """The date of PostgreSQL's text; NULL if Python does not support it."""
    return f"CASE WHEN regexp_full_match({value}, '{_WRITTEN}') THEN TRY_CAST({value} AS DATE) END"


def to_sqlite(value: str, columns: Columns) -> Converted:
    """The date as the text that Django writes."""
    text = f"CAST({value} AS VARCHAR)"
    known = f"regexp_full_match({text}, '{_WRITTEN}')"
    return Converted(
        f"CASE WHEN {known} THEN {text} END",
        (Incompatible(f"NOT {known}", "is outside the years 1 to 9999 that Python supports"),),
    )
