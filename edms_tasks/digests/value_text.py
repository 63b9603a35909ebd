"""The text of a raw column's values for people and for references, whatever their form.

Not for digests: a number and a text of the same digits, which SQLite can hold side by side, have the same text here.
"""

from __future__ import annotations

from edms_tasks.manifest import Encoding
from edms_tasks.quoting import identifier


def text_value(column: str, kind: str, encoding: Encoding, *, alias: str = "") -> str:
    """DuckDB SQL for the text of a raw column's values; NULL for binary ones.

    Args:
        column: its name.
        kind: its DuckDB type.
        encoding: how its values stand in Parquet.
        alias: of the relation it is a column of, where that must be said.
    """
    name = identifier(alias or None, column)
    if encoding == "tagged":
        # One letter for the class, and text in hexadecimal; bytes that are no UTF-8 have no text.
        return (
            f"CASE left({name}, 1) WHEN 't' THEN try(decode(unhex(substr({name}, 2)))) "
            f"WHEN 'b' THEN NULL ELSE substr({name}, 2) END"
        )
    if kind == "BLOB":
        return "CAST(NULL AS VARCHAR)"
    return name if kind == "VARCHAR" else f"CAST({name} AS VARCHAR)"
