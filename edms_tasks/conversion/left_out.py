"""Decide what a change of engine leaves out because it can be made again: derived tables, and SQLite's search indexes.

Their form belongs to one engine. What nobody declared as derived is left out only if it is an index over another table.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from edms_tasks.conversion.table_pairs import TablePair
from edms_tasks.conversion.virtual_tables import SearchIndex
from edms_tasks.findings import make_finding
from edms_tasks.inventory.declared_as_derived import derived_tables
from edms_tasks.inventory.model import Finding, Table
from edms_tasks.manifest import TableEntry


@dataclass(frozen=True)
class LeftOutTable:
    """A table, a derived column, or a search index, whose rows or values were not converted.

    Args:
        label: the model's label, the table's or the index's name; of a column with the model's label before it.
        rows: the number of its rows in the snapshot.
        index: whether it is a search index of SQLite, whose rows are those of its shadow tables.
        fix: who makes it again, and how; a sentence or two.
        open: whether the administrator has to do so.
    """

    label: str
    rows: int
    index: bool
    fix: str
    open: bool

    def __str__(self) -> str:
        what = "is a search index of SQLite" if self.index else "is derived"
        rows = f" ({self.rows:,} row{'s' if self.rows != 1 else ''})" if not self.index else ""
        return f"{self.label}{rows} {what} and was not converted. {self.fix}"

    def finding(self) -> Finding:
        """It as a finding of the restore."""
        return make_finding(
            "derived-left-out", self.label, str(self), severity="warning" if self.open else "info", count=self.rows
        )


@dataclass(frozen=True)
class Omissions:
    """What a change of engine leaves out.

    Args:
        tables: ids of the snapshot's tables that are not converted.
        made: ids of the other engine's tables that hold an index and are neither filled nor compared.
        listed: what the administrator is told.
    """

    tables: frozenset[str]
    made: frozenset[str]
    listed: tuple[LeftOutTable, ...]

    def with_columns(self, pairs: Sequence[TablePair], rebuild: Sequence[str]) -> Omissions:
        """The same with the derived columns that are not converted; `rebuild`: `[derived] rebuild`."""
        columns = [
            LeftOutTable(
                f"{pair.entry.table.label}.{name}",
                pair.entry.state.rows,
                index=False,
                fix=_by_command(rebuild) or _BY_OWNER,
                open=not rebuild,
            )
            for pair in pairs
            for name in sorted(pair.left_out)
            # What the database itself computes is there again at once.
            if not any(column.name == name and column.generated for column in pair.target.columns)
        ]
        return replace(self, listed=(*self.listed, *columns))


def omissions(
    entries: Sequence[TableEntry],
    made: Sequence[Table],
    indexes: Sequence[SearchIndex],
    made_indexes: Sequence[SearchIndex],
    names: Collection[str],
    rebuild: Sequence[str],
) -> Omissions:
    """What is left out of the conversion of a snapshot.

    Args:
        entries: the snapshot's tables.
        made: the tables that the EDMS created in the other engine.
        indexes: the snapshot's search indexes.
        made_indexes: those that the EDMS created.
        names: `[derived] tables`.
        rebuild: `[derived] rebuild`.

    Raises:
        SettingsError: a name is unknown, or a table that stays refers to one that does not.
    """
    tables = [entry.table for entry in entries]
    there = {table.id for table in made}
    others = {*there, *(index.name for index in (*indexes, *made_indexes))}
    derived = derived_tables(tables, names, others)
    declared = {name.lower() for name in names}
    made_again = {table_id.lower() for table_id in derived}
    left = {
        index.name: index
        for index in indexes
        # The EDMS may have a table of that name on the other engine: then its rows are converted.
        if index.name.lower() in declared
        or not declared.isdisjoint(map(str.lower, index.shadows))
        # What only the triggers of derived tables write is part of them.
        or (index.fed_by and made_again.issuperset(map(str.lower, index.fed_by)))
        or (index.over is not None and there.isdisjoint(index.shadows))
    }
    shadows = {shadow for index in left.values() for shadow in index.shadows}
    by_command = _by_command(rebuild)
    rows = {entry.table.id: entry.state.rows for entry in entries}
    listed = [
        LeftOutTable(table.label, rows[table.id], index=False, fix=by_command or _BY_OWNER, open=not rebuild)
        for table in derived.values()
        if table.id not in shadows
    ]
    listed += _of_indexes(left.values(), made_indexes, rows, by_command)
    return Omissions(
        tables=frozenset({*derived, *shadows}),
        made=frozenset(shadow for index in made_indexes for shadow in index.shadows),
        listed=tuple(listed),
    )


def _by_command(rebuild: Sequence[str]) -> str:
    return f"The EDMS makes it again afterwards: {', '.join(rebuild)}." if rebuild else ""


_BY_OWNER = "It is empty: run the EDMS's command that makes it again. With the command in [derived] rebuild, a move runs it by itself."


def _of_indexes(
    left: Collection[SearchIndex], made: Sequence[SearchIndex], rows: dict[str, int], by_command: str
) -> Iterator[LeftOutTable]:
    for index in left:
        source = index.over or ", ".join(index.fed_by)
        over = f"It is made from {source}. " if source else ""
        fix = by_command or (
            "PostgreSQL has none of that kind: if the EDMS has an index of its own there, run its command that makes it."
        )
        found = sum(rows[shadow] for shadow in index.shadows)
        yield LeftOutTable(index.name, found, index=True, fix=over + fix, open=not by_command)
    for index in made:
        by_owner = f"It is empty: run {index.rebuild}." if index.over else _BY_OWNER
        yield LeftOutTable(index.name, 0, index=True, fix=by_command or by_owner, open=not by_command)
