"""Which rows of a table are incompatible with the other engine: found by one query over all of them, before anything is loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from edms_tasks.conversion.column_conversion import Conversion
from edms_tasks.conversion.forms import Form
from edms_tasks.conversion.table_pairs import TablePair
from edms_tasks.digests.table_state import KEY, chunks
from edms_tasks.digests.value_text import text_value
from edms_tasks.manifest import TableEntry
from edms_tasks.quoting import identifier, literal
from edms_tasks.scratch.workspace import column_types

LISTED = 100
"""Rows that are listed for each column; the counts are of all."""
_LONGEST_VALUE = 60


@dataclass(frozen=True)
class IncompatibleRow:
    """One value that has no equal in the other engine."""

    model: str
    primary_key: str
    natural_key: str | None
    column: str
    reason: str
    value: str | None  # shortened; None where it is not shown

    def __str__(self) -> str:
        shown = "" if self.value is None else f": {self.value}"
        return f"{self.model} {self.primary_key}, {self.column} {self.reason}{shown}"


@dataclass(frozen=True)
class IncompatibleColumn:
    """The incompatible values of one column, for one reason."""

    model: str
    column: str
    reason: str
    rows: int
    listed: tuple[IncompatibleRow, ...]


@dataclass(frozen=True)
class Compatibility:
    """How a table fits.

    Args:
        incompatible: what does not; nothing may be loaded while there is any.
        respelled: column -> values that come back in another spelling, for every column that has any.
        highest: the largest primary key, where that is one whole number; None without rows.
    """

    incompatible: tuple[IncompatibleColumn, ...] = ()
    respelled: Mapping[str, int] | None = None
    highest: int | None = None


def conversions(pair: TablePair, kinds: Mapping[str, str]) -> tuple[Conversion, ...]:
    """How each column of a table is converted; `kinds` are the DuckDB types of its chunks' columns."""
    source = "postgresql" if pair.entry.table.schema_name is not None else "sqlite"
    encodings = pair.entry.encodings
    return tuple(
        Conversion(source, columns, Form(encodings[columns.sqlite.name], kinds[columns.sqlite.name]))
        for columns in pair.columns()
    )


def assess_table(
    cursor: duckdb.DuckDBPyConnection, pair: TablePair, files: Sequence[Path], sensitive: Sequence[str]
) -> Compatibility:
    """Hold every value of a table's chunks against the other engine.

    Args:
        cursor: where to compute.
        pair: the table.
        files: its chunks.
        sensitive: columns ("documents.Document.title") whose values are not shown.
    """
    if not files:
        return Compatibility()
    entry = pair.entry
    source = chunks(cursor, entry.table, entry.natural_key, files)
    kinds = column_types(cursor, source)
    ways = conversions(pair, kinds)
    # What values become is asked for several times over: it is computed once, below the questions.
    made = ", ".join(f"{way.there(identifier(way.name))} AS {_there(way)}" for way in ways)
    source = f"(SELECT *, {made} FROM {source})"
    reasons = [_reason(way) for way in ways]
    found = [f"{_highest(entry, ways)} AS key"]
    for number, (way, reason) in enumerate(zip(ways, reasons, strict=True)):
        found += [f"{reason} AS r{number}", f"{way.respelled(identifier(way.name), _there(way))} AS s{number}"]
    counts = [f"count(r{number})" for number in range(len(ways))]
    counts += [f"count(*) FILTER (r{number} IS NULL AND s{number})" for number in range(len(ways))]
    row = cursor.execute(
        f"SELECT max(key), {', '.join(counts)} FROM (SELECT {', '.join(found)} FROM {source})"
    ).fetchone()
    assert row is not None  # an aggregate always returns one row
    unfit, respelled = row[1 : 1 + len(ways)], row[1 + len(ways) :]
    incompatible = [
        listed
        for way, reason, count in zip(ways, reasons, unfit, strict=True)
        if count
        for listed in _incompatible(cursor, entry, way, reason, source, kinds, sensitive)
    ]
    changed = {way.name: int(count) for way, count in zip(ways, respelled, strict=True) if count}
    return Compatibility(tuple(incompatible), changed, None if row[0] is None else int(row[0]))


def _there(way: Conversion) -> str:
    return identifier(f"@there:{way.name}")


def _reason(way: Conversion) -> str:
    incompatible = way.incompatible(identifier(way.name), _there(way))
    cases = " ".join(f"WHEN {one.condition} THEN {literal(one.reason)}" for one in incompatible)
    return f"(CASE {cases} END)"


def _highest(entry: TableEntry, ways: Sequence[Conversion]) -> str:
    if len(entry.table.primary_key) != 1:
        return "CAST(NULL AS BIGINT)"
    (key,) = (way for way in ways if way.name == entry.table.primary_key[0])
    whole = key.form.kind in ("SMALLINT", "INTEGER", "BIGINT")
    return identifier(key.name) if whole else "CAST(NULL AS BIGINT)"


def _incompatible(
    cursor: duckdb.DuckDBPyConnection,
    entry: TableEntry,
    way: Conversion,
    reason: str,
    source: str,
    kinds: Mapping[str, str],
    sensitive: Sequence[str],
) -> list[IncompatibleColumn]:
    table = entry.table
    counted = cursor.execute(
        f"SELECT reason, count(*) FROM (SELECT {reason} AS reason FROM {source}) WHERE reason IS NOT NULL GROUP BY 1 ORDER BY 1"
    ).fetchall()
    keys = [text_value(name, kinds[name], entry.encodings[name]) for name in table.primary_key]
    label = " || ', ' || ".join(
        f"{literal(name)} || ' = ' || coalesce({text}, 'NULL')"
        for name, text in zip(table.primary_key, keys, strict=True)
    )
    natural = identifier(KEY) if entry.natural_key and entry.natural_key.source != "surrogate" else "NULL"
    found = []
    for why, rows in counted:
        listed = cursor.execute(
            f"SELECT {label or literal('a row')} AS label, {natural}, {_shown(way, entry, kinds, sensitive)} FROM {source} "
            f"WHERE {reason} = {literal(why)} ORDER BY length(label), label LIMIT {LISTED}"
        ).fetchall()
        lines = tuple(
            IncompatibleRow(table.label, key, nk, way.name, why, None if value is None else _short(value))
            for key, nk, value in listed
        )
        found.append(IncompatibleColumn(table.label, way.name, why, int(rows), lines))
    return found


def _shown(way: Conversion, entry: TableEntry, kinds: Mapping[str, str], sensitive: Sequence[str]) -> str:
    if f"{entry.table.label}.{way.name}" in sensitive:
        return "CAST(NULL AS VARCHAR)"
    text = text_value(way.name, kinds[way.name], entry.encodings[way.name])
    return f"substr({text}, 1, {_LONGEST_VALUE + 1})"


def _short(value: str) -> str:
    return repr(value) if len(value) <= _LONGEST_VALUE else repr(value[:_LONGEST_VALUE]) + "…"
