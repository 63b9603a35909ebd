"""Which table's ids a foreign key holds: a key to a column that is a foreign key itself holds the ids that this one holds."""

from __future__ import annotations

from collections.abc import Mapping

from edms_tasks.inventory.model import ForeignReference, SoftReference, Table

_STEPS = 16  # references to references of references; a circle has no end


def table_of_ids(reference: ForeignReference, tables: Mapping[str, Table]) -> str | None:
    """The id of the table whose primary key the reference's values are; None if they are no ids, or ids of several columns."""
    table, columns = reference.target, reference.target_columns
    for _ in range(_STEPS):
        target = tables.get(table)
        if target is None or len(columns) != 1:
            return None
        if columns == target.primary_key:
            return table
        following = next((one for one in target.references if _holds(one, columns)), None)
        if isinstance(following, ForeignReference):
            table, columns = following.target, following.target_columns
        elif isinstance(following, SoftReference):
            table, columns = following.target, (following.target_column,)
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
