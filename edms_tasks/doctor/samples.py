"""Samples: the values of a table's columns as text, of a bounded number of rows, for estimates."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from edms_tasks.digests.value_text import text_value
from edms_tasks.inventory.model import Column, ForeignReference, GenericReference, Table
from edms_tasks.keys.checked_keys import CheckedKeys
from edms_tasks.quoting import identifier, identifiers
from edms_tasks.scratch.workspace import relation

SAMPLE_ROWS = 10_000
_LONGEST_VALUE = 20_000  # bytes; a longer value is no id, path or password
_KINDS = {"integer", "text", "json", "uuid", "other"}


@dataclass(frozen=True)
class Sample:
    """Some rows of a table: a relation with a text column for each column in `columns`."""

    table: Table
    relation: str
    rows: int  # in the sample
    columns: tuple[Column, ...]  # all but keys, references and generated columns


def take_sample(cursor: duckdb.DuckDBPyConnection, table: Table, keys: CheckedKeys) -> Sample | None:
    """Sample a table that was read into the workspace; None if it has no rows or no such columns."""
    raw = keys.raws[table.id]
    taken = set(table.primary_key)
    for reference in table.references:
        if isinstance(reference, GenericReference):
            taken |= {reference.content_type_column, reference.object_id_column}
        elif isinstance(reference, ForeignReference):
            taken |= set(reference.columns)
    columns = tuple(
        column
        for column in table.columns
        if column.logical_type in _KINDS and column.name not in taken and not column.generated
    )
    if not raw.rows or not columns:
        return None
    texts = []
    for column in columns:
        text = text_value(column.name, keys.types[table.id][column.name], raw.encodings.get(column.name, "native"))
        texts.append(f"CASE WHEN strlen({text}) <= {_LONGEST_VALUE} THEN {text} END AS {identifier(column.name)}")
    name = identifier(f"sample of {table.id}")
    rows, chosen = relation(table, raw), ""
    if raw.rows > SAMPLE_ROWS:
        # Rows are chosen by a hash of their key: spread over the whole table, and the same each time.
        members = identifiers(table.primary_key or [column.name for column in table.columns])
        chosen = f" WHERE hash({members}) % {-(-raw.rows // SAMPLE_ROWS)} = 0"
    cursor.execute(f"CREATE OR REPLACE TABLE {name} AS SELECT {', '.join(texts)} FROM {rows}{chosen}")
    (count,) = cursor.execute(f"SELECT count(*) FROM {name}").fetchall()[0]
    return Sample(table, name, int(count), columns)
