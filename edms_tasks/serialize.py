"""Serialize: raw chunks become natural-keyed Parquet with digests. Set-based throughout; nothing row by row.

A chunk holds the table's columns as they are, `@key` (the row's natural key) and one `@ref:<reference>` per reference
(the natural key of what it points at, NULL where it dangles). Digests are computed from exactly these columns, so a
stored chunk can be checked without any other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from edms_tasks.canonical import EMPTY_DIGEST, digest_columns, digest_hex, digest_sums, row_text, text_of
from edms_tasks.databases.quoting import identifier, literal
from edms_tasks.databases.rechunk import rechunked
from edms_tasks.errors import CheckFailed
from edms_tasks.extract import RawTable
from edms_tasks.inventory.model import ForeignReference, GenericReference, NaturalKey, Reference, Table
from edms_tasks.keys import GENERIC_TARGETS, ProvenKeys, equal, object_id_text
from edms_tasks.manifest import Encoding, ReferenceState, TableState
from edms_tasks.workspace import Workspace, column_types, relation

KEY = "@key"
_COMPRESSION_LEVEL = 3


@dataclass(frozen=True)
class SerializedTable:
    """A table ready to be stored."""

    table_id: str
    natural_key: NaturalKey | None
    encodings: dict[str, Encoding]
    state: TableState
    files: tuple[tuple[Path, int], ...]  # Parquet file, rows


def reference_column(name: str) -> str:
    """The Parquet column that holds a reference's natural key."""
    return f"@ref:{name}"


def serialize_table(table: Table, raw: RawTable, keys: ProvenKeys, folder: Path, chunk_rows: int) -> SerializedTable:
    """Join the natural keys onto a table's rows, write its chunks into `folder` (created), and digest what was written."""
    folder.mkdir(parents=True, exist_ok=True)
    files: list[tuple[Path, int]] = []
    with keys.workspace.cursor() as cursor:
        source = joined(table, raw, keys)
        if raw.rows:
            order = (
                f" ORDER BY {', '.join(f't.{identifier(column)}' for column in table.primary_key)}"
                if table.primary_key
                else ""
            )
            stream = cursor.sql(source + order).to_arrow_reader(min(chunk_rows, 65_536))
            schema = _stored_schema(stream.schema, raw)
            for piece in rechunked(
                (pa.Table.from_batches([batch]).cast(schema) for batch in stream), schema, chunk_rows
            ):
                path = folder / f"{len(files):06d}.parquet"
                pq.write_table(piece, path, compression="zstd", compression_level=_COMPRESSION_LEVEL)
                files.append((path, piece.num_rows))
        key = keys.keys[table.id]
        state = digest_chunks(cursor, table, key.natural_key, [path for path, _ in files], key.nulls, key.duplicates)
    if state.rows != raw.rows:
        raise CheckFailed(
            f"{table.label} was read with {raw.rows} rows and serialized with {state.rows}.",
            where=table.id,
            why="A reference's target is not unique in the database, so rows multiplied.",
            cure="Nothing was stored. Find the doubled rows with `edms-backup inspect` and the table's unique constraints.",
        )
    return SerializedTable(table.id, key.natural_key, raw.encodings, state, tuple(files))


def measure_table(table: Table, raw: RawTable, keys: ProvenKeys) -> TableState:
    """The state of rows read back from a database: the same digests, nothing written."""
    key = keys.keys[table.id]
    with keys.workspace.cursor() as cursor:
        if not raw.rows:
            return digest_chunks(cursor, table, key.natural_key, [], key.nulls, key.duplicates)
        return _state(cursor, table, key.natural_key, f"({joined(table, raw, keys)})", key.nulls, key.duplicates)


def digest_chunks(
    cursor: duckdb.DuckDBPyConnection,
    table: Table,
    key: NaturalKey | None,
    files: Sequence[Path],
    nulls: int,
    duplicates: int,
) -> TableState:
    """The state of stored chunks, from the chunks alone."""
    if not files:
        return empty_state(table)
    paths = ", ".join(literal(str(path)) for path in files)
    return _state(cursor, table, key, f"read_parquet([{paths}])", nulls, duplicates)


def empty_state(table: Table) -> TableState:
    """The state of a table without rows."""
    references = tuple(ReferenceState(name=reference.name, filled=0, dangling=0) for reference in table.references)
    return TableState(rows=0, exact_digest=EMPTY_DIGEST, content_digest=EMPTY_DIGEST, references=references)


def state_of_chunks(workspace: Workspace, table: Table, key: NaturalKey | None, files: Sequence[Path]) -> TableState:
    """Like `digest_chunks`, with the key's health counted from the chunks too."""
    with workspace.cursor() as cursor:
        if not files:
            return digest_chunks(cursor, table, key, files, 0, 0)
        paths = ", ".join(literal(str(path)) for path in files)
        row = cursor.execute(
            f"SELECT count({identifier(KEY)}) - count(DISTINCT {identifier(KEY)}) FROM read_parquet([{paths}])"
        ).fetchone()
        assert row is not None  # an aggregate always returns one row
        return digest_chunks(cursor, table, key, files, 0, int(row[0]) if key else 0)


def joined(table: Table, raw: RawTable, keys: ProvenKeys) -> str:
    """SELECT the table's rows with `@key` and every `@ref:…`."""
    types = keys.types[table.id]
    columns = [f"t.{identifier(column.name)}" for column in table.columns]
    joins: list[str] = []
    if table.primary_key:
        own = keys.keys[table.id]
        condition = " AND ".join(f"t.{identifier(c)} = own.{identifier('c:' + c)}" for c in table.primary_key)
        joins.append(f"LEFT JOIN {own.relation} own ON {condition}")
        columns.append(f"own.nk AS {identifier(KEY)}")
    else:
        columns.append(f"CAST(NULL AS VARCHAR) AS {identifier(KEY)}")
    for number, reference in enumerate(table.references):
        alias = f"r{number}"
        joins.append(_reference_join(reference, alias, types, keys))
        columns.append(f"{alias}.nk AS {identifier(reference_column(reference.name))}")
    return f"SELECT {', '.join(columns)} FROM {relation(table, raw)} t\n" + "\n".join(joins)


def _reference_join(reference: Reference, alias: str, kinds: Mapping[str, str], keys: ProvenKeys) -> str:
    if isinstance(reference, GenericReference):
        # The target decides whether its ids are UUIDs; where it has any, both spellings are tried through one text.
        plain = object_id_text(
            f"t.{identifier(reference.object_id_column)}", kinds[reference.object_id_column], is_uuid=False
        )
        bare = object_id_text(
            f"t.{identifier(reference.object_id_column)}", kinds[reference.object_id_column], is_uuid=True
        )
        return (
            f"LEFT JOIN {GENERIC_TARGETS} {alias} ON CAST(t.{identifier(reference.content_type_column)} AS VARCHAR) = {alias}.content_type "
            f"AND {alias}.object_id = CASE WHEN strlen({bare}) = 32 AND strlen({plain}) = 36 THEN {bare} ELSE {plain} END"
        )
    target = keys.keys.get(reference.target)
    if target is None:  # its rows were left out on purpose: nothing can be looked up
        return f"LEFT JOIN (SELECT CAST(NULL AS VARCHAR) AS nk WHERE false) {alias} ON false"
    conditions = [
        equal(
            f"t.{identifier(column)}", kinds[column], f"{alias}.{identifier('c:' + pointed)}", target.columns[pointed]
        )
        for column, pointed in zip(reference.columns, reference.target_columns, strict=True)
    ]
    return f"LEFT JOIN {target.relation} {alias} ON {' AND '.join(conditions)}"


def _state(
    cursor: duckdb.DuckDBPyConnection, table: Table, key: NaturalKey | None, source: str, nulls: int, duplicates: int
) -> TableState:
    types = column_types(cursor, source)
    exact = [text_of(identifier(column.name), types[column.name]) for column in table.columns]
    counts = []
    for reference in table.references:
        filled = _filled(reference)
        resolved = identifier(reference_column(reference.name))
        counts += [f"count(*) FILTER ({filled})", f"count(*) FILTER ({filled} AND {resolved} IS NULL)"]
    row = cursor.execute(
        f"""
        SELECT count(*), {digest_sums("exact")}, {digest_sums("content")}{"".join(", " + c for c in counts)}
        FROM (
            SELECT *, {digest_columns(row_text(exact), "exact")},
                   {digest_columns(row_text(_content_texts(table, key, types)), "content")}
            FROM {source}
        )
        """
    ).fetchone()
    assert row is not None  # an aggregate always returns one row
    numbers = [int(value) for value in row]
    references = tuple(
        ReferenceState(
            name=reference.name,
            filled=numbers[5 + 2 * position],
            dangling=numbers[6 + 2 * position],
            dangling_examples=_dangling_examples(cursor, reference, source, types) if numbers[6 + 2 * position] else (),
        )
        for position, reference in enumerate(table.references)
    )
    return TableState(
        rows=numbers[0],
        exact_digest=digest_hex(numbers[1], numbers[2]),
        content_digest=digest_hex(numbers[3], numbers[4]),
        key_nulls=nulls,
        key_duplicates=duplicates,
        references=references,
    )


def _content_texts(table: Table, key: NaturalKey | None, types: dict[str, str]) -> list[str]:
    """The texts of the content digest: surrogate keys left out, references by the natural key of their target."""
    surrogate = set(table.primary_key) if key is not None and key.source != "surrogate" else set()
    surrogate -= {path[0] for path in key.paths} if key is not None else set()
    texts: list[str] = []
    covered: set[str] = set()
    for reference in table.references:
        resolved = identifier(reference_column(reference.name))
        members = _members(reference)
        covered.update(members)
        raw = row_text([text_of(identifier(column), types[column]) for column in members])
        texts.append(f"CASE WHEN {_filled(reference)} THEN coalesce({resolved}, 'dangling ' || ({raw})) END")
    texts += [
        text_of(identifier(column.name), types[column.name])
        for column in table.columns
        if column.name not in covered and column.name not in surrogate
    ]
    return texts


def _members(reference: Reference) -> tuple[str, ...]:
    if isinstance(reference, ForeignReference):
        return reference.columns
    return (reference.content_type_column, reference.object_id_column)


def _filled(reference: Reference) -> str:
    return "(" + " AND ".join(f"{identifier(column)} IS NOT NULL" for column in _members(reference)) + ")"


def _dangling_examples(
    cursor: duckdb.DuckDBPyConnection, reference: Reference, source: str, types: dict[str, str]
) -> tuple[str, ...]:
    raw = " || ':' || ".join(text_of(identifier(column), types[column]) for column in _members(reference))
    rows = cursor.execute(
        f"SELECT DISTINCT {raw} AS example FROM {source} "
        f"WHERE {_filled(reference)} AND {identifier(reference_column(reference.name))} IS NULL ORDER BY example LIMIT 3"
    ).fetchall()
    return tuple(str(value)[:200] for (value,) in rows)


def _stored_schema(schema: pa.Schema, raw: RawTable) -> pa.Schema:
    """The raw chunks' own column types: an engine in between must not widen or rename one."""
    source = {field.name: field.type for field in pq.read_schema(raw.files[0])}
    return pa.schema([(field.name, source.get(field.name, field.type)) for field in schema])
