"""Rows that exchange unique values: for a moment some of them have a value that no row has, so that each can take its own.

A column can give way if it may be NULL, or holds whole numbers or texts; not if other rows refer to it, or if it is part of the id.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from edms_tasks.digests.chunk_columns import KEY
from edms_tasks.digests.table_state import members
from edms_tasks.digests.value_equality import WHOLE
from edms_tasks.inventory.model import Column, ForeignReference, UniqueKey, UniqueRule
from edms_tasks.merging.identified_rows import NUMBER, Identified, paired
from edms_tasks.quoting import identifier, identifiers, literal, mentions
from edms_tasks.scratch.workspace import AS_PARQUET

_LARGEST = {"SMALLINT": 2**15 - 1, "INTEGER": 2**31 - 1, "BIGINT": 2**63 - 1}
_SHORTEST = 8  # characters of a text that no row has


@dataclass(frozen=True)
class GivingWay:
    """A column, and the SQL of a value that no row has, for rows `t` that are numbered by `place`."""

    column: str
    value: str


def giving_way(
    cursor: duckdb.DuckDBPyConnection, source: Identified, target: Identified, unique: UniqueKey | UniqueRule
) -> GivingWay | None:
    """How rows can give up their value of `unique`; None if no column can give way."""
    table = source.table
    pointed = {
        name
        for other in source.side.tables.values()
        for reference in other.references
        if isinstance(reference, ForeignReference) and reference.target == table.id
        for name in reference.target_columns
    }
    for column, is_itself in _columns(source, unique):
        if column.name in pointed or column.name in table.primary_key:
            continue
        if column.nullable and (isinstance(unique, UniqueRule) or unique.nulls_distinct):
            return GivingWay(column.name, "NULL")
        if any(column.name in members(reference) for reference in table.references):
            continue
        if is_itself and (first := _first_number(cursor, source, target, column)) is not None:
            return GivingWay(column.name, f"CAST({first} + place AS {source.storage(column.name).kind})")
        if (longest := _longest_text(source, target, column)) is not None:
            return GivingWay(column.name, f"left('~' || md5({literal(column.name)} || place), {longest})")
    return None


def write_aside(
    cursor: duckdb.DuckDBPyConnection,
    target: Identified,
    rows: str,
    columns: Sequence[GivingWay],
    path: Path,
) -> None:
    """Write the target's rows that are among `rows` (a relation with keys and numbers), with values that no row has, to `path`."""
    stored = identifiers([column.name for column in target.table.stored_columns])
    given = ", ".join(
        f"CAST({one.value} AS {target.storage(one.column).kind}) AS {identifier(one.column)}" for one in columns
    )
    order = identifiers((KEY, NUMBER))
    cursor.execute(
        f"COPY (SELECT {stored} FROM (SELECT t.* REPLACE ({given}) FROM (SELECT *, row_number() OVER (ORDER BY {order}) AS place "
        f"FROM {target.relation} x SEMI JOIN {rows} w ON {paired('w', 'x')}) t)) TO {literal(str(path))} {AS_PARQUET}"
    )


def _columns(source: Identified, unique: UniqueKey | UniqueRule) -> list[tuple[Column, bool]]:
    """The columns on which a unique value depends, and whether a column is part of the value as it is."""
    stored = {column.name: column for column in source.table.stored_columns}
    if isinstance(unique, UniqueRule):
        return [(column, False) for column in stored.values() if mentions(" ".join(unique.terms), column.name)]
    plain = [(stored[name], True) for name in unique.columns if name in stored]
    terms = " ".join(expression for name, expression in source.table.computed if name in unique.columns)
    return [*plain, *((column, False) for column in stored.values() if mentions(terms, column.name))]


def _first_number(
    cursor: duckdb.DuckDBPyConnection, source: Identified, target: Identified, column: Column
) -> int | None:
    """The number before those that no row of either side has; None if the column holds no whole numbers or no such are left."""
    held = [(side.relation, side.storage(column.name)) for side in (source, target)]
    if any(storage.tagged or storage.kind not in WHOLE for _, storage in held):
        return None
    name = identifier(column.name)
    most = " UNION ALL ".join(f"SELECT max({name}) AS most FROM {relation}" for relation, _ in held)
    (last,) = cursor.execute(f"SELECT greatest(coalesce(max(most), 0), 0) FROM ({most})").fetchall()[0]
    room = min(_LARGEST[storage.kind] for _, storage in held) - int(last)
    return int(last) if room > target.rows else None


def _longest_text(source: Identified, target: Identified, column: Column) -> int | None:
    """How many characters a text of the column may have; None if it holds no texts, or only short ones."""
    kinds = {(side.storage(column.name).kind, side.storage(column.name).tagged) for side in (source, target)}
    if column.logical_type != "text" or kinds != {("VARCHAR", False)}:
        return None
    limit = re.search(r"\((\d+)\)", column.native_type)
    longest = int(limit[1]) if limit else 33
    return min(longest, 33) if longest >= _SHORTEST else None
