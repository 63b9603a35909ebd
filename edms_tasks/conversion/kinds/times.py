"""TimeField: `HH:MM:SS` with six decimals or none in SQLite, time in PostgreSQL."""

from __future__ import annotations

from edms_tasks.conversion.conversion_types import Columns, Converted, Incompatible
from edms_tasks.conversion.storage_classes import Classes

_CLOCK = r"([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,6})?"
_LONGEST = 15  # 03:04:05.000006


def to_postgresql(value: Classes, columns: Columns) -> Converted:
    """The time as PostgreSQL writes it: without trailing zeros in the decimals."""
    text = value.text
    short = f"CASE WHEN contains({text}, '.') THEN rtrim(rtrim({text}, '0'), '.') ELSE {text} END"
    return Converted(f"CASE WHEN regexp_full_match({text}, '{_CLOCK}') THEN {short} END")


def to_sqlite(value: str, columns: Columns) -> Converted:
    """The time as the text that Django writes: with six decimals or none."""
    known = f"regexp_full_match({value}, '{_CLOCK}')"
    padded = f"CASE WHEN contains({value}, '.') THEN rpad({value}, {_LONGEST}, '0') ELSE {value} END"
    return Converted(
        f"CASE WHEN {known} THEN {padded} END",
        (Incompatible(f"NOT {known}", "is 24:00:00, which Python does not support"),),
    )
