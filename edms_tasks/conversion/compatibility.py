"""Find the rows of a table that are incompatible with the other engine, by one query for each file of rows, before anything is loaded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb

from edms_tasks.conversion.column_conversion import Conversion
from edms_tasks.conversion.conversion_types import Form
from edms_tasks.conversion.table_pairs import TablePair
from edms_tasks.digests.chunk_columns import KEY
from edms_tasks.digests.table_state import chunks
from edms_tasks.digests.value_text import text_value
from edms_tasks.manifest import TableEntry
from edms_tasks.quoting import identifier, literal
from edms_tasks.redaction import NOT_SHOWN, Redaction
from edms_tasks.scratch.workspace import column_types

LISTED = 100
"""The most rows that are listed for each column; all are counted."""
_LONGEST_VALUE = 60


@dataclass(frozen=True)
class IncompatibleRow:
    """A row with a value that has no equal in the other engine."""

    model: str
    primary_key: str
    natural_key: str | None  # None as well if it contains a sensitive value
    column: str
    reason: str
    value: str | None  # shortened; None if the column is sensitive

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
    """Whether a table's rows can be converted.

    Args:
        incompatible: the incompatible values; nothing may be loaded while there are any.
        respelled: column -> number of values that are restored in another spelling.
        highest: the largest primary key, if it is one integer column; None without rows.
    """

    incompatible: tuple[IncompatibleColumn, ...] = ()
    respelled: Mapping[str, int] | None = None
    highest: int | None = None


def conversions(pair: TablePair, kinds: Mapping[str, str]) -> tuple[Conversion, ...]:
    """The conversion of each column of a table; `kinds` has the DuckDB types of the columns in its chunks."""
    source = "postgresql" if pair.entry.table.schema_name is not None else "sqlite"
    encodings = pair.entry.encodings
    return tuple(
        Conversion(source, columns, Form(encodings[columns.sqlite.name], kinds[columns.sqlite.name]))
        for columns in pair.columns()
    )


def assess_table(
    cursor: duckdb.DuckDBPyConnection, pair: TablePair, files: Sequence[Path], redaction: Redaction
) -> Compatibility:
    """Check every value of a table's chunks against the other engine.

    Args:
        cursor: a cursor of the run's workspace.
        pair: the table in the snapshot and in the other engine.
        files: the table's chunks, or pieces of them (table_splitting.py), of which one is in memory at a time.
        redaction: which values may be shown.
    """
    return _together(pair, [_assess(cursor, pair, file, redaction) for file in files])


def _together(pair: TablePair, parts: Sequence[Compatibility]) -> Compatibility:
    """What was found in parts of a table, as of the whole table."""
    columns: dict[tuple[str, str], list[IncompatibleColumn]] = {}
    respelled: Counter[str] = Counter()
    for part in parts:
        respelled.update(part.respelled or {})
        for one in part.incompatible:
            columns.setdefault((one.column, one.reason), []).append(one)
    incompatible = []
    for found in columns.values():
        listed = sorted(
            (row for one in found for row in one.listed), key=lambda row: (len(row.primary_key), row.primary_key)
        )
        rows = sum(one.rows for one in found)
        incompatible.append(replace(found[0], rows=rows, listed=tuple(listed[:LISTED])))
    order = [column.sqlite.name for column in pair.columns()]
    incompatible.sort(key=lambda one: (order.index(one.column), one.reason))
    highest = [part.highest for part in parts if part.highest is not None]
    return Compatibility(tuple(incompatible), dict(respelled), max(highest, default=None))


def _assess(cursor: duckdb.DuckDBPyConnection, pair: TablePair, file: Path, redaction: Redaction) -> Compatibility:
    entry = pair.entry
    source = chunks(cursor, entry.table, entry.natural_key, [file])
    kinds = column_types(cursor, source)
    columns = conversions(pair, kinds)
    # Several conditions use the converted value: a subquery computes it once.
    made = ", ".join(f"{column.convert(identifier(column.name))} AS {_converted_name(column)}" for column in columns)
    source = f"(SELECT *, {made} FROM {source})"
    reasons = [_reason(column) for column in columns]
    found = [f"{_highest(entry, columns)} AS key"]
    for number, (column, reason) in enumerate(zip(columns, reasons, strict=True)):
        found += [
            f"{reason} AS r{number}",
            f"{column.respelled(identifier(column.name), _converted_name(column))} AS s{number}",
        ]
    counts = [f"count(r{number})" for number in range(len(columns))]
    counts += [f"count(*) FILTER (r{number} IS NULL AND s{number})" for number in range(len(columns))]
    row = cursor.execute(
        f"SELECT max(key), {', '.join(counts)} FROM (SELECT {', '.join(found)} FROM {source})"
    ).fetchone()
    assert row is not None  # an aggregate always returns one row
    unconvertible, respelled = row[1 : 1 + len(columns)], row[1 + len(columns) :]
    incompatible = [
        listed
        for column, reason, count in zip(columns, reasons, unconvertible, strict=True)
        if count
        for listed in _incompatible(cursor, entry, column, reason, source, kinds, redaction)
    ]
    changed = {column.name: int(count) for column, count in zip(columns, respelled, strict=True) if count}
    return Compatibility(tuple(incompatible), changed, None if row[0] is None else int(row[0]))


def _converted_name(column: Conversion) -> str:
    return identifier(f"@converted:{column.name}")


def _reason(column: Conversion) -> str:
    incompatible = column.incompatible(identifier(column.name), _converted_name(column))
    cases = " ".join(f"WHEN {one.condition} THEN {literal(one.reason)}" for one in incompatible)
    return f"(CASE {cases} END)"


def _highest(entry: TableEntry, columns: Sequence[Conversion]) -> str:
    if len(entry.table.primary_key) != 1:
        return "CAST(NULL AS BIGINT)"
    (key,) = (column for column in columns if column.name == entry.table.primary_key[0])
    whole = key.form.kind in ("SMALLINT", "INTEGER", "BIGINT")
    return identifier(key.name) if whole else "CAST(NULL AS BIGINT)"


def _incompatible(
    cursor: duckdb.DuckDBPyConnection,
    entry: TableEntry,
    column: Conversion,
    reason: str,
    source: str,
    kinds: Mapping[str, str],
    redaction: Redaction,
) -> list[IncompatibleColumn]:
    table = entry.table
    counted = cursor.execute(
        f"SELECT reason, count(*) FROM (SELECT {reason} AS reason FROM {source}) WHERE reason IS NOT NULL GROUP BY 1 ORDER BY 1"
    ).fetchall()
    keys = [
        literal(NOT_SHOWN) if redaction.hides(table, name) else text_value(name, kinds[name], entry.encodings[name])
        for name in table.primary_key
    ]
    label = " || ', ' || ".join(
        f"{literal(name)} || ' = ' || coalesce({text}, 'NULL')"
        for name, text in zip(table.primary_key, keys, strict=True)
    )
    is_named = entry.natural_key is not None and entry.natural_key.source != "surrogate"
    natural = identifier(KEY) if is_named and not redaction.hides_key(table.id) else "NULL"
    found = []
    for why, rows in counted:
        listed = cursor.execute(
            f"SELECT {label or literal('a row')} AS label, {natural}, {_shown(column, entry, kinds, redaction)} FROM {source} "
            f"WHERE {reason} = {literal(why)} ORDER BY length(label), label LIMIT {LISTED}"
        ).fetchall()
        lines = tuple(
            IncompatibleRow(table.label, key, nk, column.name, why, None if value is None else _short(value))
            for key, nk, value in listed
        )
        found.append(IncompatibleColumn(table.label, column.name, why, int(rows), lines))
    return found


def _shown(column: Conversion, entry: TableEntry, kinds: Mapping[str, str], redaction: Redaction) -> str:
    if redaction.hides(entry.table, column.name):
        return "CAST(NULL AS VARCHAR)"
    text = text_value(column.name, kinds[column.name], entry.encodings[column.name])
    return f"substr({text}, 1, {_LONGEST_VALUE + 1})"


def _short(value: str) -> str:
    return repr(value) if len(value) <= _LONGEST_VALUE else repr(value[:_LONGEST_VALUE]) + "…"
