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
        # One letter for the class, then the value, text as hexadecimal digits. Bytes that are not UTF-8 become NULL.
        return (
            f"CASE left({name}, 1) WHEN 't' THEN try(decode(unhex(substr({name}, 2)))) "
            f"WHEN 'b' THEN NULL ELSE substr({name}, 2) END"
        )
    if kind == "BLOB":
        return "CAST(NULL AS VARCHAR)"
    return name if kind == "VARCHAR" else f"CAST({name} AS VARCHAR)"
