"""Which table's ids a foreign key holds: a key to a column that is a foreign key itself holds the ids that this one holds."""

from __future__ import annotations

from collections.abc import Mapping

from edms_tasks.inventory.model import ForeignReference, SoftReference, Table

_STEPS = 16  # references to references of references; a circle has no end


def tables_of_ids(reference: ForeignReference, tables: Mapping[str, Table]) -> tuple[str | None, ...]:
    """For each column the id of the table whose primary key its values are; None if they are no ids.

    A reference of several columns may hold both: a document's id and the number of a page.
    """
    return tuple(_followed(reference.target, column, tables) for column in reference.target_columns)


def _followed(table: str, column: str, tables: Mapping[str, Table]) -> str | None:
    """The id of the table whose primary key the values of a column are."""
    for _ in range(_STEPS):
        target = tables.get(table)
        if target is None:
            return None
        if (column,) == target.primary_key:
            return table
        following = next((one for one in target.references if _holds(one, (column,))), None)
        if isinstance(following, ForeignReference):
            table, column = following.target, following.target_columns[0]
        elif isinstance(following, SoftReference):
            table, column = following.target, following.target_column
        else:
            return None
    return None


def _holds(reference: object, columns: tuple[str, ...]) -> bool:
    """Whether the reference's ids are the whole values of this column."""
    if isinstance(reference, ForeignReference):
        return reference.columns == columns
    return isinstance(reference, SoftReference) and (
        (reference.column,) == columns and reference.form == "value" and not reference.where
    )
