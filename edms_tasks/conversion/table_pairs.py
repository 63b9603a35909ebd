"""Pair a snapshot's tables and columns with those that the EDMS's migrations created in the other engine.

Nothing is left out in silence. A table or column that the migrations do not create is reported as missing, and so is a
column of theirs that the snapshot does not have.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from edms_tasks.conversion.conversion_types import Columns
from edms_tasks.inventory.model import Column, ForeignReference, Table
from edms_tasks.manifest import TableEntry


@dataclass(frozen=True)
class TablePair:
    """A table of the snapshot, and the table of the other engine that gets its rows."""

    entry: TableEntry
    target: Table

    def columns(self) -> tuple[Columns, ...]:
        """The columns of both, in the snapshot's order; each has a partner (`pair_tables`)."""
        found = {column.name: column for column in self.target.columns}
        ours_is_sqlite = self.target.schema_name is not None
        return tuple(
            Columns(column, found[column.name]) if ours_is_sqlite else Columns(found[column.name], column)
            for column in self.entry.table.columns
        )

    def converted_table(self) -> Table:
        """The other engine's table, with the fields and logical types that the snapshot has for it."""
        was = {column.name: column for column in self.entry.table.columns}
        enforced = {
            reference.columns for reference in self.target.references if isinstance(reference, ForeignReference)
        }
        return self.entry.table.model_copy(
            update={
                "schema_name": self.target.schema_name,
                "name": self.target.name,
                "columns": tuple(
                    column.model_copy(
                        update={"field": was[column.name].field, "logical_type": was[column.name].logical_type}
                    )
                    for column in self.target.columns
                ),
                "primary_key": self.target.primary_key,
                "row_ids": False,
                "unique_keys": self.target.unique_keys,
                "references": tuple(
                    reference.model_copy(update={"enforced": reference.columns in enforced})
                    if isinstance(reference, ForeignReference)
                    else reference
                    for reference in self.entry.table.references
                ),
            }
        )


@dataclass(frozen=True)
class Pairing:
    """How a snapshot's tables are mapped to those of the other engine.

    Args:
        pairs: tables that exist in both, with equal columns.
        missing: a sentence for each table or column that one of the two lacks; a restore needs it to be empty.
        empty: labels of tables without rows that the migrations do not create; they are left out.
        added: ids of tables that only the migrations create; they stay empty.
    """

    pairs: tuple[TablePair, ...]
    missing: tuple[str, ...]
    empty: tuple[str, ...]
    added: tuple[str, ...]


def pair_tables(entries: Sequence[TableEntry], made: Sequence[Table]) -> Pairing:
    """Pair a snapshot's tables with those that the migrations created (`made`), by their ids."""
    targets = {table.id: table for table in made}
    pairs: list[TablePair] = []
    problems: list[str] = []
    empty: list[str] = []
    for entry in entries:
        target = targets.get(entry.table.id)
        found = list(_problems(entry, target))
        if target is not None and not found:
            pairs.append(TablePair(entry, target))
        elif entry.state.rows:
            problems += found
        else:
            empty.append(entry.table.label)
    known = {entry.table.id for entry in entries}
    added = tuple(sorted(table.id for table in made if table.id not in known))
    return Pairing(tuple(pairs), tuple(problems), tuple(empty), added)


def _problems(entry: TableEntry, target: Table | None) -> Iterator[str]:
    table, rows = entry.table, f"{entry.state.rows:,} row{'s' if entry.state.rows != 1 else ''}"
    if target is None:
        owner = "no model owns it, so no migration creates it" if table.model is None else "no migration makes it"
        yield f"{table.label}: the table {table.id!r} ({rows}) is not in the EDMS's migrations ({owner})."
        return
    ours, theirs = ({column.name: column for column in one.columns} for one in (table, target))
    for name in sorted(ours.keys() - theirs.keys()):
        yield f"{table.label}: the column {name!r} ({rows}) is not in the EDMS's migrations."
    for name in sorted(theirs.keys() - ours.keys()):
        yield f"{table.label}: the EDMS's migrations create a column {name!r} that the snapshot ({rows}) does not have."
    for name in sorted(_generated_differently(ours, theirs)):
        yield f"{table.label}: the column {name!r} is computed by the database in one of the engines only."


def _generated_differently(ours: Mapping[str, Column], theirs: Mapping[str, Column]) -> set[str]:
    return {name for name in ours.keys() & theirs.keys() if ours[name].generated != theirs[name].generated}
