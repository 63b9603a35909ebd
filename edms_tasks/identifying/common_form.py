"""Bring two databases' rows of a table into the same form, if they were read in different forms.

Natural keys are texts of values. So a number that one side stores natively and the other tagged (SQLite) would have two
keys, and so would an address that a snapshot of an earlier release read by a cast to text (PostgreSQL).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import duckdb

from edms_tasks.digests.value_equality import ColumnStorage, classed, storage_of
from edms_tasks.inventory.model import Column, Table
from edms_tasks.manifest import Encoding
from edms_tasks.quoting import identifier, literal
from edms_tasks.scratch.raw_table import RawTable
from edms_tasks.scratch.workspace import AS_PARQUET, relation, types_of_rows

_POSTGRESQL = ("output", "text")


def in_one_form(
    cursor: duckdb.DuckDBPyConnection, table: Table, raws: Mapping[str, RawTable], folder: Path
) -> dict[str, RawTable]:
    """The sides' rows of a table in one form.

    PostgreSQL's values are as its output functions write them. A column of SQLite is tagged if the sides' forms differ.

    Args:
        cursor: cursor of the workspace.
        table: the table; both sides have its columns.
        raws: the rows, by the side's name.
        folder: folder for rows that have to be rewritten; created.
    """
    raws = _as_output(cursor, table, raws, folder)
    filled = {name: raw for name, raw in raws.items() if raw.rows}
    kinds = {name: types_of_rows(cursor, table, raw) for name, raw in filled.items()}
    # The engine's own text equals what its other forms read as, so `comparable_columns.comparable` is enough.
    mixed = [
        column.name
        for column in table.columns
        if not any(raw.encodings[column.name] in _POSTGRESQL for raw in filled.values())
    ]
    differing = {
        name
        for name in mixed
        if len({(found[name], filled[side].encodings[name]) for side, found in kinds.items()}) > 1
    }
    if not differing:
        return dict(raws)
    # A side that is tagged already stays the very same: whoever compares it again need not read it again.
    return {
        name: _tagged(cursor, table, raw, kinds[name], differing, folder / name)
        if name in kinds and any(raw.encodings[column] != "tagged" for column in differing)
        else raw
        for name, raw in raws.items()
    }


def _as_output(
    cursor: duckdb.DuckDBPyConnection, table: Table, raws: Mapping[str, RawTable], folder: Path
) -> Mapping[str, RawTable]:
    """The rows of sides that read PostgreSQL's columns in both ways: all as its output functions write them, if possible."""
    ways = {column.name: {raw.encodings[column.name] for raw in raws.values() if raw.rows} for column in table.columns}
    differing = {name for name, found in ways.items() if found >= {"text", "output"}}
    return {
        name: _rewritten(cursor, table, raw, cast, folder / f"{name}-output")
        if raw.rows and (cast := {column for column in differing if raw.encodings[column] == "text"})
        else raw
        for name, raw in raws.items()
    }


def _rewritten(
    cursor: duckdb.DuckDBPyConnection, table: Table, raw: RawTable, cast: set[str], folder: Path
) -> RawTable:
    made = [
        f"{from_cast(column)} AS {identifier(column.name)}" if column.name in cast else identifier(column.name)
        for column in table.columns
    ]
    return _written(cursor, table, raw, made, folder, dict.fromkeys(cast, "output"))


def _tagged(
    cursor: duckdb.DuckDBPyConnection,
    table: Table,
    raw: RawTable,
    kinds: Mapping[str, str],
    columns: set[str],
    folder: Path,
) -> RawTable:
    made = [_expression(column.name, storage_of(table, raw, kinds, column.name), columns) for column in table.columns]
    return _written(cursor, table, raw, made, folder, dict.fromkeys(columns, "tagged"))


def _written(
    cursor: duckdb.DuckDBPyConnection,
    table: Table,
    raw: RawTable,
    made: Sequence[str],
    folder: Path,
    encodings: Mapping[str, Encoding],
) -> RawTable:
    folder.mkdir(parents=True, exist_ok=True)
    written = folder / "rows.parquet"
    cursor.execute(
        f"COPY (SELECT {', '.join(made)} FROM {relation(table, raw)}) TO {literal(str(written))} {AS_PARQUET}"
    )
    return replace(raw, files=(written,), encodings={**raw.encodings, **encodings})


def _expression(name: str, value: ColumnStorage, columns: set[str]) -> str:
    quoted = identifier(name)
    if name not in columns or value.tagged:
        return quoted
    return f"{_with_class(quoted, value)} AS {quoted}"


def _with_class(expression: str, value: ColumnStorage) -> str:
    """SQL: values tagged as sqlite/view.py does; a whole real is an integer in the columns that are stored as doubles."""
    if value.kind != "DOUBLE":
        return classed(expression, value)
    affinity_is_real = any(word in value.native_type.upper() for word in ("REAL", "FLOA", "DOUB"))
    # SQLite reads no other text as infinite, and stores no whole number beyond 64 bits as an integer.
    real = (
        f"'r' || CASE {expression} WHEN 'infinity'::DOUBLE THEN '9e999' WHEN '-infinity'::DOUBLE THEN '-9e999' "
        f"ELSE CAST({expression} AS VARCHAR) END"
    )
    if affinity_is_real:
        return real
    is_integer = f"{expression} = trunc({expression}) AND TRY_CAST({expression} AS BIGINT) IS NOT NULL"
    return f"CASE WHEN {is_integer} THEN {classed(expression, value)} ELSE {real} END"


def from_cast(column: Column) -> str:
    """DuckDB SQL: the text of a type's output function, from a value that was read by a cast to text.

    The casts of two types write something else. The original text of an enum's or a composite's own cast is unknown.
    """
    name = identifier(column.name)
    if column.native_type == "inet":
        return f"regexp_replace({name}, CASE WHEN contains({name}, ':') THEN '/128$' ELSE '/32$' END, '')"
    length = re.fullmatch(r"character\((\d+)\)", column.native_type)
    return f"rpad({name}, {length[1]}, ' ')" if length else name
