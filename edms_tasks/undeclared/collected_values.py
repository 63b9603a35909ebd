"""The relation of all values that may be ids, by the place they stand at; what fills it and what it is asked."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from edms_tasks.digests.value_equality import bare_uuid
from edms_tasks.quoting import literal

VALUES = "undeclared_values"
"""(subject, form, name, value, number, weight, touched): each different value of a place once, UUIDs without dashes."""


IN_NAMES = "file"
"""The form of ids in names of files; the name of such a place is a pattern of names."""


@dataclass(frozen=True)
class Place:
    """A column, a place in its texts, or a pattern of names of files."""

    subject: str  # documents.Document.payload, or media:thumbnails/{pk:07}.webp
    form: str
    name: str  # what the values are called
    several: bool = False

    @property
    def word(self) -> str:
        """What says of which model they are: the name; of `media:documents/{pk}/*` the word before the id."""
        if self.form != IN_NAMES:
            return self.name.partition(" where ")[0]
        before = self.name.partition("{pk")[0].partition(":")[2].rstrip("_.-/")
        words = [word for word in before.replace("*", "").split("/") if word]
        return words[-1] if words else ""


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
