"""Bring two databases' rows of one table into the same form, where SQLite's storage classes made them differ.

Natural keys are texts of values, so a number that one side carries as it is and the other tagged would be two keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import duckdb

from edms_tasks.databases.quoting import identifier, literal
from edms_tasks.extract import RawTable
from edms_tasks.inventory.model import Table
from edms_tasks.matching import Held, classed, held
from edms_tasks.workspace import AS_PARQUET, column_types, relation


def in_one_form(
    cursor: duckdb.DuckDBPyConnection, table: Table, raws: Mapping[str, RawTable], folder: Path
) -> dict[str, RawTable]:
    """The sides' rows of a table, tagged in every column of SQLite that one of them carries in another form.

    Args:
        cursor: where to compute.
        table: the table; both sides have its columns.
        raws: the rows, by the side's name.
        folder: where to write rows that had to be brought into another form; created.
    """
    filled = {name: raw for name, raw in raws.items() if raw.rows}
    kinds = {name: column_types(cursor, relation(table, raw)) for name, raw in filled.items()}
    # The engine's own text is what its other forms read as, so that `comparison.comparable` is enough for it.
    mixed = [
        column.name
        for column in table.columns
        if not any(raw.encodings[column.name] == "text" for raw in filled.values())
    ]
    differing = {
        name
        for name in mixed
        if len({(found[name], filled[side].encodings[name]) for side, found in kinds.items()}) > 1
    }
    if not differing:
        return dict(raws)
    return {
        name: _tagged(cursor, table, raw, kinds[name], differing, folder / name) if name in kinds else raw
        for name, raw in raws.items()
    }


def _tagged(
    cursor: duckdb.DuckDBPyConnection,
    table: Table,
    raw: RawTable,
    kinds: Mapping[str, str],
    columns: set[str],
    folder: Path,
) -> RawTable:
    folder.mkdir(parents=True, exist_ok=True)
    written = folder / "rows.parquet"
    made = [_expression(column.name, held(table, raw, kinds, column.name), columns) for column in table.columns]
    cursor.execute(
        f"COPY (SELECT {', '.join(made)} FROM {relation(table, raw)}) TO {literal(str(written))} {AS_PARQUET}"
    )
    return replace(raw, files=(written,), encodings={**raw.encodings, **dict.fromkeys(columns, "tagged")})


def _expression(name: str, value: Held, columns: set[str]) -> str:
    quoted = identifier(name)
    if name not in columns or value.tagged:
        return quoted
    return f"{_with_class(quoted, value)} AS {quoted}"


def _with_class(expression: str, value: Held) -> str:
    """As sqlite/view.py tags values; a real that is whole is an integer in the columns that are carried as doubles."""
    if value.kind != "DOUBLE":
        return classed(expression, value)
    affinity_is_real = any(word in value.native_type.upper() for word in ("REAL", "FLOA", "DOUB"))
    real = f"'r' || CAST({expression} AS VARCHAR)"
    return (
        real
        if affinity_is_real
        else f"CASE WHEN {expression} = trunc({expression}) THEN {classed(expression, value)} ELSE {real} END"
    )
