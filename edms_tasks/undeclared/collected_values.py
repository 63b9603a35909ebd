"""The relation of all values that may be ids, by the place in which they are found."""

from __future__ import annotations

import re
from dataclasses import dataclass

import duckdb

from edms_tasks.digests.value_equality import bare_uuid
from edms_tasks.quoting import literal

VALUES = "undeclared_values"
"""(subject, form, name, value, number, weight, touched): each different value of a place once, UUIDs without dashes."""


IN_NAMES = "file"
"""The form of ids in names of files; the name of such a place is a pattern of names."""


_GENERAL = re.compile(r"_(?:id|ids|pk|key|keys|pair|pairs|ref|refs|code|slug|link)$")
JOINED_FORM = "joined"
"""The form of ids that a text joins; the name of such a place has the position at its end."""


@dataclass(frozen=True)
class ValuePlace:
    """A place with values: a column, a position in its texts, or a pattern of file names."""

    subject: str  # documents.Document.payload, or media:thumbnails/{pk:07}.webp
    form: str
    name: str  # the name before the values: a column, a key, an attribute
    several: bool = False

    @property
    def word(self) -> str:
        """The word that says of which model the ids may be: the name, or for `media:documents/{pk}/*` the word before the id."""
        if self.form == JOINED_FORM:
            name, _, position = self.name.rpartition(" ")
            parts = _GENERAL.sub("", name).split("_")
            # document_tag says of both ids what they are.
            return parts[int(position) - 1] if len(parts) > 1 and int(position) <= len(parts) else name
        if self.form != IN_NAMES:
            return self.name.partition(" where ")[0]
        before = self.name.partition("{pk")[0].partition(":")[2].rstrip("_.-/")
        words = [word for word in before.replace("*", "").split("/") if word]
        return words[-1] if words else ""


def make_values(cursor: duckdb.DuckDBPyConnection) -> None:
    """Create the relation `VALUES` without rows."""
    cursor.execute(
        f"CREATE OR REPLACE TABLE {VALUES} (subject VARCHAR, form VARCHAR, name VARCHAR, several BOOLEAN, value VARCHAR, "
        "number BIGINT, weight BIGINT, touched BIGINT)"
    )


def add_values(
    cursor: duckdb.DuckDBPyConnection, subject: str, form: str, source: str, *, several: bool = False
) -> None:
    """Add values to `VALUES`.

    Args:
        cursor: where to compute.
        subject: the name of the column in conflicts.
        form: the form of the ids: a whole value, a list, a member of JSON, ….
        source: a SELECT of (name, value, weight, touched): `weight` is how often a value occurs, `touched` how often in rows to be written.
        several: whether one row can have several values.
    """
    # The UUIDs of all zeros and all Fs mean "none" and "any", not a row.
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
