"""Serialize: write raw rows as Parquet chunks with natural keys and digests, set-based.

A chunk has the table's columns unchanged, `@key` (the row's natural key, unless it follows from other columns), for each reference
`@ref:<reference>` (the natural key of the row that it points at, NULL if it dangles), and for each column with soft references its
content `@soft:<column>`. Digests are computed from exactly these columns, so a stored chunk can be checked without any other. Rows
that the previous snapshot has are not stored again.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from edms_tasks.databases.rechunk import PIECE_BYTES, rechunked
from edms_tasks.digests.canonical import json_array, text_of
from edms_tasks.digests.chunk_columns import KEY, content_column, reference_column
from edms_tasks.digests.table_state import (
    HALVES,
    DigestSums,
    StateOfBatches,
    dangling_examples,
    empty_state,
    is_in_other_columns,
    parquet,
    state_of,
    with_hash_halves,
)
from edms_tasks.digests.value_equality import leads_to
from edms_tasks.errors import CheckFailed
from edms_tasks.incremental.row_index import CHUNK, ROW, IndexWriter, StoredRows, live_rows, renumbered, superseded_rows
from edms_tasks.inventory.model import ROW_ID, ForeignReference, GenericReference, NaturalKey, SoftReference, Table
from edms_tasks.keys.checked_keys import GENERIC_TARGETS, CheckedKeys, generic_content_type, generic_object_id
from edms_tasks.manifest import Chunk, Encoding, TableState
from edms_tasks.quoting import identifier, identifiers
from edms_tasks.scratch.arrow_batches import arrow_batches
from edms_tasks.scratch.raw_table import RawTable
from edms_tasks.scratch.workspace import relation

_DICTIONARY_BYTES = 4 << 20
_SAMPLE_ROWS = 4096
_FEW_ROWS = 64


@dataclass(frozen=True)
class NewChunk:
    """A new chunk to store."""

    path: Path
    rows: int
    exact_digest: str
    content_digest: str


@dataclass(frozen=True)
class KeptChunk:
    """A chunk of the previous snapshot that is used again, without rows that were changed or deleted since."""

    chunk: Chunk
    superseded: Path | None
    superseded_rows: int


@dataclass(frozen=True)
class SerializedTable:
    """A table to store: the chunks of its entry are first `kept`, then `new`, in this order."""

    table_id: str
    natural_key: NaturalKey | None
    encodings: dict[str, Encoding]
    state: TableState
    kept: tuple[KeptChunk, ...]
    new: tuple[NewChunk, ...]
    index: Path | None  # the position of each row in the chunks (row_index.py); None for a table without rows
    kinds: dict[str, str]  # column -> DuckDB type
    raw_bytes: int  # the size of the raw rows


def serialize_table(
    table: Table, raw: RawTable, keys: CheckedKeys, folder: Path, chunk_rows: int, stored: StoredRows | None = None
) -> SerializedTable:
    """Join the natural keys to a table's rows, hash each row, and write the rows that are not stored yet to `folder` (created).

    Raises:
        CheckFailed: the number of serialized rows differs from that of the raw ones.
    """
    folder.mkdir(parents=True, exist_ok=True)
    key = keys.keys[table.id]
    if not raw.rows:
        return SerializedTable(table.id, key.natural_key, raw.encodings, empty_state(table), (), (), None, {}, 0)
    index = folder / "index.parquet"
    offset = len(stored.entry.chunks) if stored else 0
    with keys.workspace.cursor() as cursor:
        writer = IndexWriter(index)
        state = StateOfBatches(table)
        source = f"({joined(table, raw, keys)})"
        stream = _hashed_rows(cursor, table, raw, keys, stored)
        first = next(stream)
        schema = _stored_schema(first.schema, raw)
        stream = itertools.chain([first], stream)
        new = [
            _written(piece, folder / f"{number:06d}.parquet", writer, offset + number)
            for number, piece in enumerate(
                rechunked(_unstored(stream, state, writer, schema, stored), schema, chunk_rows, PIECE_BYTES)
            )
        ]
        writer.close()
        found = state.total(key.nulls, key.duplicates, lambda reference: dangling_examples(cursor, reference, source))
        if found.rows != raw.rows:
            raise CheckFailed(
                f"{table.label}: {raw.rows} rows were read, but {found.rows} serialized.",
                where=table.id,
                why="A reference's target is not unique in the database, so rows multiplied.",
                fix="Nothing was stored. Find the duplicate rows: `edms-backup inspect` shows the table's unique constraints.",
            )
        kept = _kept(cursor, stored, index, folder) if stored else {}
        numbers = [*kept, *range(offset, offset + len(new))]
        renumbered(cursor, index, {old: position for position, old in enumerate(numbers)})
    kinds = {column.name: keys.types[table.id][column.name] for column in table.columns}
    return SerializedTable(
        table.id, key.natural_key, raw.encodings, found, tuple(kept.values()), tuple(new), index, kinds, raw.bytes
    )


def _hashed_rows(
    cursor: duckdb.DuckDBPyConnection, table: Table, raw: RawTable, keys: CheckedKeys, stored: StoredRows | None
) -> Iterator[pa.RecordBatch]:
    """The rows with keys, hashes and, if they are stored already, their positions, about 64 MB at a time."""
    natural_key = keys.keys[table.id].natural_key
    with_key = _needs_key(table, natural_key, keys)
    types = keys.types[table.id]
    found = [name for name in table.found_columns if name in types]
    for rows, at_once in raw.by_width():
        source = f"({joined(table, rows, keys)})"
        hashed = with_hash_halves(cursor, table, natural_key, source, with_key=with_key, also=found, types=types)
        yield from arrow_batches(cursor, _with_places(hashed, stored), at_once, rows=rows.rows)


def measure_table(table: Table, raw: RawTable, keys: CheckedKeys) -> TableState:
    """The state of rows that were read back from a database; nothing is written."""
    key = keys.keys[table.id]
    if not raw.rows:
        return empty_state(table).model_copy(update={"key_nulls": key.nulls, "key_duplicates": key.duplicates})
    with keys.workspace.cursor() as cursor:
        source = f"({joined(table, raw, keys)})"
        return state_of(
            cursor,
            table,
            key.natural_key,
            source,
            nulls=key.nulls,
            duplicates=key.duplicates,
            types=keys.types[table.id],
        )


def joined(table: Table, raw: RawTable, keys: CheckedKeys) -> str:
    """A SELECT of the table's rows with `@key`, every `@ref:…` and every `@soft:…`."""
    types = keys.types[table.id]
    key = keys.keys[table.id]
    columns = [f"t.{identifier(column.name)}" for column in table.columns]
    if table.row_ids and ROW_ID in types:  # the other side of a merge or comparison may have no row ids
        columns.append(f"t.{identifier(ROW_ID)}")
    columns += [f"t.{identifier(name)}" for name in table.found_columns if name in types]
    columns.append(f"{key.expression if key.natural_key else 'CAST(NULL AS VARCHAR)'} AS {identifier(KEY)}")
    joins = list(key.joins) if key.natural_key else []
    soft = {f"s{number}": column for number, column in enumerate(keys.soft.get(table.id, ()))}
    pointed = {name: f"{alias}.r{place}" for alias, held in soft.items() for place, name in enumerate(held.references)}
    for number, reference in enumerate(table.references):
        alias = f"r{number}"
        value = pointed.get(reference.name, f"{alias}.nk")
        if isinstance(reference, ForeignReference) and reference.temporal:
            value = _covered(reference, types)
        elif not isinstance(reference, SoftReference):
            joins.append(_reference_join(table, reference, alias, types, keys))
        columns.append(f"{value} AS {identifier(reference_column(reference.name))}")
    for alias, held in soft.items():
        value = text_of(f"t.{identifier(held.column)}", types[held.column])
        reading = f"{alias}.reading = {held.number_of('t')}"
        joins.append(f"LEFT JOIN {held.relation} {alias} ON {alias}.value = {value} AND {reading}")
        columns.append(f"{alias}.content AS {identifier(content_column(held.column))}")
    return f"SELECT {', '.join(columns)} FROM {relation(table, raw)} t\n" + "\n".join(joins)


def _needs_key(table: Table, key: NaturalKey | None, keys: CheckedKeys) -> bool:
    """Whether chunks need `@key`, because it does not follow from their other columns.

    It does not if the key passes through a reference to a table whose rows were left out: in `@ref:…` such a reference looks as if
    it dangled.
    """
    if key is None or not is_in_other_columns(table, key):
        return key is not None
    heads = {path[0] for path in key.paths}
    return any(
        isinstance(reference, ForeignReference)
        and heads.intersection(reference.columns)
        and reference.target not in keys.tables  # also partitioned tables, which are not in it either
        for reference in table.references
    )


def _with_places(hashed: str, stored: StoredRows | None) -> str:
    """A SELECT of the hashed rows with the position (`CHUNK`, `ROW`) of each that is stored already."""
    if stored is None:
        places = f"CAST(NULL AS INTEGER) AS {identifier(CHUNK)}, CAST(NULL AS INTEGER) AS {identifier(ROW)}"
        return f"SELECT *, {places} FROM ({hashed})"
    same = " AND ".join(f"h.{identifier(name)} = i.{identifier(name)}" for name in HALVES)
    left_out = ", ".join(str(number) for number in sorted(stored.rewritten))
    usable = f" WHERE {identifier(CHUNK)} NOT IN ({left_out})" if left_out else ""
    return (
        f"SELECT h.*, i.{identifier(CHUNK)}, i.{identifier(ROW)} FROM ({hashed}) h "
        f"LEFT JOIN (SELECT * FROM {parquet([stored.index])}{usable}) i ON {same}"
    )


def _unstored(
    stream: Iterable[pa.RecordBatch],
    state: StateOfBatches,
    writer: IndexWriter,
    schema: pa.Schema,
    stored: StoredRows | None,
) -> Iterator[pa.Table]:
    """The rows to store. All rows are counted; those that are stored already are written to the index."""
    for batch in stream:
        state.add(batch)
        rows = pa.Table.from_batches([batch])
        if stored is not None:
            known = rows.column(CHUNK).is_valid()
            writer.add(rows.filter(known))
            rows = rows.filter(pc.invert(known))
        yield rows.select(schema.names).cast(schema)


def _written(piece: pa.Table, path: Path, writer: IndexWriter, number: int) -> NewChunk:
    sums = DigestSums()
    sums.add(piece)
    writer.add(piece, number)
    exact, content = sums.digests()
    write_chunk(piece.drop_columns(list(HALVES)), path)
    return NewChunk(path, piece.num_rows, exact, content)


def write_chunk(rows: pa.Table, path: Path) -> None:
    """Write a chunk as Parquet. zstd level 1 gives the same size as 3 on such columns in two thirds of the time (docs/performance.md)."""
    plain = {field.name: encoding for field in rows.schema if (encoding := _plain_encoding(field, rows[field.name]))}
    pq.write_table(
        rows,
        path,
        compression="zstd",
        compression_level=1,
        use_dictionary=[name for name in rows.column_names if name not in plain],
        dictionary_pagesize_limit=_DICTIONARY_BYTES,
        column_encoding=plain or None,
        write_statistics=False,
    )


def _plain_encoding(field: pa.Field, values: pa.ChunkedArray) -> str | None:
    """The Parquet encoding of a column whose values rarely repeat; None for a dictionary.

    For such values Parquet would build a dictionary, give it up, and fall back to plain encoding. Delta encodings (lengths separate
    from texts, differences of integers) are 14 % smaller (docs/performance.md).
    """
    sample = values.slice(0, _SAMPLE_ROWS)
    filled = len(sample) - sample.null_count
    if filled < _FEW_ROWS or pc.count_distinct(sample).as_py() * 4 < filled:
        return None
    if pa.types.is_string(field.type) or pa.types.is_binary(field.type):
        return "DELTA_LENGTH_BYTE_ARRAY"
    if pa.types.is_timestamp(field.type) or (pa.types.is_integer(field.type) and field.type.bit_width >= 32):
        return "DELTA_BINARY_PACKED"
    return None


def _kept(cursor: duckdb.DuckDBPyConnection, stored: StoredRows, index: Path, folder: Path) -> dict[int, KeptChunk]:
    """Number in the previous snapshot -> chunk that still has rows of the table."""
    live = live_rows(cursor, index)
    kept = {}
    for number, chunk in enumerate(stored.entry.chunks):
        if number not in live:
            continue
        gone = chunk.rows - live[number]
        path = None
        if gone:
            path = folder / f"superseded-{number:06d}.parquet"
            rows = superseded_rows(cursor, index, number, chunk.rows)
            pq.write_table(pa.table({"row": pa.array(rows, type=pa.int32())}), path, compression="zstd")
        kept[number] = KeptChunk(chunk, path, gone)
    return kept


def _reference_join(
    table: Table,
    reference: ForeignReference | GenericReference,
    alias: str,
    kinds: Mapping[str, str],
    keys: CheckedKeys,
) -> str:
    if isinstance(reference, GenericReference):
        encodings = keys.raws[table.id].encodings
        return (
            f"LEFT JOIN {GENERIC_TARGETS} {alias} ON {generic_content_type('t.', reference, encodings)} = {alias}.content_type "
            f"AND {alias}.object_id = {generic_object_id('t.', reference, kinds, encodings)}"
        )
    targets = keys.rows_of(reference)
    if not targets:  # the target's rows were left out, or there are none
        return f"LEFT JOIN (SELECT CAST(NULL AS VARCHAR) AS nk WHERE false) {alias} ON false"
    pointed = identifiers([*(f"c:{column}" for column in dict.fromkeys(reference.target_columns)), "nk"])
    relations = [f"SELECT {pointed} FROM {keys.keys[target].relation}" for target in targets]
    condition = leads_to(
        reference,
        lambda column: keys.storage(table.id, column),
        lambda column: keys.storage(targets[0], column),
        kinds,
        pointing="t",
        pointed=alias,
        prefix="c:",
    )
    return f"LEFT JOIN ({' UNION ALL '.join(relations)}) {alias} ON {condition}"


def _covered(reference: ForeignReference, kinds: Mapping[str, str]) -> str:
    """SQL of a temporal reference's `@ref:…`: its own values if the database found that it holds, otherwise NULL."""
    (found,) = reference.found_columns
    if found not in kinds:
        return "CAST(NULL AS VARCHAR)"
    texts = [text_of(f"t.{identifier(column)}", kinds[column]) for column in reference.columns]
    return f"CASE WHEN t.{identifier(found)} THEN {json_array([f'to_json({text})' for text in texts])} END"


def _stored_schema(schema: pa.Schema, raw: RawTable) -> pa.Schema:
    """The schema of stored rows: the column types of the raw files, which DuckDB must not change, and the hashes."""
    source = {field.name: field.type for field in pq.read_schema(raw.files[0])}
    return pa.schema(
        [(field.name, source.get(field.name, field.type)) for field in schema if field.name not in (CHUNK, ROW)]
    )
