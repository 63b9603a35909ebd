"""UUIDField: 32 hex digits in SQLite, uuid in PostgreSQL."""

from __future__ import annotations

from edms_tasks.conversion.conversion_types import Columns, Converted
from edms_tasks.conversion.storage_classes import Classes

_BARE = "[0-9a-f]{32}"
_DASHED = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


def to_postgresql(value: Classes, columns: Columns) -> Converted:
    """The UUID with dashes, from any spelling that Django reads."""
    lower = f"lower({value.text})"
    bare = f"replace({lower}, '-', '')"
    dashed = " || '-' || ".join(
        f"substr({bare}, {begin}, {length})" for begin, length in ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12))
    )
    return Converted(f"CASE WHEN regexp_full_match({lower}, '{_BARE}|{_DASHED}') THEN {dashed} END")


def to_sqlite(value: str, columns: Columns) -> Converted:
    """The UUID without dashes, as Django writes it on SQLite."""
    return Converted(f"replace({value}, '-', '')")
