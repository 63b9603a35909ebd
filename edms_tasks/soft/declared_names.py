"""The models, tables and columns that declarations of soft references name, and errors about them."""

from __future__ import annotations

from collections.abc import Mapping

from edms_tasks.errors import SettingsError
from edms_tasks.inventory.model import Column, Table
from edms_tasks.unknown_names import unknown_name

WHERE = "[[soft_references]]"
"""Where the declarations are, for errors."""


def column_named(name: str, tables: Mapping[str, Table], where: str) -> tuple[Table, Column]:
    """The table and column that a name such as `documents.Document.related_ids` means, by model or table and by field or column."""
    owner, _, field = name.rpartition(".")
    table = table_named(owner, tables)
    if table is None:
        raise unknown_name(where, "model or table", owner or name, [table.label for table in tables.values()])
    known = {column.name: column for column in table.columns}
    known |= {column.field: column for column in table.columns if column.field}
    if field not in known:
        raise unknown_name(where, f"field or column of {table.label}", field, known)
    return table, known[field]


def table_named(name: str, tables: Mapping[str, Table]) -> Table | None:
    """The table of a model or table name, in any case; None if there is none."""
    by_name = {table_id.lower(): table for table_id, table in tables.items()}
    by_name |= {table.label.lower(): table for table in tables.values()}
    return by_name.get(name.lower())


def invalid(where: str, what: str, why: str) -> SettingsError:
    """The error for a declaration that cannot be right."""
    return SettingsError(what, where=where, why=why, fix="Fix the declaration; docs/settings.md shows each form.")
