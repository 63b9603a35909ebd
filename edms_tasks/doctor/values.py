"""A column's values as text, whatever they are carried as: what heuristics look at. Nothing exact is made of it."""

from __future__ import annotations

from edms_tasks.databases.quoting import identifier
from edms_tasks.manifest import Encoding


def text_value(column: str, kind: str, encoding: Encoding) -> str:
    """DuckDB SQL for the text of a raw column's values; NULL for binary ones.

    Args:
        column: its name.
        kind: its DuckDB type.
        encoding: how its values stand in Parquet.
    """
    name = identifier(column)
    if encoding == "tagged":
        # One letter for the class, and text in hexadecimal; bytes that are no UTF-8 have no text.
        return (
            f"CASE left({name}, 1) WHEN 't' THEN try(decode(unhex(substr({name}, 2)))) "
            f"WHEN 'b' THEN NULL ELSE substr({name}, 2) END"
        )
    if kind == "BLOB":
        return "CAST(NULL AS VARCHAR)"
    return name if kind == "VARCHAR" else f"CAST({name} AS VARCHAR)"
