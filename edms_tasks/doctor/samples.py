"""Samples: the values of a table's columns as text, of a bounded number of rows, for estimates."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from edms_tasks.inventory.model import Column, ForeignReference, GenericReference, Table
from edms_tasks.keys.checked_keys import CheckedKeys
from edms_tasks.quoting import identifier, identifiers
from edms_tasks.scratch.workspace import relation
from edms_tasks.soft.id_lookup import id_text
from edms_tasks.undeclared.readable_bytes import bytes_text, has_bytes

SAMPLE_ROWS = 10_000
SAMPLE_BYTES = 16 << 20  # about so much of a table with long rows
_LONGEST_VALUE = 20_000  # bytes; a longer value is no id, path or password
_LONGEST_JSON = 1_000_000  # … but may hold them
_KINDS = {"integer", "decimal", "float", "text", "json", "uuid", "binary", "other"}


@dataclass(frozen=True)
class Sample:
    """Some rows of a table: a relation with a text column for each column in `columns`."""

    table: Table
    relation: str
    rows: int  # in the sample
    columns: tuple[Column, ...]  # all but keys, references and generated columns
    key: tuple[Column, ...] = ()  # a primary key of one column that is no reference; the relation has it too

    def own(self, column: Column) -> dict[str, str]:
        """The table whose ids a column holds as a matter of course, by the subject of findings; nothing unless it is the primary key."""
        return {f"{self.table.label}.{column.field or column.name}": self.table.id} if column in self.key else {}


def take_sample(cursor: duckdb.DuckDBPyConnection, table: Table, keys: CheckedKeys) -> Sample | None:
    """Sample a table that was read into the workspace; None if it has no rows or no such columns."""
    raw = keys.raws[table.id]
    referring = set[str]()
    for reference in table.references:
        if isinstance(reference, GenericReference):
            referring |= {reference.content_type_column, reference.object_id_column}
        elif isinstance(reference, ForeignReference):
            referring |= set(reference.columns)
    taken = referring | set(table.primary_key)
    columns = tuple(
        column
        for column in table.columns
        if column.logical_type in _KINDS and column.name not in taken and not column.generated
    )
    if not raw.rows or not columns:
        return None
    key = tuple(
        column
        for column in table.columns
        if table.primary_key == (column.name,) and column.name not in referring and column.logical_type in _KINDS
    )
    texts = []
    for column in (*columns, *key):
        text = _readable(table, column.name, keys)
        longest = f"CASE WHEN left({text}, 1) IN ('{{', '[') THEN {_LONGEST_JSON} ELSE {_LONGEST_VALUE} END"
        texts.append(f"CASE WHEN strlen({text}) <= {longest} THEN {text} END AS {identifier(column.name)}")
    name = identifier(f"sample of {table.id}")
    rows, chosen = relation(table, raw), ""
    size = " + ".join(f"coalesce(strlen({identifier(column.name)}::VARCHAR), 0)" for column in columns)
    ((all_bytes,),) = cursor.execute(f"SELECT coalesce(sum({size}), 0) FROM {relation(table, raw)}").fetchall()
    wanted = min(SAMPLE_ROWS, max(1, SAMPLE_BYTES * raw.rows // max(int(all_bytes), 1)))
    if raw.rows > wanted:
        # Rows are chosen by a hash of their key: spread over the whole table, and the same each time.
        members = identifiers(table.primary_key or [column.name for column in table.columns])
        chosen = f" WHERE hash({members}) % {-(-raw.rows // wanted)} = 0"
    cursor.execute(f"CREATE OR REPLACE TABLE {name} AS SELECT {', '.join(texts)} FROM {rows}{chosen}")
    (count,) = cursor.execute(f"SELECT count(*) FROM {name}").fetchall()[0]
    return Sample(table, name, int(count), columns, key)


def _readable(table: Table, column: str, keys: CheckedKeys) -> str:
    """SQL: a column's values as texts of ids, and bytes as the text that they are."""
    raw, kinds = keys.raws[table.id], keys.types[table.id]
    text, tagged = id_text(table, column, raw, kinds), raw.encodings.get(column) == "tagged"
    if kinds[column] != "BLOB" and not tagged:
        return text
    value = identifier(column)
    condition = has_bytes(value, kinds[column], tagged=tagged)
    return f"coalesce({text}, CASE WHEN {condition} THEN {bytes_text(value, tagged=tagged)} END)"
