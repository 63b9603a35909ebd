"""Search the rows and file names of a masked copy for the values that its masked columns held.

Every text is cut into words; only words that contain the most telling word of an original are looked at again, so the work grows with
the texts and not with the texts times the originals.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from edms_tasks.conversion.conversion_types import Form
from edms_tasks.conversion.storage_classes import classes_of
from edms_tasks.inventory.model import Table
from edms_tasks.masking.original_values import EXACT_FROM, LONGEST_ANCHOR, ORIGINALS, WORDS
from edms_tasks.masking.rules import SHORTEST
from edms_tasks.masking.spellings import BYTES_SPELLINGS, SPELLED_DIFFERENTLY, SPELLINGS
from edms_tasks.quoting import identifier, literal
from edms_tasks.scratch.raw_table import RawTable
from edms_tasks.scratch.workspace import column_types

_PIECE = 2 * LONGEST_ANCHOR
_GRAMS = (SHORTEST, 5, 8, 12)
"""Letters of a word that are compared with as many at the beginning of an anchor: few anchors share the most that they have."""


@dataclass(frozen=True)
class Hit:
    """A column, or the names of a folder's files, with original values."""

    where: str
    rows: int


@dataclass(frozen=True)
class _Searched:
    """A column: SQL of its spellings, or of its text if it is compared as a whole; how (`text`, `date`, `whole`, `lexemes`)."""

    label: str
    made: str
    how: str


def search_rows(
    cursor: duckdb.DuckDBPyConnection, table: Table, raw: RawTable, skipped: Collection[str]
) -> tuple[Hit, ...]:
    """The columns of rows that were read back in which an original value stands. `skipped`: columns that are not searched."""
    found: dict[str, int] = {}
    for path in raw.files:
        source = f"read_parquet([{literal(str(path))}])"
        types = column_types(cursor, source)
        columns = [
            _searched(table, column.name, types[column.name], raw.encodings.get(column.name, "native"))
            for column in table.columns
            if column.name in types and column.name not in skipped
        ]
        for place, rows in _search(cursor, source, columns):
            found[columns[place].label] = found.get(columns[place].label, 0) + rows
    return tuple(Hit(where, rows) for where, rows in sorted(found.items()))


def search_names(cursor: duckdb.DuckDBPyConnection, root: str, index: Sequence[Path]) -> tuple[Hit, ...]:
    """The names of files and folders in which an original value stands."""
    column = _Searched(f"names of files in {root}", f"{BYTES_SPELLINGS}(path)", "text")
    found = sum(
        rows for path in index for _, rows in _search(cursor, f"read_parquet([{literal(str(path))}])", [column])
    )
    return (Hit(column.label, found),) if found else ()


def _searched(table: Table, name: str, kind: str, encoding: str) -> _Searched:
    stored, column = identifier(name), table.column(name)
    label = f"{table.label}.{name}"
    how = "date" if column.logical_type in ("date", "datetime") else "text"
    if column.native_type == "tsvector":
        how = "lexemes"
    if encoding == "tagged":
        of = classes_of(stored, Form("tagged", "VARCHAR"), "")
        text = f"coalesce({of.text}, CAST({of.integer} AS VARCHAR), CAST({of.real} AS VARCHAR))"
        content = f"CASE WHEN {of.unreadable} THEN unhex(substr({stored}, 2)) ELSE {of.blob} END"
        made = f"CASE WHEN {text} IS NULL THEN coalesce({BYTES_SPELLINGS}({content}), []) ELSE {_spellings(text)} END"
        return _Searched(label, made, how)
    if kind == "VARCHAR":
        return _Searched(label, _spellings(stored), how)
    if kind == "BLOB":
        return _Searched(label, f"{BYTES_SPELLINGS}({stored})", how)
    # 5551234567.00 is the number 5551234567.
    return _Searched(label, f"regexp_replace(lower(CAST({stored} AS VARCHAR)), '^(-?[0-9]+)\\.0+$', '\\1')", "whole")


def _spellings(text: str) -> str:
    """SQL of a list of the spellings of a text."""
    return (
        f"CASE WHEN {text} IS NULL THEN [] WHEN regexp_matches({text}, '{SPELLED_DIFFERENTLY}') THEN {SPELLINGS}({text})"
        f" ELSE [lower({text})] END"
    )


def _search(cursor: duckdb.DuckDBPyConnection, source: str, columns: Sequence[_Searched]) -> list[tuple[int, int]]:
    """(number of a column, rows with an original value) of a file's rows."""
    found = []
    whole = [(place, column) for place, column in enumerate(columns) if column.how == "whole"]
    for place, column in whole:
        ((rows,),) = cursor.execute(
            f"""
            SELECT count(*)
            FROM {source}
            WHERE {column.made} IN (SELECT value FROM {ORIGINALS} WHERE length(value) >= {EXACT_FROM} AND NOT is_date)
            """
        ).fetchall()
        if rows:
            found.append((place, int(rows)))
    texts = [(place, column) for place, column in enumerate(columns) if column.how != "whole"]
    if texts and _make_candidates(cursor, source, texts):
        found += _confirmed(cursor, source, texts)
    return found


def _make_candidates(cursor: duckdb.DuckDBPyConnection, source: str, columns: Sequence[tuple[int, _Searched]]) -> bool:
    """Make the table of words that contain the anchor of an original; whether there is any."""
    words = " UNION ALL ".join(
        f"SELECT unnest(regexp_extract_all(spelling, '{WORDS}')) AS word"
        f" FROM (SELECT unnest({column.made}) AS spelling FROM {source})"
        for _, column in columns
    )
    # A long word is looked at in overlapping pieces, so that an anchor is whole in one of them.
    pieces = (
        f"CASE WHEN length(word) <= {_PIECE} THEN [word] ELSE list_concat(regexp_extract_all(word, '.{{1,{_PIECE}}}'),"
        f" regexp_extract_all(substr(word, {LONGEST_ANCHOR + 1}), '.{{1,{_PIECE}}}')) END"
    )
    all_grams = ", ".join(
        f"list_transform(range(1, length(piece) - {size} + 2), lambda first: substr(piece, first, {size}))"
        for size in _GRAMS
    )
    grams = f"list_distinct(flatten([{all_grams}]))"
    beginning = " ".join(f"WHEN length(anchor) >= {size} THEN left(anchor, {size})" for size in reversed(_GRAMS))
    cursor.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE candidates AS
        SELECT DISTINCT word, {ORIGINALS}.id
        FROM (
            SELECT word, piece, unnest({grams}) AS gram
            FROM (
                SELECT word, unnest({pieces}) AS piece
                FROM (SELECT DISTINCT word FROM ({words}) WHERE length(word) >= {SHORTEST})
            )
        )
        JOIN {ORIGINALS} ON (CASE {beginning} END) = gram
        WHERE contains(piece, anchor)
        """
    )
    ((count,),) = cursor.execute("SELECT count(*) FROM candidates").fetchall()
    return bool(count)


def _confirmed(
    cursor: duckdb.DuckDBPyConnection, source: str, columns: Sequence[tuple[int, _Searched]]
) -> list[tuple[int, int]]:
    """Look at the texts with candidates: does an original stand in them, short ones and numbers as whole words?"""
    around = r"[^\p{L}\p{N}]"
    found = []
    for place, column in columns:
        as_whole_word = f"regexp_matches(spelling, '(^|{around})' || regexp_escape(value) || '($|{around})')"
        stands = f"contains(spelling, value) AND (NOT whole OR {as_whole_word})"
        if column.how == "lexemes":
            stands = "candidates.word = anchor"
        dates = "AND NOT is_date" if column.how == "date" else ""
        ((rows,),) = cursor.execute(
            f"""
            SELECT count(DISTINCT place)
            FROM (
                SELECT place, spelling, unnest(list_distinct(regexp_extract_all(spelling, '{WORDS}'))) AS word
                FROM (
                    SELECT place, unnest({column.made}) AS spelling
                    FROM (SELECT *, row_number() OVER () AS place FROM {source})
                )
            ) AS texts
            JOIN candidates ON candidates.word = texts.word
            JOIN {ORIGINALS} ON {ORIGINALS}.id = candidates.id
            WHERE {stands} {dates}
            """
        ).fetchall()
        if rows:
            found.append((place, int(rows)))
    return found
