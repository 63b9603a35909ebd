"""Compare a column's values on two sides that store it in different forms.

A column's form depends on all its values: one text among integers sends a SQLite column to tagged values, one date
beyond Arrow's range sends a PostgreSQL column to text. The forms of two databases with the same schema can differ so.
"""

from __future__ import annotations

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
