"""Resolve `[derived] tables` and `columns` for a change of engine: what the EDMS computes from other tables and columns."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from edms_tasks.digests.table_state import members
from edms_tasks.errors import SettingsError
from edms_tasks.inventory.model import ForeignReference, Table
from edms_tasks.unknown_names import unknown_name

_WHERE, _COLUMNS = "[derived] tables", "[derived] columns"


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


def derived_columns(
    names: Collection[str], tables: Sequence[Table], made: Sequence[Table]
) -> dict[str, frozenset[str]]:
    """Table id -> the derived columns that a change of engine may leave out.

    Args:
        names: `app.Model.field` or `table.column`, as the settings have them.
        tables: the snapshot's tables.
        made: those that the EDMS created in the other engine; a column may be in them alone.

    Raises:
        SettingsError: there is no such table, or the column is a part of a key or of a reference.
    """
    there = {table.id: {column.name for column in table.columns} for table in made}
    found: dict[str, set[str]] = {}
    for name in names:
        owner, _, last = name.rpartition(".")
        table = next((one for one in tables if owner.lower() in (one.label.lower(), one.id.lower())), None)
        if table is None and owner.lower() in (table_id.lower() for table_id in there):
            continue  # the snapshot has no rows of it
        if table is None:
            known = [spelling for one in tables for spelling in (one.label, one.id)]
            raise unknown_name(_COLUMNS, "model or table", owner, known)
        column = next((one.name for one in table.columns if last in (one.name, one.field)), last)
        if column in table.primary_key or any(column in members(one) for one in table.references):
            raise SettingsError(
                f"{name} cannot be a derived column.",
                where=_COLUMNS,
                why="It is a part of the primary key, or a reference.",
                fix="Remove the name.",
            )
        if any(one.name == column for one in table.columns) or column in there.get(table.id, ()):
            found.setdefault(table.id, set()).add(column)
    return {table_id: frozenset(columns) for table_id, columns in found.items()}


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
