"""What bytes say that may be ids: a text, or a UUID as its sixteen bytes. Everything else is unread."""

from __future__ import annotations

from edms_tasks.quoting import literal

_NO_TEXT = r"[\x00-\x08\x0B\x0C\x0E-\x1F]"  # control characters, which compressed and packed values have at once


def has_bytes(expression: str, kind: str, *, tagged: bool) -> str:
    """SQL: whether a raw value is bytes.

    Args:
        expression: the value.
        kind: its DuckDB type.
        tagged: whether the column's values say their storage class.
    """
    if tagged:
        return f"coalesce(starts_with({expression}, 'b'), false)"
    return f"({expression} IS NOT NULL)" if kind == "BLOB" else "false"


def bytes_text(expression: str, *, tagged: bool) -> str:
    """SQL: the text of bytes, or the digits of a UUID; NULL for other bytes."""
    value = f"unhex(substr({expression}, 2))" if tagged else expression
    text = f"try(decode({value}))"
    is_text = f"coalesce(NOT regexp_matches({text}, {literal(_NO_TEXT)}), false)"
    return f"CASE WHEN {is_text} THEN {text} WHEN octet_length({value}) = 16 THEN lower(hex({value})) END"
