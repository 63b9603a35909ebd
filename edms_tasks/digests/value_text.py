"""The text of a raw column's values, for people and for looking up references.

Do not use it for digests: a number and a text of the same digits, which one SQLite column may contain, have the same text.
"""

from __future__ import annotations

from edms_tasks.manifest import Encoding
from edms_tasks.quoting import identifier


def text_value(column: str, kind: str, encoding: Encoding, *, alias: str = "") -> str:
    """DuckDB SQL of the text of a raw column's values; NULL for binary values.

    Args:
        column: the column's name.
        kind: its DuckDB type.
        encoding: its encoding in Parquet.
        alias: the alias of its relation, if the name needs it.
    """
    name = identifier(alias or None, column)
    if encoding == "tagged":
        return untagged(name)
    if kind == "BLOB":
        return "CAST(NULL AS VARCHAR)"
    return name if kind == "VARCHAR" else f"CAST({name} AS VARCHAR)"


def untagged(expression: str) -> str:
    """DuckDB SQL for the text of a tagged value: one letter for the class, and text in hexadecimal; bytes have no text."""
    return (
        f"CASE left({expression}, 1) WHEN 't' THEN try(decode(unhex(substr({expression}, 2)))) "
        f"WHEN 'b' THEN NULL ELSE substr({expression}, 2) END"
    )
