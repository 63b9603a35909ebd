"""Which columns of a table could hold ids that nobody declared."""

from __future__ import annotations

from collections.abc import Callable, Collection

from edms_tasks.inventory.model import Column, ForeignReference, GenericReference, Table

_HOLD_IDS = {"integer", "text", "json", "uuid", "decimal", "float", "binary", "other"}


def open_columns(
    table: Table, covered: Collection[str], others: Callable[[str], bool] = lambda _: False
) -> list[Column]:
    """The columns that no declaration speaks of; those too in which only some ids are declared.

    Args:
        table: with the references that are declared.
        covered: columns that hold no ids for another reason.
        others: whether a name is that of another model's ids. A primary key that is a number is a counter unless its name says that.
    """
    taken = set(covered)
    if len(table.primary_key) == 1:
        key = table.column(table.primary_key[0])
        if key.logical_type == "integer" and not others(key.field or key.name):
            taken.add(key.name)
    for reference in table.references:
        if isinstance(reference, GenericReference):
            taken |= {reference.content_type_column, reference.object_id_column}
        elif isinstance(reference, ForeignReference):
            taken |= set(reference.columns)
        else:
            # What decides by its values whether another column holds ids is a kind of rows, and no id itself.
            taken |= {condition.column for condition in reference.where}
            if reference.form == "value" and not reference.where:
                taken.add(reference.column)
    return [one for one in table.stored_columns if one.name not in taken and one.logical_type in _HOLD_IDS]
