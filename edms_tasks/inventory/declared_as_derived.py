"""Resolve `[derived] tables`: the tables that the EDMS computes from others, and those that are part of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from edms_tasks.errors import SettingsError
from edms_tasks.inventory.model import ForeignReference, Table

_WHERE = "[derived] tables"


def derived_tables(tables: Sequence[Table], names: Collection[str], others: Collection[str] = ()) -> dict[str, Table]:
    """Table id -> table, of the derived ones among `tables`.

    Args:
        tables: the snapshot's tables.
        names: the derived models or tables, as the settings name them.
        others: names that `names` may contain besides those of `tables`.

    Raises:
        SettingsError: a name is not that of a table, or a table that stays refers to a derived one.
    """
    by_name = {table.label.lower(): table for table in tables} | {table.id.lower(): table for table in tables}
    left_alone = {name.lower() for name in others}
    derived: dict[str, Table] = {}
    for name in names:
        table = by_name.get(name.lower())
        if table is not None:
            derived[table.id] = table
        elif name.lower() not in left_alone:
            raise SettingsError(
                f"There is no model or table {name!r} in the snapshot.", where=_WHERE, fix="Correct or remove the name."
            )
    # A table that shares its ids with a derived one is part of it, like the terms of a search index beside its entries.
    while parts := [table for table in tables if table.id not in derived and table.parent in derived]:
        derived |= {table.id: table for table in parts}
    _require_unreferenced([table for table in tables if table.id not in derived], derived)
    return derived


def _require_unreferenced(others: Sequence[Table], derived: dict[str, Table]) -> None:
    for table in others:
        for reference in table.references:
            if isinstance(reference, ForeignReference) and derived.keys() & set(reference.targets):
                raise SettingsError(
                    f"{table.label} refers to {derived[reference.target].label if reference.target in derived else reference.target}, "
                    "which is declared as derived.",
                    where=_WHERE,
                    why=f"Its rows would refer ({reference.name}) to rows that the EDMS makes anew.",
                    fix=f"Declare {table.label} as derived too, or remove the other.",
                )
