"""DateTimeField: text in UTC in SQLite, timestamp with time zone in PostgreSQL. Both have microseconds."""

from __future__ import annotations

from edms_tasks.conversion.conversion_types import Columns, Converted, Incompatible
from edms_tasks.conversion.storage_classes import Classes

_DAY = r"(000[1-9]|00[1-9]\d|0[1-9]\d\d|[1-9]\d\d\d)-\d\d-\d\d"
_CLOCK = r"([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,6})?"
_LONGEST = 26  # 2026-01-02 03:04:05.000006


def to_postgresql(value: Classes, columns: Columns) -> Converted:
    """The timestamp. Like Django, it accepts a `T` in the middle, a `Z` at the end and up to six decimals."""
    text = value.text
    written = rf"{_DAY}[ T]{_CLOCK}(Z|\+00:00)?"
    plain = rf"regexp_replace(replace({text}, 'T', ' '), '(Z|\+00:00)$', '')"
    made = f"TRY_CAST({plain} || '+00' AS TIMESTAMPTZ)" if _zoned(columns) else f"TRY_CAST({plain} AS TIMESTAMP)"
    return Converted(f"CASE WHEN regexp_full_match({text}, '{written}') THEN {made} END")


def from_text(value: str) -> str:
    """The timestamp of PostgreSQL's text; NULL if Python does not support it."""
    kind = f"CASE WHEN ends_with({value}, '+00') THEN TRY_CAST({value} AS TIMESTAMPTZ) END"
    return rf"CASE WHEN regexp_full_match({value}, '{_DAY} {_CLOCK}\+00') THEN {kind} END"


def from_text_without_zone(value: str) -> str:
    """The timestamp without time zone of PostgreSQL's text; NULL if Python does not support it."""
    return f"CASE WHEN regexp_full_match({value}, '{_DAY} {_CLOCK}') THEN TRY_CAST({value} AS TIMESTAMP) END"


def to_sqlite(value: str, columns: Columns) -> Converted:
    """The timestamp as the text that Django writes: with six decimals or none."""
    text = f"CAST({value} AS VARCHAR)"
    plain = f"regexp_replace({text}, '\\+00$', '')" if _zoned(columns) else text
    known = f"regexp_full_match({plain}, '{_DAY} {_CLOCK}')"
    padded = f"CASE WHEN contains({plain}, '.') THEN rpad({plain}, {_LONGEST}, '0') ELSE {plain} END"
    return Converted(
        f"CASE WHEN {known} THEN {padded} END",
        (Incompatible(f"NOT {known}", "is outside the years 1 to 9999 that Python supports"),),
    )


def _zoned(columns: Columns) -> bool:
    return columns.postgresql.native_type.endswith("with time zone")
