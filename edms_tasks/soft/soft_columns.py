"""Columns with soft references: each different value is parsed once, its ids are looked up, and its content text is composed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from edms_tasks.digests.canonical import text_of
from edms_tasks.findings import make_finding
from edms_tasks.inventory.model import Condition, Finding, Table
from edms_tasks.quoting import identifier, literal
from edms_tasks.scratch.raw_table import RawTable
from edms_tasks.scratch.workspace import relation
from edms_tasks.soft.id_lookup import Ids, id_text, json_text
from edms_tasks.soft.json_filters import model_label
from edms_tasks.soft.json_ids import BROKEN, of_paths
from edms_tasks.soft.readings import UNREAD, Reading, reading_number, readings_in, readings_of
from edms_tasks.soft.text_ids import of_texts, pointed_at, without_ids

_VALUES = "soft_values"
BYTES_AT_ONCE = 16 << 20
LONG_BYTES_AT_ONCE = 4 << 20  # of long values, a whole piece of which is parsed at once
_LONG = 16 << 10
VALUES_AT_ONCE = 50_000
"""How many different values, and how many bytes of them, are taken apart together: what bounds the memory."""


@dataclass(frozen=True)
class ReadRows:
    """A table's rows with the reading that applies to each, by the values of other columns."""

    table: Table
    raw: RawTable
    kinds: Mapping[str, str]
    readings: tuple[Reading, ...]
    wanted: Mapping[Condition, Sequence[str]]  # the values of the condition's column in these rows, as text

    def number_of(self, alias: str) -> str:
        """SQL: the number of a raw row's reading."""
        return reading_number(self.readings, lambda condition: self._meets(condition, alias))

    def _meets(self, condition: Condition, alias: str) -> str:
        text = id_text(self.table, condition.column, self.raw, self.kinds, alias=alias)
        among = ", ".join(literal(value) for value in self.wanted[condition])
        return f"coalesce({text} IN ({among}), false)" if among else "false"


@dataclass(frozen=True)
class SoftColumn:
    """A column's values as a relation: `value` (canonical text), `reading`, `content`, and `r0`, `r1`, … for its references."""

    column: str
    references: tuple[str, ...]  # their names, in the order of r0, r1, …
    rows: ReadRows
    relation: str
    unreadable: int  # number of rows whose text should be JSON, but is not

    @property
    def readings(self) -> tuple[Reading, ...]:
        """The readings of the column's rows."""
        return self.rows.readings

    def number_of(self, alias: str) -> str:
        """SQL: the number of a raw row's reading; `alias` is the row's alias, "" if it has none."""
        return self.rows.number_of(alias)


def tabulate_soft_column(
    cursor: duckdb.DuckDBPyConnection,
    table: Table,
    column: str,
    raw: RawTable,
    kinds: Mapping[str, str],
    ids: Sequence[Ids],
    folder: Path,
    *,
    content_types: Callable[[Sequence[str]], Sequence[str]],
) -> SoftColumn:
    """Make the relation for a column, in Parquet files in `folder`.

    Args:
        cursor: cursor of the workspace.
        table: the table.
        column: a column with soft references.
        raw: the table's rows.
        kinds: the DuckDB types of the table's columns.
        ids: the targets of the column's references, in their order.
        folder: folder for the files.
        content_types: labels of models ("documents.document") -> ids of their content types in this database, as text.
    """
    names = tuple(reference.name for reference in table.soft_references if reference.column == column)
    readings = readings_in(readings_of(table, column), lambda model: content_types([model_label(model)]))

    conditions = {condition for reading in readings for condition in reading.where}
    wanted = {one: content_types(one.values) if one.models else one.values for one in conditions}
    read = ReadRows(table, raw, kinds, readings, wanted)
    values = _values(table, column, raw, kinds, read.number_of(""))
    in_json = [str(number) for number, reading in enumerate(readings) if reading.in_json]
    unreadable = (
        f"count(*) FILTER (reading IN ({', '.join(in_json)}) AND trim(text) <> '' AND NOT json_valid(text))"
        if in_json
        else "0"
    )
    rows, size, broken = cursor.execute(
        f"SELECT count(*), coalesce(sum(strlen(value)), 0), {unreadable} FROM ({values})"
    ).fetchall()[0]
    # Plain values are not parsed; their relation is created by the query that reads them.
    is_plain = all(spot.place.form == "value" and not reading.in_json for reading in readings for spot in reading.spots)
    at_once = LONG_BYTES_AT_ONCE if size > _LONG * rows else BYTES_AT_ONCE
    pieces = 1 if is_plain else max(int(size) // at_once, int(rows) // VALUES_AT_ONCE) + 1
    paths: list[Path] = []
    for piece in range(pieces):
        chosen = f"SELECT DISTINCT * FROM ({values}) WHERE hash(value) % {pieces} = {piece}"
        cursor.execute(f"CREATE OR REPLACE TEMP TABLE {_VALUES} AS SELECT row_number() OVER () AS n, * FROM ({chosen})")
        present = {number for (number,) in cursor.execute(f"SELECT DISTINCT reading FROM {_VALUES}").fetchall()}
        for number, reading in [*enumerate(readings), (UNREAD, None)]:
            # Without values nothing is taken apart: for a small table, that would be most of the work.
            is_last = piece == pieces - 1 and reading is None and not paths
            if number not in present and not is_last:
                continue
            of_reading = f"(SELECT * FROM {_VALUES} WHERE reading = {number})"
            readable = f"(SELECT n, text FROM {_VALUES} WHERE reading = {number} AND text IS NOT NULL)"
            contents = _contents(cursor, readable, reading, ids)
            paths.append(folder / f"{len(list(folder.iterdir())):06d}.parquet")
            cursor.execute(
                f"COPY ({_put_together(of_reading, contents, len(ids))}) TO {literal(str(paths[-1]))} (FORMAT parquet)"
            )
            if reading is not None and reading.in_json:
                broken += _broken_within(cursor, values)
    files = ", ".join(literal(str(path)) for path in paths)
    return SoftColumn(column, names, read, f"read_parquet([{files}])", int(broken))


def unreadable(tables: Mapping[str, Table], found: Mapping[str, Sequence[SoftColumn]]) -> list[Finding]:
    """A finding for each column with text that is not JSON although JSON was declared."""
    return [
        make_finding(
            "soft-reference-unreadable",
            f"{tables[table_id].label}.{soft.column}",
            "Ids are declared in its JSON, but rows hold text that is not JSON. No reference is seen in them.",
            count=soft.unreadable,
        )
        for table_id, columns in found.items()
        for soft in columns
        if soft.unreadable
    ]


def _values(table: Table, column: str, raw: RawTable, kinds: Mapping[str, str], reading: str) -> str:
    """Every value: its canonical text, the text that ids are looked for in, the class it is tagged with, and its reading."""
    name = identifier(column)
    kept_class = f"left({name}, 1)" if raw.encodings.get(column) == "tagged" else "''"
    return (
        f"SELECT {text_of(name, kinds[column])} AS value, {id_text(table, column, raw, kinds)} AS text, "
        f"{kept_class} AS class, {reading} AS reading FROM {relation(table, raw)} WHERE {name} IS NOT NULL"
    )


def _contents(cursor: duckdb.DuckDBPyConnection, source: str, reading: Reading | None, ids: Sequence[Ids]) -> str:
    """SQL of (n, content, r0, r1, …)."""
    if reading is not None and reading.in_json:
        return of_paths(cursor, source, reading.spots, ids, of_texts)
    found = without_ids(source) if reading is None else of_texts(source, reading.spots, ids)
    own = {spot.reference for spot in reading.spots} if reading is not None else set()
    pointed = "".join(
        f", {pointed_at('marks', number) if number in own else 'CAST(NULL AS VARCHAR)'} AS r{number}"
        for number in range(len(ids))
    )
    return f"SELECT n, content{pointed} FROM ({found})"


def _broken_within(cursor: duckdb.DuckDBPyConnection, values: str) -> int:
    """The number of rows in whose JSON a string should contain JSON, by a declared path, and does not."""
    row = cursor.execute(
        f"SELECT count(*) FROM ({values}) v SEMI JOIN (SELECT value, reading FROM {_VALUES} SEMI JOIN {BROKEN} USING (n)) b "
        "ON b.value = v.value AND b.reading = v.reading"
    ).fetchone()
    assert row is not None  # an aggregate always returns one row
    return int(row[0])


def _put_together(values: str, contents: str, references: int) -> str:
    pointed = "".join(f", c.r{number}" for number in range(references))
    classed = "'[\"' || v.class || '\",' || c.content || ']'"
    return f"""
        SELECT
            v.value,
            v.reading,
            CASE
                WHEN c.n IS NULL THEN '["x",' || {json_text("v.value")} || ']'
                WHEN v.class = '' THEN c.content
                ELSE {classed}
            END AS content
            {pointed}
        FROM {values} v LEFT JOIN ({contents}) c ON c.n = v.n
    """
