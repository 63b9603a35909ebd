"""Compare a column's values on two sides that store it in different forms.

A column's form depends on all its values: one text among integers sends a SQLite column to tagged values, one date
beyond Arrow's range sends a PostgreSQL column to text. The forms of two databases with the same schema can differ so.
"""

from __future__ import annotations

from collections.abc import Sequence

from edms_tasks.digests.canonical import text_of
from edms_tasks.digests.value_equality import ColumnStorage, classed

_FLOATING = {"DOUBLE", "FLOAT"}


def comparable(expression: str, held: ColumnStorage, other: ColumnStorage) -> str:
    """SQL: a text that is equal on both sides if the values are.

    `held` says how this side stores the column, `other` how the other side does.
    """
    if held.tagged or other.tagged or (held.kind != other.kind and "VARCHAR" not in (held.kind, other.kind)):
        return classed(expression, held)  # SQLite and DuckDB write a tagged real in different ways
    return text_of(expression, held.kind)


def hash_of(texts: Sequence[str]) -> str:
    """SQL: the MD5 of a row's texts in hex; rows have the same one if all their texts are equal, NULL being a text of its own.

    The texts are written as a JSON array: each of them once, so that DuckDB has half of the SQL to prepare, which takes longer
    than to run it on a small table.
    """
    return f"md5(to_json(CAST([{', '.join(texts)}] AS VARCHAR[])))"


def same(left: str, left_held: ColumnStorage, right: str, right_held: ColumnStorage) -> str:
    """SQL: whether two values of one column are equal; NULL equals NULL."""
    tagged = left_held.tagged or right_held.tagged
    if left_held.kind == right_held.kind and not tagged and left_held.kind not in _FLOATING:
        return f"{left} IS NOT DISTINCT FROM {right}"
    return f"{comparable(left, left_held, right_held)} IS NOT DISTINCT FROM {comparable(right, right_held, left_held)}"


def as_stored(text: str, held: ColumnStorage) -> str:
    """SQL: an id given as text, in the form in which a side stores the column; NULL stays NULL."""
    if not held.tagged:
        return text if held.kind == "VARCHAR" else f"CAST({text} AS {held.kind})"
    return f"CASE WHEN TRY_CAST({text} AS BIGINT) IS NOT NULL THEN 'i' || {text} ELSE 't' || hex({text}) END"
