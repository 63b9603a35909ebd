"""Serialize: raw chunks become natural-keyed Parquet with digests. Set-based throughout; nothing row by row.

A chunk holds the table's columns as they are, `@key` (the row's natural key) and one `@ref:<reference>` per reference
(the natural key of what it points at, NULL where it dangles). Digests are computed from exactly these columns, so a
stored chunk can be checked without any other.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from edms_tasks.canonical import (
    CONTENT,
    EMPTY_DIGEST,
    EXACT,
    digest_hex,
    digest_sums,
    halves,
    row_text,
    text_of,
    with_hashes,
)
from edms_tasks.databases.quoting import identifier, literal
from edms_tasks.databases.rechunk import PIECE_BYTES, rechunked
from edms_tasks.errors import CheckFailed
from edms_tasks.extract import RawTable
from edms_tasks.inventory.model import ForeignReference, GenericReference, NaturalKey, Reference, Table
from edms_tasks.keys import GENERIC_TARGETS, ProvenKeys, TableKey, equal, generic_object_id
from edms_tasks.manifest import Encoding, ReferenceState, TableState
from edms_tasks.workspace import Workspace, column_types, relation

KEY = "@key"
_HALVES = ("@key:exact upper", "@key:exact lower", "@key:content upper", "@key:content lower")
_BATCH_ROWS = 16_384
_DICTIONARY_BYTES = 8 << 20


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
    """Join the natural keys onto a table's rows, hash each row, and write its chunks into `folder` (created).

    Rows and hashes come out of one query; `package.verify_table` reads what was stored and hashes it again.
    """
    folder.mkdir(parents=True, exist_ok=True)
    key = keys.keys[table.id]
    files: list[tuple[Path, int]] = []
    state = _StateOfBatches(table)
    with keys.workspace.cursor() as cursor:
        if raw.rows:
            stream = cursor.sql(_with_hash_halves(cursor, table, raw, keys)).to_arrow_reader(_BATCH_ROWS)
            schema = _stored_schema(stream.schema, raw)
            rows = (state.taken(batch).cast(schema) for batch in stream)
            for piece in rechunked(rows, schema, chunk_rows, PIECE_BYTES):
                path = folder / f"{len(files):06d}.parquet"
                write_chunk(piece, path)
                files.append((path, piece.num_rows))
        found = state.total(
            key, lambda reference: _dangling_examples_of(cursor, reference, [path for path, _ in files])
        )
    if found.rows != raw.rows:
        raise CheckFailed(
            f"{table.label} was read with {raw.rows} rows and serialized with {found.rows}.",
            where=table.id,
            why="A reference's target is not unique in the database, so rows multiplied.",
            cure="Nothing was stored. Find the doubled rows with `edms-backup inspect` and the table's unique constraints.",
        )
    return SerializedTable(table.id, key.natural_key, raw.encodings, found, tuple(files))


def write_chunk(rows: pa.Table, path: Path) -> None:
    """One chunk as Parquet. Level 1 is as small as 3 on such columns, in two thirds of the time (docs/performance.md)."""
    pq.write_table(
        rows,
        path,
        compression="zstd",
        compression_level=1,
        # A natural key is different in every row: a dictionary of it would be built and thrown away.
        use_dictionary=[name for name in rows.column_names if name != KEY],
        dictionary_pagesize_limit=_DICTIONARY_BYTES,
        write_statistics=False,
    )


class _StateOfBatches:
    """Adds up a table's state while its rows stream by; columns at a time, never rows."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._rows = 0
        self._sums = [np.uint64(0)] * len(_HALVES)
        self._counts = {reference.name: [0, 0] for reference in table.references}

    def taken(self, batch: pa.RecordBatch) -> pa.Table:
        """The batch without its hash columns, which are added up."""
        self._rows += batch.num_rows
        for position, name in enumerate(_HALVES):
            # Unsigned addition wraps around at 2**64, which is what the digest's modulo says.
            self._sums[position] = np.add(
                self._sums[position], np.add.reduce(batch.column(name).to_numpy(zero_copy_only=False), dtype=np.uint64)
            )
        for reference in self._table.references:
            filled = functools.reduce(pc.and_, (batch.column(name).is_valid() for name in _members(reference)))
            dangling = pc.and_(filled, batch.column(reference_column(reference.name)).is_null())
            counts = self._counts[reference.name]
            counts[0] += filled.true_count
            counts[1] += dangling.true_count
        return pa.Table.from_batches([batch]).drop_columns(list(_HALVES))

    def total(self, key: TableKey, examples: Callable[[Reference], tuple[str, ...]]) -> TableState:
        exact_upper, exact_lower, content_upper, content_lower = (int(half) for half in self._sums)
        return TableState(
            rows=self._rows,
            exact_digest=digest_hex(exact_upper, exact_lower),
            content_digest=digest_hex(content_upper, content_lower),
            key_nulls=key.nulls,
            key_duplicates=key.duplicates,
            references=tuple(
                ReferenceState(
                    name=reference.name,
                    filled=filled,
                    dangling=dangling,
                    dangling_examples=examples(reference) if dangling else (),
                )
                for reference in self._table.references
                for filled, dangling in [self._counts[reference.name]]
            ),
        )


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
    key = keys.keys[table.id]
    columns = [f"t.{identifier(column.name)}" for column in table.columns]
    columns.append(f"{key.expression if key.natural_key else 'CAST(NULL AS VARCHAR)'} AS {identifier(KEY)}")
    joins = list(key.joins) if key.natural_key else []
    for number, reference in enumerate(table.references):
        alias = f"r{number}"
        joins.append(_reference_join(reference, alias, types, keys))
        columns.append(f"{alias}.nk AS {identifier(reference_column(reference.name))}")
    return f"SELECT {', '.join(columns)} FROM {relation(table, raw)} t\n" + "\n".join(joins)


def _with_hash_halves(cursor: duckdb.DuckDBPyConnection, table: Table, raw: RawTable, keys: ProvenKeys) -> str:
    source = f"({joined(table, raw, keys)})"
    hashed = _hashed(table, keys.keys[table.id].natural_key, source, column_types(cursor, source))
    columns = [column.name for column in table.columns]
    columns += [KEY, *(reference_column(reference.name) for reference in table.references)]
    split = zip((*halves(EXACT), *halves(CONTENT)), _HALVES, strict=True)
    projected = [identifier(name) for name in columns] + [f"{half} AS {identifier(name)}" for half, name in split]
    return f"SELECT {', '.join(projected)} FROM ({hashed})"


def _reference_join(reference: Reference, alias: str, kinds: Mapping[str, str], keys: ProvenKeys) -> str:
    if isinstance(reference, GenericReference):
        return (
            f"LEFT JOIN {GENERIC_TARGETS} {alias} ON CAST(t.{identifier(reference.content_type_column)} AS VARCHAR) = {alias}.content_type "
            f"AND {alias}.object_id = {generic_object_id('t.', reference, kinds)}"
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
    counts = []
    for reference in table.references:
        filled = _filled(reference)
        resolved = identifier(reference_column(reference.name))
        counts += [f"count(*) FILTER ({filled})", f"count(*) FILTER ({filled} AND {resolved} IS NULL)"]
    row = cursor.execute(
        f"SELECT count(*), {digest_sums(EXACT)}, {digest_sums(CONTENT)}{''.join(', ' + c for c in counts)} "
        f"FROM ({_hashed(table, key, source, types)})"
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


def _hashed(table: Table, key: NaturalKey | None, source: str, types: Mapping[str, str]) -> str:
    """The rows of `source` with their two hashes: what both digests cover, what only one of them does."""
    surrogate = set(table.primary_key) if key is not None and key.source != "surrogate" else set()
    surrogate -= {path[0] for path in key.paths} if key is not None else set()
    content: list[str] = []
    for reference in table.references:
        members = _members(reference)
        surrogate.update(members)
        resolved = identifier(reference_column(reference.name))
        raw = row_text([text_of(identifier(column), types[column]) for column in members])
        content.append(f"CASE WHEN {_filled(reference)} THEN coalesce({resolved}, 'dangling ' || {raw}) END")
    texts = {column.name: text_of(identifier(column.name), types[column.name]) for column in table.columns}
    return with_hashes(
        source,
        common=[text for name, text in texts.items() if name not in surrogate],
        exact=[text for name, text in texts.items() if name in surrogate],
        content=content,
    )


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


def _dangling_examples_of(
    cursor: duckdb.DuckDBPyConnection, reference: Reference, files: Sequence[Path]
) -> tuple[str, ...]:
    source = f"read_parquet([{', '.join(literal(str(path)) for path in files)}])"
    return _dangling_examples(cursor, reference, source, column_types(cursor, source))


def _stored_schema(schema: pa.Schema, raw: RawTable) -> pa.Schema:
    """The raw chunks' own column types: an engine in between must not widen or rename one."""
    source = {field.name: field.type for field in pq.read_schema(raw.files[0])}
    return pa.schema(
        [(field.name, source.get(field.name, field.type)) for field in schema if field.name not in _HALVES]
    )
