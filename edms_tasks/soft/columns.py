"""One column that holds soft references: its different values, taken apart, looked up, and put together as content."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from edms_tasks.digests.canonical import text_of
from edms_tasks.findings import make_finding
from edms_tasks.inventory.model import Finding, SoftReference, Table
from edms_tasks.quoting import identifier, literal
from edms_tasks.scratch.raw_table import RawTable
from edms_tasks.scratch.workspace import relation
from edms_tasks.soft.ids import Ids, id_text, json_text
from edms_tasks.soft.json_ids import of_paths
from edms_tasks.soft.texts import of_list, of_patterns, of_value

_VALUES = "soft_values"
BYTES_AT_ONCE = 16 << 20
VALUES_AT_ONCE = 50_000
"""How many different values, and how many bytes of them, are taken apart together: what bounds the memory."""


@dataclass(frozen=True)
class SoftColumn:
    """A column's values as a relation: `value` (canonical text), `content`, and `r0`, `r1`, … for its references."""

    column: str
    references: tuple[str, ...]  # their names, in the order of r0, r1, …
    relation: str
    unreadable: int  # rows whose text should be JSON, and is none


def tabulate_soft_column(
    cursor: duckdb.DuckDBPyConnection,
    table: Table,
    column: str,
    raw: RawTable,
    kinds: Mapping[str, str],
    ids: Sequence[Ids],
    folder: Path,
) -> SoftColumn:
    """Make the relation for a column, in Parquet files in `folder`; `ids` are its references' targets', in their order."""
    references = [reference for reference in table.soft_references if reference.column == column]
    names = tuple(reference.name for reference in references)
    values = _values(table, column, raw, kinds)
    in_json = references[0].form == "json"
    unreadable = "count(*) FILTER (trim(text) <> '' AND NOT json_valid(text))" if in_json else "0"
    rows, size, broken = cursor.execute(
        f"SELECT count(*), coalesce(sum(strlen(value)), 0), {unreadable} FROM ({values})"
    ).fetchall()[0]
    # Plain values are not taken apart; their relation is made as it is read.
    pieces = 1 if references[0].form == "value" else max(int(size) // BYTES_AT_ONCE, int(rows) // VALUES_AT_ONCE) + 1
    paths = []
    for piece in range(pieces):
        chosen = f"SELECT DISTINCT * FROM ({values}) WHERE hash(value) % {pieces} = {piece}"
        cursor.execute(f"CREATE OR REPLACE TEMP TABLE {_VALUES} AS SELECT row_number() OVER () AS n, * FROM ({chosen})")
        readable = f"(SELECT n, text FROM {_VALUES} WHERE text IS NOT NULL)"
        contents = _contents(cursor, readable, references, ids)
        paths.append(folder / f"{len(list(folder.iterdir())):06d}.parquet")
        cursor.execute(
            f"COPY ({_put_together(contents, len(references))}) TO {literal(str(paths[-1]))} (FORMAT parquet)"
        )
    files = ", ".join(literal(str(path)) for path in paths)
    return SoftColumn(column, names, f"read_parquet([{files}])", int(broken))


def unreadable(tables: Mapping[str, Table], found: Mapping[str, Sequence[SoftColumn]]) -> list[Finding]:
    """A finding for each column that holds other text where JSON was declared."""
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


def _values(table: Table, column: str, raw: RawTable, kinds: Mapping[str, str]) -> str:
    """Every value: its canonical text, the text that ids are looked for in, and the class it is tagged with."""
    name = identifier(column)
    kept_class = f"left({name}, 1)" if raw.encodings.get(column) == "tagged" else "''"
    return (
        f"SELECT {text_of(name, kinds[column])} AS value, {id_text(table, column, raw, kinds)} AS text, "
        f"{kept_class} AS class FROM {relation(table, raw)} WHERE {name} IS NOT NULL"
    )


def _contents(
    cursor: duckdb.DuckDBPyConnection, source: str, references: Sequence[SoftReference], ids: Sequence[Ids]
) -> str:
    first = references[0]
    if first.form == "json":
        return of_paths(cursor, source, references, ids)
    if first.form == "pattern":
        return of_patterns(source, references, ids)
    if first.form == "list":
        return of_list(source, first.expression, ids[0])
    return of_value(source, ids[0])


def _put_together(contents: str, references: int) -> str:
    pointed = "".join(f", c.r{number}" for number in range(references))
    classed = "'[\"' || v.class || '\",' || c.content || ']'"
    return f"""
        SELECT
            v.value,
            CASE
                WHEN c.n IS NULL THEN '["x",' || {json_text("v.value")} || ']'
                WHEN v.class = '' THEN c.content
                ELSE {classed}
            END AS content
            {pointed}
        FROM {_VALUES} v LEFT JOIN ({contents}) c ON c.n = v.n
    """
