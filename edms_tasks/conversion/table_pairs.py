"""Pair a snapshot's tables and columns with those that the EDMS's migrations created in the other engine.

Nothing is left out in silence. A table or column that the migrations do not create is reported as missing, and so is a
column of theirs that the snapshot does not have.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from edms_tasks.conversion.conversion_types import Columns
from edms_tasks.inventory.model import Column, ForeignReference, Table
from edms_tasks.manifest import TableEntry


@dataclass(frozen=True)
class TablePair:
    """A table of the snapshot, and the table of the other engine that gets its rows.

    Args:
        entry: the snapshot's table.
        target: the other engine's.
        derived: columns that the EDMS computes (`[derived] columns`); those that cannot be converted may be left out.
        left_out: those that are not converted, because one of the two lacks them or their values have no equal.
    """

    entry: TableEntry
    target: Table
    derived: frozenset[str] = frozenset()
    left_out: frozenset[str] = frozenset()

    def without(self, columns: Collection[str]) -> TablePair:
        """The pair with more columns left out."""
        return replace(self, left_out=self.left_out | frozenset(columns))

    @property
    def table(self) -> Table:
        """The snapshot's table, with the columns that are converted."""
        return _without(self.entry.table, self.left_out)

    def columns(self) -> tuple[Columns, ...]:
        """The columns of both, in the snapshot's order; each has a partner (`pair_tables`)."""
        found = {column.name: column for column in self.target.columns}
        ours_is_sqlite = self.target.schema_name is not None
        return tuple(
            Columns(column, found[column.name]) if ours_is_sqlite else Columns(found[column.name], column)
            for column in self.table.columns
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
                    if column.name not in self.left_out
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


def pair_tables(
    entries: Sequence[TableEntry], made: Sequence[Table], derived: Mapping[str, frozenset[str]] | None = None
) -> Pairing:
    """Pair a snapshot's tables with those that the migrations created (`made`), by their ids.

    `derived`: Table.id -> the columns that the EDMS computes. They may be missing in one of the two.
    """
    targets = {table.id: table for table in made}
    pairs: list[TablePair] = []
    problems: list[str] = []
    empty: list[str] = []
    for entry in entries:
        target = targets.get(entry.table.id)
        computed = (derived or {}).get(entry.table.id, frozenset())
        found = list(_problems(entry, target, computed))
        if target is not None and not found:
            pairs.append(TablePair(entry, target, computed, computed & _unmatched(entry.table, target)))
        elif entry.state.rows:
            problems += found
        else:
            empty.append(entry.table.label)
    known = {entry.table.id for entry in entries}
    added = tuple(sorted(table.id for table in made if table.id not in known))
    return Pairing(tuple(pairs), tuple(problems), tuple(empty), added)


def _problems(entry: TableEntry, target: Table | None, derived: frozenset[str]) -> Iterator[str]:
    table, rows = entry.table, f"{entry.state.rows:,} row{'s' if entry.state.rows != 1 else ''}"
    if target is None:
        owner = "no model owns it, so no migration creates it" if table.model is None else "no migration makes it"
        yield f"{table.label}: the table {table.id!r} ({rows}) is not in the EDMS's migrations ({owner})."
        return
    ours, theirs = ({column.name: column for column in one.columns} for one in (table, target))
    for name in sorted(ours.keys() - theirs.keys() - derived):
        yield f"{table.label}: the column {name!r} ({rows}) is not in the EDMS's migrations."
    for name in sorted(theirs.keys() - ours.keys()):
        if name in derived and (theirs[name].nullable or theirs[name].generated):
            continue
        yield (
            f"{table.label}: the EDMS's migrations create a column {name!r} that the snapshot ({rows}) does not have"
            + (
                ", and it cannot be empty until the EDMS computes it: let the model allow NULL."
                if name in derived
                else "."
            )
        )
    for name in sorted(_generated_differently(ours, theirs) - derived):
        yield f"{table.label}: the column {name!r} is computed by the database in one of the engines only."


def _unmatched(ours: Table, theirs: Table) -> frozenset[str]:
    """The columns that only one of the two has, or that the database computes in one of them only."""
    mine, others = ({column.name: column for column in one.columns} for one in (ours, theirs))
    return frozenset(mine.keys() ^ others.keys()) | _generated_differently(mine, others)


def _without(table: Table, columns: frozenset[str]) -> Table:
    if not columns:
        return table
    return table.model_copy(
        update={
            "columns": tuple(column for column in table.columns if column.name not in columns),
            "unique_keys": tuple(key for key in table.unique_keys if columns.isdisjoint(key.columns)),
        }
    )


def _generated_differently(ours: Mapping[str, Column], theirs: Mapping[str, Column]) -> frozenset[str]:
    return frozenset(name for name in ours.keys() & theirs.keys() if ours[name].generated != theirs[name].generated)
