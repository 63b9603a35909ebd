"""The relation of all values that may be ids, by the place they stand at; what fills it and what it is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from edms_tasks.digests.value_equality import bare_uuid
from edms_tasks.quoting import literal

VALUES = "undeclared_values"
"""(subject, form, name, value, number, weight, touched): each different value of a place once, UUIDs without dashes."""


@dataclass(frozen=True)
class Place:
    """A column, a place in its texts, or a place in the names of a folder's files."""

    subject: str  # documents.Document.payload, or a pattern of names
    form: str
    name: str  # what the values are called
    several: bool = False


def make_values(cursor: duckdb.DuckDBPyConnection) -> None:
    """Make the relation, empty."""
    cursor.execute(
        f"CREATE OR REPLACE TABLE {VALUES} (subject VARCHAR, form VARCHAR, name VARCHAR, several BOOLEAN, value VARCHAR, "
        "number BIGINT, weight BIGINT, touched BIGINT)"
    )


def add_values(
    cursor: duckdb.DuckDBPyConnection, subject: str, form: str, source: str, *, several: bool = False
) -> None:
    """Add a relation of (name, value, weight, touched).

    Args:
        cursor: where to compute.
        subject: what people call the column.
        form: the way in which the ids stand there.
        source: the relation: `weight` says how often a value occurs, `touched` how often in what would be written.
        several: whether one row can hold several.
    """
    # The UUIDs of nothing but zeros or ones stand for none and for any, not for a row.
    cursor.execute(
        f"""
        INSERT INTO {VALUES}
        SELECT {literal(subject)}, {literal(form)}, name, {"true" if several else "false"}, bare, TRY_CAST(bare AS BIGINT),
            sum(weight), sum(touched)
        FROM (SELECT name, {bare_uuid("value")} AS bare, weight, touched FROM ({source}))
        WHERE bare NOT IN ({", ".join(literal(digit * 32) for digit in "0f")})
        GROUP BY name, bare
        """
    )


def places_of(cursor: duckdb.DuckDBPyConnection, where: str = "true") -> Sequence[Place]:
    """The places that hold any values of which the condition is true."""
    found = cursor.execute(
        f"SELECT DISTINCT subject, form, name, several FROM {VALUES} v WHERE {where} ORDER BY ALL"
    ).fetchall()
    return [Place(str(subject), str(form), str(name), bool(several)) for subject, form, name, several in found]
