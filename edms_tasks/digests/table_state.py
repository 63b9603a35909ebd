"""Count a table's rows and references: in stored chunks, in rows read back, or while rows are written; digest them for format 1.

All three use the same expressions over a table's columns, `@key` and `@ref:…`, so equal rows have equal states.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from edms_tasks.digests.canonical import (
    CONTENT,
    EMPTY_DIGEST,
    EXACT,
    digest_hex,
    digest_sums,
    json_array,
    row_text,
    text_of,
    with_hashes,
)
from edms_tasks.digests.chunk_columns import KEY, ORPHAN, content_column, reference_column
from edms_tasks.inventory.model import ROW_ID, ForeignReference, NaturalKey, Reference, SoftReference, Table
from edms_tasks.manifest import ReferenceState, TableState
from edms_tasks.quoting import identifier, literal
from edms_tasks.scratch.workspace import Workspace, column_types

HALVES = ("@key:exact upper", "@key:exact lower", "@key:content upper", "@key:content lower")
"""A row's two hashes as four columns of 64 bits."""

_EXAMPLES = 3


def empty_state(table: Table) -> TableState:
    """The counts of a table without rows."""
    references = [ReferenceState(name=reference.name, filled=0, dangling=0) for reference in table.references]
    return TableState(rows=0, references=tuple(references))


def digested_empty_state(table: Table) -> TableState:
    """The counts and digests (format 1) of a table without rows."""
    return empty_state(table).model_copy(update={"exact_digest": EMPTY_DIGEST, "content_digest": EMPTY_DIGEST})


def state_of_chunks(workspace: Workspace, table: Table, key: NaturalKey | None, files: Sequence[Path]) -> TableState:
    """The state of stored chunks, computed from the chunks alone, with the number of duplicate keys."""
    if not files:
        return digested_empty_state(table)
    with workspace.cursor() as cursor:
        source = chunks(cursor, table, key, files)
        row = cursor.execute(f"SELECT count({identifier(KEY)}) - count(DISTINCT {identifier(KEY)}) FROM {source}")
        (duplicates,) = row.fetchall()[0]
        return state_of(cursor, table, key, source, nulls=0, duplicates=int(duplicates) if key else 0)


def state_of(
    cursor: duckdb.DuckDBPyConnection,
    table: Table,
    key: NaturalKey | None,
    source: str,
    *,
    nulls: int,
    duplicates: int,
    types: Mapping[str, str] | None = None,
) -> TableState:
    """The counts and digests (format 1) of a relation with the columns of a chunk; the key's NULLs and duplicates are parameters.

    `types` are those of the table's columns in the relation; None: they are asked of it.
    """
    hashed = f"({_hashed(table, key, source, types or column_types(cursor, source))})"
    state, sums = _measured(
        cursor, table, source, hashed, (digest_sums(EXACT), digest_sums(CONTENT)), nulls, duplicates
    )
    digests = {"exact_digest": digest_hex(*sums[:2]), "content_digest": digest_hex(*sums[2:])}
    return state.model_copy(update=digests)


def counts_of(
    cursor: duckdb.DuckDBPyConnection, table: Table, source: str, *, nulls: int, duplicates: int
) -> TableState:
    """The counts of a relation with the columns of a chunk; those of the key's NULLs and duplicates are parameters."""
    return _measured(cursor, table, source, source, (), nulls, duplicates)[0]


def _measured(
    cursor: duckdb.DuckDBPyConnection,
    table: Table,
    source: str,
    counted: str,
    sums: Sequence[str],
    nulls: int,
    duplicates: int,
) -> tuple[TableState, list[int]]:
    """The counts of the relation `counted`, and these sums of it; examples come from `source`, which has the same rows."""
    asked = ["count(*)"]
    for reference in table.references:
        asked += [f"count(*) FILTER ({is_filled(reference)})", f"count(*) FILTER ({dangles(reference)})"]
    row = cursor.execute(f"SELECT {', '.join([*asked, *sums])} FROM {counted}").fetchone()
    assert row is not None  # an aggregate always returns one row
    rows, *numbers = (int(value) for value in row)
    both = len(table.references) * 2
    counts = list(zip(numbers[:both:2], numbers[1:both:2], strict=True))
    references = _reference_states(table, counts, lambda reference: dangling_examples(cursor, reference, source))
    state = TableState(rows=rows, key_nulls=nulls, key_duplicates=duplicates, references=references)
    return state, numbers[both:]


def _reference_states(
    table: Table, counts: Sequence[tuple[int, int]], examples: Callable[[Reference], tuple[str, ...]]
) -> tuple[ReferenceState, ...]:
    """The state of each reference from how often it is filled and how often it dangles; `examples` is called if it does."""
    return tuple(
        ReferenceState(
            name=reference.name,
            filled=filled,
            dangling=dangling,
            dangling_examples=examples(reference) if dangling else (),
        )
        for reference, (filled, dangling) in zip(table.references, counts, strict=True)
    )


def exact_digest(
    cursor: duckdb.DuckDBPyConnection, table: Table, key: NaturalKey | None, source: str
) -> tuple[int, str]:
    """The number of rows of a relation that has the table's columns, and their exact digest."""
    types, apart = column_types(cursor, source), _apart(table, key)
    texts = {column.name: text_of(identifier(column.name), types[column.name]) for column in table.columns}
    hashed = with_hashes(
        source,
        common=[text for name, text in texts.items() if name not in apart],
        exact=[*(text for name, text in texts.items() if name in apart), *_row_id(table, types)],
        content=[],
    )
    row = cursor.execute(f"SELECT count(*), {digest_sums(EXACT)} FROM ({hashed})").fetchone()
    assert row is not None  # an aggregate always returns one row
    rows, upper, lower = (int(number) for number in row)
    return rows, digest_hex(upper, lower)


class StateOfRows:
    """Counts a table's rows and references, batch by batch.

    Args:
        table: the table.
        workspace: where examples of references that dangle are written as text.
        rows: the number of rows that are known already.
        references: the state of each reference in these.
    """

    def __init__(
        self, table: Table, workspace: Workspace, *, rows: int = 0, references: Sequence[ReferenceState] = ()
    ) -> None:
        self._table, self._workspace = table, workspace
        self._rows = rows
        self._references = list(references) or [
            ReferenceState(name=reference.name, filled=0, dangling=0) for reference in table.references
        ]

    def add(self, rows: pa.Table) -> None:
        """Add rows that have the columns of a chunk."""
        self._rows += rows.num_rows
        for place, (reference, state) in enumerate(zip(self._table.references, self._references, strict=True)):
            pointed = rows[reference_column(reference.name)]
            if isinstance(reference, SoftReference):
                filled, dangling = pointed.is_valid(), pc.fill_null(pc.match_substring(pointed, ORPHAN), False)
            else:
                filled = functools.reduce(pc.and_, (rows[name].is_valid() for name in members(reference)))
                dangling = pc.and_(filled, pointed.is_null())
            lost = int(pc.sum(dangling).as_py() or 0)
            examples = state.dangling_examples
            if lost:
                examples = tuple(sorted({*examples, *self._examples(reference, rows, dangling)})[:_EXAMPLES])
            self._references[place] = ReferenceState(
                name=state.name,
                filled=state.filled + int(pc.sum(filled).as_py() or 0),
                dangling=state.dangling + lost,
                dangling_examples=examples,
            )

    def total(self, nulls: int, duplicates: int) -> TableState:
        """The state of all rows; the numbers of NULLs and duplicates of the key are parameters."""
        return TableState(
            rows=self._rows, key_nulls=nulls, key_duplicates=duplicates, references=tuple(self._references)
        )

    def _examples(self, reference: Reference, rows: pa.Table, dangling: pa.ChunkedArray) -> tuple[str, ...]:
        names = dict.fromkeys((*members(reference), reference_column(reference.name)))
        with self._workspace.cursor() as cursor:
            cursor.register("dangling", rows.select(list(names)).filter(dangling))
            return dangling_examples(cursor, reference, "dangling")


def dangling_examples(cursor: duckdb.DuckDBPyConnection, reference: Reference, source: str) -> tuple[str, ...]:
    """Up to three values of a reference whose target row does not exist."""
    if isinstance(reference, SoftReference):
        return _orphans(cursor, reference, source)
    types = column_types(cursor, source)
    raw = " || ':' || ".join(text_of(identifier(column), types[column]) for column in members(reference))
    rows = cursor.execute(
        f"SELECT DISTINCT {raw} AS example FROM {source} WHERE {dangles(reference)} ORDER BY example LIMIT {_EXAMPLES}"
    ).fetchall()
    return tuple(str(value)[:200] for (value,) in rows)


def _orphans(cursor: duckdb.DuckDBPyConnection, reference: SoftReference, source: str) -> tuple[str, ...]:
    """Up to three ids without a row, from the marks of a soft reference."""
    pointed = identifier(reference_column(reference.name))
    rows = cursor.execute(
        f"SELECT DISTINCT unnest(json_extract_string({pointed}, '$[*].nowhere')) AS example FROM {source} "
        f"WHERE {dangles(reference)} ORDER BY example LIMIT {_EXAMPLES}"
    ).fetchall()
    return tuple(str(value)[:200] for (value,) in rows)


def members(reference: Reference) -> tuple[str, ...]:
    """The columns that a reference consists of."""
    if isinstance(reference, ForeignReference):
        return reference.columns
    if isinstance(reference, SoftReference):
        return (reference.column,)
    return (reference.content_type_column, reference.object_id_column)


def is_filled(reference: Reference) -> str:
    """SQL: whether this reference is filled in a row of a chunk."""
    if isinstance(reference, SoftReference):
        return f"{identifier(reference_column(reference.name))} IS NOT NULL"
    return "(" + " AND ".join(f"{identifier(column)} IS NOT NULL" for column in members(reference)) + ")"


def dangles(reference: Reference) -> str:
    """SQL: whether this reference dangles in a row of a chunk (a soft one: at least one of its ids)."""
    pointed = identifier(reference_column(reference.name))
    if isinstance(reference, SoftReference):
        return f"coalesce(contains({pointed}, {literal(ORPHAN)}), false)"
    return f"({is_filled(reference)} AND {pointed} IS NULL)"


def ids_held(reference: Reference) -> tuple[str, str]:
    """SQL: the number of ids in this reference of a chunk's row, and how many of them no row has."""
    if not isinstance(reference, SoftReference):
        return f"CAST({is_filled(reference)} AS INTEGER)", f"CAST({dangles(reference)} AS INTEGER)"
    pointed = identifier(reference_column(reference.name))
    lost = f"(length({pointed}) - length(replace({pointed}, {literal(ORPHAN)}, ''))) // {len(ORPHAN)}"
    return f"CASE WHEN {pointed} IS NOT NULL THEN greatest(json_array_length({pointed}), 1) END", lost


def is_in_other_columns(table: Table, key: NaturalKey | None) -> bool:
    """Whether a row's key follows from the chunk's other columns: its own values, and `@ref:…` of its references."""
    return key is None or (not key.by_meaning and all(len(path) == 1 for path in key.paths))


def chunks(cursor: duckdb.DuckDBPyConnection, table: Table, key: NaturalKey | None, files: Sequence[Path]) -> str:
    """Chunks as a relation, `@key` included."""
    if not is_in_other_columns(table, key):
        return parquet(files)
    # Some of the chunks may have the column and others not.
    source = f"read_parquet([{', '.join(literal(str(path)) for path in files)}], union_by_name = true)"
    types = column_types(cursor, source)
    made = _key_of_columns(table, key, types)
    if KEY not in types:
        return f"(SELECT *, {made} AS {identifier(KEY)} FROM {source})"
    return f"(SELECT * REPLACE (coalesce({identifier(KEY)}, {made}) AS {identifier(KEY)}) FROM {source})"


def _key_of_columns(table: Table, key: NaturalKey | None, types: Mapping[str, str]) -> str:
    """SQL of the natural key in the form of keys/checking.py, from the columns of a chunk."""
    if key is None:
        return "CAST(NULL AS VARCHAR)"
    references = {
        reference.columns[0]: identifier(reference_column(reference.name))
        for reference in reversed(table.references)  # the first of several counts
        if isinstance(reference, ForeignReference) and len(reference.columns) == len(reference.target_columns) == 1
    }
    parts = []
    for (column,) in key.paths:
        text = text_of(identifier(column), types[column])
        plain = f"coalesce(to_json({text}), 'null')"
        if column in references and key.source != "surrogate":
            dangling = f"""'{{"dangling":' || to_json({text}) || '}}'"""
            plain = f"CASE WHEN {text} IS NULL THEN 'null' ELSE coalesce({references[column]}, {dangling}) END"
        parts.append(plain)
    return json_array(parts)


def parquet(files: Sequence[Path]) -> str:
    """Parquet files as a relation."""
    return f"read_parquet([{', '.join(literal(str(path)) for path in files)}])"


def _hashed(table: Table, key: NaturalKey | None, source: str, types: Mapping[str, str]) -> str:
    """The rows of `source` with their two hashes."""
    apart = _apart(table, key)
    content: list[str] = []
    for reference in table.references:
        columns = members(reference)
        if isinstance(reference, SoftReference):
            continue  # covered by its column's content below
        resolved = identifier(reference_column(reference.name))
        raw = row_text([text_of(identifier(column), types[column]) for column in columns])
        content.append(f"CASE WHEN {is_filled(reference)} THEN coalesce({resolved}, 'dangling ' || {raw}) END")
    content += [identifier(content_column(column)) for column in table.soft_columns]
    if key is not None and any(len(path) > 1 for path in key.paths):
        # Such a key has values of other rows, which are not in this row's other columns.
        content.append(identifier(KEY))
    texts = {column.name: text_of(identifier(column.name), types[column.name]) for column in table.columns}
    return with_hashes(
        source,
        common=[text for name, text in texts.items() if name not in apart],
        exact=[*(text for name, text in texts.items() if name in apart), *_row_id(table, types)],
        content=content,
    )


def _row_id(table: Table, types: Mapping[str, str]) -> list[str]:
    """The text of SQLite's row id, if rows are stored with it. Only the exact digest covers it."""
    return [text_of(identifier(ROW_ID), types[ROW_ID])] if table.row_ids else []


def _apart(table: Table, key: NaturalKey | None) -> set[str]:
    """The columns that only the exact digest covers: surrogate keys, and the columns of references."""
    apart = set(table.primary_key) if key is not None and key.source != "surrogate" else set()
    apart -= {path[0] for path in key.paths} if key is not None else set()
    for reference in table.references:
        apart.update(members(reference))
    return apart
