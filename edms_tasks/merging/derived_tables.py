"""Tables that the EDMS computes from others (`[derived] tables`): a merge does not write to them."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from edms_tasks.errors import SettingsError
from edms_tasks.inventory.model import ForeignReference, Table
from edms_tasks.merging.id_map import parent_of

_WHERE = "[derived] tables"


def without_derived(
    tables: Sequence[Table], names: Collection[str], rebuild: Collection[str], others: Sequence[Table], notes: list[str]
) -> list[Table]:
    """The tables that are merged row by row, without the derived ones.

    Args:
        tables: the snapshot's tables to be merged.
        names: the derived models or tables, as the settings name them.
        rebuild: the commands in the settings that rebuild them.
        others: the snapshot's tables that are not merged in any case; `names` may include them.
        notes: gets a line for each derived table.

    Raises:
        SettingsError: a name is not that of a table, or a merged table refers to a derived one.
    """
    by_name = {table.label.lower(): table for table in tables} | {table.id.lower(): table for table in tables}
    left_alone = {name.lower() for table in others for name in (table.label, table.id)} - by_name.keys()
    derived: dict[str, Table] = {}
    for name in names:
        if name.lower() in left_alone:
            continue
        if name.lower() not in by_name:
            raise SettingsError(
                f"There is no model or table {name!r} in the snapshot.", where=_WHERE, fix="Correct or remove the name."
            )
        derived[by_name[name.lower()].id] = by_name[name.lower()]
    # A table that shares its ids with a derived one is part of it, like the terms of a search index beside its entries.
    while parts := [table for table in tables if table.id not in derived and parent_of(table) in derived]:
        derived |= {table.id: table for table in parts}
    left = [table for table in tables if table.id not in derived]
    for table in left:
        for reference in table.references:
            if isinstance(reference, ForeignReference) and derived.keys() & set(reference.targets):
                raise SettingsError(
                    f"{table.label} refers to {derived[reference.target].label if reference.target in derived else reference.target}, "
                    "which is declared as derived.",
                    where=_WHERE,
                    why=f"Its rows would refer ({reference.name}) to rows that the EDMS makes anew.",
                    fix=f"Declare {table.label} as derived too, or remove the other.",
                )
    how = f"rebuilt afterwards by {', '.join(rebuild)}" if rebuild else "rebuild it in the EDMS"
    notes += [f"{table.label} is derived and is not merged: {how}." for table in derived.values()]
    return left
