"""Parts of natural keys that are ids without a foreign key: they stand for the rows that they refer to.

`(user, permission, object id)` is unique by the object's number, but in another system that number belongs to another object. So
the number is replaced by that object's natural key.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from edms_tasks.digests.canonical import text_of
from edms_tasks.digests.value_equality import WHOLE
from edms_tasks.inventory.model import CONTENT_TYPES, GenericReference, Table
from edms_tasks.inventory.natural_keys import generic_of
from edms_tasks.keys.checked_keys import (
    CheckedKeys,
    ContentTypeIds,
    TableKey,
    content_type_ids,
    generic_content_type,
    generic_object_id,
    ids_of,
    object_id_of_row,
)
from edms_tasks.quoting import identifier, literal
from edms_tasks.scratch.raw_table import RawTable
from edms_tasks.scratch.workspace import relation
from edms_tasks.soft.id_lookup import Ids
from edms_tasks.soft.soft_columns import SoftColumn, tabulate_soft_column

_PAIRS = "meant_pairs"


@dataclass
class Meanings:
    """The rows that ids lead to, as far as the keys of these rows are known."""

    cursor: duckdb.DuckDBPyConnection
    keys: CheckedKeys  # its keys are those known so far
    key_of: Callable[[str], TableKey | None]  # the key of a table; None while it is being built
    rows_of: Callable[[Table, TableKey], str]  # FROM of a table's rows with what their key needs
    _known: dict[tuple[str, str], str | SoftColumn] = field(default_factory=dict)

    def part(self, table: Table, column: str, alias: str, joined: str) -> tuple[str, str] | None:
        """The join and the expression of a key's part that is such an id; None if it leads back to a key being built.

        Args:
            table: the table with the column.
            column: the last column of the part's path, which `holds_ids_without_foreign_key` is true of.
            alias: of the table's raw rows.
            joined: the alias to use in the join.
        """
        value = f"{alias}.{identifier(column)}"
        raw = text_of(value, self.keys.types[table.id][column])
        reference = generic_of(table, column)
        if reference is None:
            soft = self._soft(table, column)
            if soft is None:
                return None
            on = f"{joined}.value = {raw} AND {joined}.reading = {soft.number_of(alias)}"
            return (
                f"LEFT JOIN {soft.relation} {joined} ON {on}",
                f"CASE WHEN {value} IS NULL THEN 'null' ELSE {joined}.content END",
            )
        rows = self._generic(table, reference)
        if rows is None:
            return None
        encodings, kinds = self.keys.raws[table.id].encodings, self.keys.types[table.id]
        content_type = generic_content_type(f"{alias}.", reference, encodings)
        object_id = generic_object_id(f"{alias}.", reference, kinds, encodings)
        return (
            f"LEFT JOIN {rows} {joined} ON {joined}.content_type = {content_type} AND {joined}.object_id = {object_id}",
            f"CASE WHEN {value} IS NULL THEN 'null' WHEN {alias}.{identifier(reference.content_type_column)} IS NULL "
            f"THEN to_json({raw}) ELSE coalesce({joined}.nk, '{{\"dangling\":' || to_json({raw}) || '}}') END",
        )

    def insert_generic_rows(self, into: str, pairs: str) -> bool:
        """Add (content type, object id, key, label) of the rows that pairs lead to; False if a key is still being built."""
        if CONTENT_TYPES not in self.keys.tables:
            return True
        rows = relation(self.keys.tables[CONTENT_TYPES], self.keys.raws[CONTENT_TYPES])
        by_content_type = {name: table for table in self.keys.tables.values() for name in table.content_types}
        kinds = self.cursor.execute(
            f"SELECT CAST(id AS VARCHAR), app_label, model FROM {rows} "
            f"WHERE CAST(id AS VARCHAR) IN (SELECT content_type FROM {pairs}) ORDER BY 1"
        ).fetchall()
        for number, app_label, model in kinds:
            target = by_content_type.get((app_label, model))
            if target is None or len(target.primary_key) != 1:
                continue
            key = self.key_of(target.id)
            if key is None:
                return False
            as_text = object_id_of_row(target, self.keys.types[target.id])
            label = literal(f'["{app_label}.{model}",')
            # Two ids may be one in the spelling of object ids, as UUIDs with dashes and without: one row stands for both.
            is_number = self.keys.types[target.id][target.primary_key[0]] in WHOLE
            nk, group = ("nk", "") if is_number else ("min(nk)", "GROUP BY object_id")
            self.cursor.execute(
                f"INSERT INTO {into} SELECT {literal(number)}, object_id, {nk}, {literal(f'{app_label}.{model}')} "
                f"FROM (SELECT {as_text} AS object_id, {label} || {key.expression} || ']' AS nk FROM {self.rows_of(target, key)}) "
                f"WHERE object_id IN (SELECT object_id FROM {pairs} WHERE content_type = {literal(number)}) {group}"
            )
        return True

    def _generic(self, table: Table, reference: GenericReference) -> str | None:
        """The relation of the rows that a generic reference leads to."""
        name = identifier(f"meant by {table.id}.{reference.name}")
        if (table.id, reference.name) in self._known:
            return name
        pairs = identifier(f"{_PAIRS} of {table.id}.{reference.name}")
        self.cursor.execute(
            f"CREATE OR REPLACE TABLE {pairs} AS {generic_pairs(table, reference, self.keys, self.keys.raws[table.id])} ORDER BY ALL"
        )
        self.cursor.execute(
            f"CREATE OR REPLACE TABLE {name} (content_type VARCHAR, object_id VARCHAR, nk VARCHAR, label VARCHAR)"
        )
        if not self.insert_generic_rows(name, pairs):
            return None
        self.cursor.execute(f"DROP TABLE {pairs}")
        self._known[table.id, reference.name] = name
        return name

    def _soft(self, table: Table, column: str) -> SoftColumn | None:
        """The contents of a column with soft references."""
        known = self._known.get((table.id, column))
        if isinstance(known, SoftColumn):
            return known
        targets = {one.target for one in table.soft_references if one.column == column}
        if any(self.key_of(target) is None for target in targets if target in self.keys.tables):
            return None
        folder = Path(tempfile.mkdtemp(prefix="soft-key-", dir=self.keys.workspace.folder))
        found = tabulate_column(
            self.cursor, self.keys, table, column, {}, content_type_ids(self.cursor, self.keys), folder
        )
        self._known[table.id, column] = found
        return found


def generic_pairs(table: Table, reference: GenericReference, keys: CheckedKeys, raw: RawTable) -> str:
    """SELECT the content types and object ids of a generic reference that these rows use, as text."""
    return (
        f"SELECT DISTINCT {generic_content_type('', reference, raw.encodings)} AS content_type, "
        f"{generic_object_id('', reference, keys.types[table.id], raw.encodings)} AS object_id "
        f"FROM {relation(table, raw)} WHERE {identifier(reference.content_type_column)} IS NOT NULL"
    )


def tabulate_column(
    cursor: duckdb.DuckDBPyConnection,
    keys: CheckedKeys,
    table: Table,
    column: str,
    known: dict[tuple[str, str], Ids],
    content_types: ContentTypeIds,
    folder: Path,
) -> SoftColumn:
    """The contents of a column with soft references; `known` are the ids of targets that were tabulated before."""
    ids = []
    for soft in table.soft_references:
        if soft.column == column:
            if (soft.target, soft.target_column) not in known:
                known[soft.target, soft.target_column] = ids_of(cursor, keys, soft.target, soft.target_column)
            ids.append(known[soft.target, soft.target_column])
    return tabulate_soft_column(
        cursor,
        table,
        column,
        keys.raws[table.id],
        keys.types[table.id],
        ids,
        folder,
        content_types=content_types,
    )


def tabulate_columns(
    cursor: duckdb.DuckDBPyConnection, keys: CheckedKeys, unchanged: Mapping[str, Sequence[SoftColumn]]
) -> Mapping[str, Sequence[SoftColumn]]:
    """Table id -> its columns with soft references, each with its values as content and the rows they point at.

    Those of the tables in `unchanged` are as they were tabulated before.
    """
    folder = Path(tempfile.mkdtemp(prefix="soft-", dir=keys.workspace.folder))
    known: dict[tuple[str, str], Ids] = {}
    content_types = content_type_ids(cursor, keys)
    found = {
        table_id: [
            tabulate_column(cursor, keys, table, column, known, content_types, folder) for column in table.soft_columns
        ]
        for table_id, table in keys.tables.items()
        if table.soft_columns and table_id not in unchanged
    }
    for (target, _), looked_up in known.items():
        if target in keys.tables:  # the results are in files; free the memory for the rows
            cursor.execute(f"DROP TABLE {looked_up.relation}")
    return {**unchanged, **found}
