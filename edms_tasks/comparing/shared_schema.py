"""The tables and columns that two states share, by which they are compared, and those that only one of them has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edms_tasks.comparing.comparison_result import ColumnDifference
from edms_tasks.digests.table_state import members
from edms_tasks.inventory.model import (
    Finding,
    ForeignReference,
    GenericReference,
    NaturalKey,
    Reference,
    SoftReference,
    Table,
)
from edms_tasks.inventory.natural_keys import path_exists, reference_of
from edms_tasks.inventory.search_indexes import belongs_to_an_index
from edms_tasks.manifest import Manifest, TableEntry


@dataclass(frozen=True)
class ComparedState:
    """One of the two compared states, as known before any row is read."""

    title: str  # for people
    engine: str
    tables: Mapping[str, Table]
    entries: Mapping[str, TableEntry]  # of a snapshot; a live database has none
    left_out: frozenset[str]  # ids of tables whose rows it does not hold though the EDMS has them
    rebuilt: frozenset[str]  # ids of the tables of search indexes, which are made from others


@dataclass(frozen=True)
class SharedSchema:
    """The tables and columns that both states have, and how their rows are identified."""

    tables: Mapping[str, Table]
    keys: Mapping[str, NaturalKey | None]
    columns: tuple[ColumnDifference, ...]  # what only one of them has, or has in another type
    left_out: tuple[str, ...]  # labels of the tables of which one of them has no rows on purpose
    rebuilt: tuple[str, ...]  # names of the search indexes' tables

    @property
    def named(self) -> frozenset[str]:
        """The tables whose rows are identified by their natural keys; rows of all others are identified by all their values."""
        found: dict[str, bool] = {}
        return frozenset(table_id for table_id in self.tables if _is_named(table_id, self, found))


def state_of_snapshot(snapshot_id: str, manifest: Manifest) -> ComparedState:
    """The state of a snapshot, from its manifest."""
    tables = {entry.table.id: entry.table for entry in manifest.tables}
    excluded = {finding.subject for finding in manifest.findings if finding.code == "excluded"}
    tag = f" ({manifest.tag})" if manifest.tag else ""
    return ComparedState(
        title=f"snapshot {snapshot_id[:12]}{tag}, {manifest.created:%Y-%m-%d %H:%M:%S} UTC",
        engine=manifest.engine,
        tables=tables,
        entries={entry.table.id: entry for entry in manifest.tables},
        left_out=frozenset(table_id for table_id, table in tables.items() if table.label in excluded),
        rebuilt=_rebuilt(manifest.findings, tables),
    )


def state_of_database(title: str, engine: str, tables: Sequence[Table], findings: Sequence[Finding]) -> ComparedState:
    """The state of a live database, from its catalogue."""
    known = {table.id: table for table in tables}
    return ComparedState(f"live, {title}", engine, known, {}, frozenset(), _rebuilt(findings, known))


def shared_schema(first: ComparedState, second: ComparedState) -> SharedSchema:
    """The shared schema of both. References and keys are those of the first."""
    left_out = (first.left_out | second.left_out) & (first.tables.keys() | second.tables.keys())
    # A live database does not know the models of its tables.
    owned = {table.id for state in (first, second) for table in state.tables.values() if table.model is not None}
    rebuilt = (first.rebuilt | second.rebuilt) - owned
    ids = sorted((first.tables.keys() & second.tables.keys()) - left_out - rebuilt)
    tables = {table_id: _shared(first.tables[table_id], second.tables[table_id]) for table_id in ids}
    tables = {table_id: _with_references(table, tables) for table_id, table in tables.items()}
    labels = sorted((first.tables.get(table_id) or second.tables[table_id]).label for table_id in left_out)
    return SharedSchema(
        tables=tables,
        keys={table_id: _key(table_id, tables, first, second) for table_id in ids},
        columns=tuple(
            difference
            for table_id in ids
            for difference in _column_differences(first.tables[table_id], second.tables[table_id])
        ),
        left_out=tuple(labels),
        rebuilt=tuple(sorted(rebuilt)),
    )


def _rebuilt(findings: Sequence[Finding], tables: Mapping[str, Table]) -> frozenset[str]:
    virtual = [finding.subject for finding in findings if finding.code == "virtual-table"]
    return frozenset(t for t, table in tables.items() if belongs_to_an_index(t, table.model, virtual))


def _shared(first: Table, second: Table) -> Table:
    there = {column.name for column in second.columns}
    columns = tuple(column for column in first.columns if column.name in there)
    unique = {key.columns for key in second.unique_keys if not key.partial}
    return first.model_copy(
        update={
            "columns": columns,
            "primary_key": first.primary_key if first.primary_key == second.primary_key else (),
            "unique_keys": tuple(key for key in first.unique_keys if key.columns in unique),
            "key_candidates": (),
        }
    )


def _with_references(table: Table, tables: Mapping[str, Table]) -> Table:
    """The table with the references that hold on both sides; the columns of others are columns like any."""
    return table.model_copy(
        update={"references": tuple(one for one in table.references if _is_on_both(one, table, tables))}
    )


def _is_on_both(reference: Reference, table: Table, tables: Mapping[str, Table]) -> bool:
    if not {column.name for column in table.columns}.issuperset(members(reference)):
        return False
    if isinstance(reference, GenericReference):
        return True
    pointed = (reference.target_column,) if isinstance(reference, SoftReference) else reference.target_columns
    return all(
        target in tables and {column.name for column in tables[target].columns}.issuperset(pointed)
        for target in reference.targets
    )


def _key(table_id: str, tables: Mapping[str, Table], first: ComparedState, second: ComparedState) -> NaturalKey | None:
    """The natural key of a table, of the first state if that has one, whose columns exist on both sides; or None."""
    for state in (first, second):
        entry = state.entries.get(table_id)
        key = entry.natural_key if entry is not None else None
        if key is None or key.source == "surrogate":
            continue
        if all(path_exists(path, tables[table_id], tables) for path in key.paths):
            return key
    return None


def _is_named(table_id: str, schema: SharedSchema, found: dict[str, bool]) -> bool:
    if table_id not in found:
        found[table_id] = False  # a key that contains itself identifies nothing
        key = schema.keys[table_id]
        found[table_id] = key is not None and all(
            target is None or _is_named(target, schema, found)
            for path in key.paths
            for target in [path_targets(schema.tables[table_id], path, schema.tables)[-1]]
        )
    return found[table_id]


def path_targets(table: Table, path: Sequence[str], tables: Mapping[str, Table]) -> tuple[str | None, ...]:
    """For each column of a key's path, the id of the table that it refers to; None for a plain value."""
    targets: list[str | None] = []
    here = table
    for name in path:
        reference = reference_of(here, name)
        targets.append(reference.target if isinstance(reference, ForeignReference) else None)
        if reference is not None:
            here = tables[reference.target]
    return tuple(targets)


def _column_differences(first: Table, second: Table) -> list[ColumnDifference]:
    was = {column.name: column.native_type for column in first.columns}
    now = {column.name: column.native_type for column in second.columns}
    return [
        ColumnDifference(model=first.label, column=name, first_type=was.get(name), second_type=now.get(name))
        for name in [*was, *(name for name in now if name not in was)]
        if was.get(name) != now.get(name)
    ]
