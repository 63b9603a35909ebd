"""Checked natural keys: the key of each table, its NULLs and duplicates, and the key of each row by id."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import cache

import duckdb

from edms_tasks.digests.value_equality import ColumnStorage, bare_if_uuid, object_id_text, storage_of
from edms_tasks.digests.value_text import untagged
from edms_tasks.inventory.model import CONTENT_TYPES, Finding, ForeignReference, GenericReference, NaturalKey, Table
from edms_tasks.manifest import Encoding
from edms_tasks.quoting import identifier
from edms_tasks.scratch.raw_table import RawTable
from edms_tasks.scratch.workspace import Workspace, relation
from edms_tasks.soft.id_lookup import Ids, no_ids, tabulate_ids
from edms_tasks.soft.soft_columns import SoftColumn

GENERIC_TARGETS = "generic_targets"


ContentTypeIds = Callable[[Sequence[str]], Sequence[str]]


@dataclass(frozen=True)
class TableKey:
    """A table's checked key, with its number of NULLs and duplicates."""

    natural_key: NaturalKey | None
    joins: tuple[str, ...]  # the joins to the raw rows `t` that the expression needs
    expression: str  # SQL of the key's text for a row of `t`
    relation: (
        str | None
    )  # its columns are "c:<column>" for every referenced column, and "nk"; None if no reference needs it
    nulls: int
    duplicates: int
    # Referenced columns that may hold the same values in several rows -> a relation with one of these rows for each: a join to it
    # does not multiply the referring rows.
    one_for_each: Mapping[tuple[str, ...], str] = field(default_factory=dict)

    def pointed_at(self, columns: Sequence[str]) -> str | None:
        """The relation in which references to these columns find their row; None if the keys were not tabulated."""
        return self.one_for_each.get(tuple(sorted(set(columns))), self.relation)

    @classmethod
    def recorded(cls, natural_key: NaturalKey | None, *, nulls: int, duplicates: int) -> TableKey:
        """A key that was checked at another time and is not tabulated; to use its expression is an error."""
        return cls(natural_key, (), "error('The keys of this table were not tabulated.')", None, nulls, duplicates)


@dataclass(frozen=True)
class TriedKey:
    """A candidate key and the result of its check on the rows."""

    key: NaturalKey
    nulls: int  # rows with a NULL part
    duplicates: int  # rows beyond the first of each key; the first candidate without any is the table's key


@dataclass(frozen=True)
class CheckedKeys:
    """The keys of all tables, in one workspace."""

    workspace: Workspace
    tables: Mapping[str, Table]
    raws: Mapping[str, RawTable]
    keys: Mapping[str, TableKey]
    types: Mapping[str, Mapping[str, str]]  # table id -> column -> DuckDB type
    findings: tuple[Finding, ...]
    tried: Mapping[str, Sequence[TriedKey]]  # table id -> candidates, in order, up to the one that held
    soft: Mapping[str, Sequence[SoftColumn]]  # table id -> its columns with soft references
    asked: Mapping[str, AbstractSet[str]] = field(default_factory=dict)  # table id -> tables whose keys are in its own

    def storage(self, table_id: str, column: str) -> ColumnStorage:
        """How a column's raw values are stored."""
        return storage_of(self.tables[table_id], self.raws[table_id], self.types[table_id], column)

    def leads_to(self, table_id: str, others: AbstractSet[str]) -> bool:
        """Whether a table is one of these, or its key contains, at any depth, the key of one."""
        seen, found = {table_id}, [table_id]
        while found:
            found = [name for one in found for name in self.asked.get(one, ()) if name not in seen]
            seen.update(found)
        return not seen.isdisjoint(others)

    def rows_of(self, reference: ForeignReference) -> list[str]:
        """The ids of the tables that contain the referenced rows; for a partitioned table, its partitions with rows."""
        known = [target for target in reference.targets if target in self.keys]
        return [target for target in known if self.raws[target].files] if reference.partitions else known


def ids_of(cursor: duckdb.DuckDBPyConnection, keys: CheckedKeys, target: str, column: str) -> Ids:
    """The ids in a target's column with the keys of their rows; none if its rows were left out."""
    if target not in keys.tables:
        return no_ids()
    table, key = keys.tables[target], keys.keys[target]
    rows = "\n".join([f"{relation(table, keys.raws[target])} t", *key.joins])
    return tabulate_ids(cursor, table, column, keys.raws[target], keys.types[target], rows=rows, key=key.expression)


def content_type_ids(cursor: duckdb.DuckDBPyConnection, keys: CheckedKeys) -> ContentTypeIds:
    """Labels of models ("documents.document") -> the ids, as text, of their content types; the rows are read once, if at all."""

    @cache
    def known() -> Mapping[str, Sequence[str]]:
        if CONTENT_TYPES not in keys.tables:
            return {}
        rows = relation(keys.tables[CONTENT_TYPES], keys.raws[CONTENT_TYPES])
        listed = cursor.execute(
            f"SELECT app_label || '.' || model, list(CAST(id AS VARCHAR)) FROM {rows} GROUP BY 1"
        ).fetchall()
        return dict(listed)

    return lambda labels: sorted(number for label in set(labels) for number in known().get(label, ()))


def generic_object_id(
    alias: str, reference: GenericReference, kinds: Mapping[str, str], encodings: Mapping[str, Encoding]
) -> str:
    """The object id of a generic reference, in the spelling of the target's ids."""
    column = reference.object_id_column
    value = f"{alias}{identifier(column)}"
    return (
        bare_if_uuid(untagged(value), "VARCHAR")
        if encodings.get(column) == "tagged"
        else bare_if_uuid(value, kinds[column])
    )


def object_id_of_row(table: Table, kinds: Mapping[str, str]) -> str:
    """The object id by which generic references refer to a raw row `t` of a table whose primary key has one column."""
    (pk,) = table.primary_key
    value, kind = f"t.{identifier(pk)}", kinds[pk]
    is_uuid = table.column(pk).logical_type == "uuid"
    return object_id_text(value, kind, is_uuid=True) if is_uuid else bare_if_uuid(value, kind)


def generic_content_type(alias: str, reference: GenericReference, encodings: Mapping[str, Encoding]) -> str:
    """The content type's id of a generic reference, as text."""
    value = f"{alias}{identifier(reference.content_type_column)}"
    return untagged(value) if encodings.get(reference.content_type_column) == "tagged" else f"CAST({value} AS VARCHAR)"
