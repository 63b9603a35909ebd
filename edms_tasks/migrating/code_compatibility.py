"""Compare a snapshot's tables and columns with the models of the EDMS's code: which are unknown, and which are missing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from edms_tasks.inventory.build_inventory import table_of
from edms_tasks.inventory.model import Table
from edms_tasks.inventory.probe_report import ProbeModel
from edms_tasks.manifest import TableEntry


@dataclass(frozen=True)
class Unknown:
    """Tables and columns that belonged to models when the snapshot was made, and to no model of the present code.

    Those that belonged to no model then (another program's table, a column added by hand) are not among them.
    """

    tables: tuple[TableEntry, ...]
    columns: tuple[tuple[TableEntry, tuple[str, ...]], ...]  # unknown columns of known tables

    def __bool__(self) -> bool:
        return bool(self.tables or self.columns)

    def names(self) -> tuple[str, ...]:
        """The names of the tables, with their numbers of rows, and of the columns."""
        tables = [f"table {entry.table.id} ({entry.state.rows:,} rows)" for entry in self.tables]
        return (*tables, *(f"column {entry.table.id}.{name}" for entry, names in self.columns for name in names))

    def in_keys(self) -> tuple[str, ...]:
        """The unknown columns that are part of a primary key, which cannot be dropped."""
        return tuple(
            f"{entry.table.id}.{name}"
            for entry, names in self.columns
            for name in names
            if name in entry.table.primary_key
        )

    def remaining(self, entries: Iterable[TableEntry]) -> tuple[Table, ...]:
        """The tables without the unknown tables and columns."""
        gone = {entry.table.id for entry in self.tables}
        less = {entry.table.id: names for entry, names in self.columns}
        return tuple(
            without(entry.table, less.get(entry.table.id, ())) for entry in entries if entry.table.id not in gone
        )


def unknown_to(models: Sequence[ProbeModel], entries: Sequence[TableEntry]) -> Unknown:
    """The tables and columns of a snapshot that the code's models do not know."""
    tables = [entry.table for entry in entries]
    known: dict[str, set[str]] = {}
    for model in models:
        found = table_of(model.table, tables)
        if found is not None:
            known.setdefault(found.id, set()).update(field.column for field in model.fields)
    owned = [entry for entry in entries if entry.table.model is not None]
    columns = {
        entry.table.id: tuple(
            column.name for column in entry.table.columns if column.field and column.name not in known[entry.table.id]
        )
        for entry in owned
        if entry.table.id in known
    }
    return Unknown(
        tables=tuple(entry for entry in owned if entry.table.id not in known),
        columns=tuple((entry, columns[entry.table.id]) for entry in owned if columns.get(entry.table.id)),
    )


def missing_in(models: Iterable[ProbeModel], tables: Sequence[Table]) -> tuple[str, ...]:
    """Tables and columns of the code's models that are missing in `tables`."""
    names = []
    for model in models:
        if not model.managed or model.swapped:
            continue
        table = table_of(model.table, tables)
        if table is None:
            names.append(f"table {model.table} of {model.label}")
            continue
        present = {column.name for column in table.columns}
        names += [
            f"column {table.id}.{field.column} of {model.label}"
            for field in model.fields
            if field.column not in present
        ]
    return tuple(sorted(set(names)))


def unenforced(models: Iterable[ProbeModel], tables: Sequence[Table]) -> tuple[str, ...]:
    """Sets of columns that are unique together in a model, but not in `tables`."""
    names = []
    for model in models:
        table = table_of(model.table, tables)
        if table is None or not model.managed:
            continue
        kept = {frozenset(key.columns) for key in table.unique_keys if not key.partial} | {frozenset(table.primary_key)}
        wanted = [unique.columns for unique in model.uniques if not unique.conditional]
        wanted += [(field.column,) for field in model.fields if field.unique and not field.primary_key]
        names += [f"{table.id} ({', '.join(columns)})" for columns in wanted if frozenset(columns) not in kept]
    return tuple(sorted(set(names)))


def tables_of_app(app: str, entries: Iterable[TableEntry]) -> tuple[TableEntry, ...]:
    """The snapshot's tables whose models belonged to an app."""
    return tuple(entry for entry in entries if entry.table.content_type and entry.table.content_type[0] == app)


def without(table: Table, names: Iterable[str]) -> Table:
    """The table without some columns, and without the references, keys and constraints that use them."""
    gone = set(names)
    if not gone:
        return table
    return table.model_copy(
        update={
            "columns": tuple(column for column in table.columns if column.name not in gone),
            "unique_keys": tuple(key for key in table.unique_keys if not gone & set(key.columns)),
            "references": (),
            "file_columns": (),
            "key_candidates": (),
        }
    )
