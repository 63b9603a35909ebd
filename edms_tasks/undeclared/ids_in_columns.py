"""Collect values that may be ids from a column: whole values, lists, and the ids in its texts.

Every row is read, not a sample, because one id in one row is enough to refer to the wrong document. Texts are read in pieces of a
few megabytes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import duckdb
import pyarrow as pa

from edms_tasks.inventory.model import Column
from edms_tasks.quoting import literal
from edms_tasks.undeclared.collected_values import JOINED_FORM, add_values
from edms_tasks.undeclared.ids_in_texts import FORMS, ID, JOINED, LIST, YEAR_FIRST, found, readable_text

Mask = Callable[[str], str]
"""From a text to the same text without the ids that are declared."""

_TEXTS = "undeclared_texts"
_MASKED = "undeclared_masked"
BYTES_AT_ONCE = 8 << 20
_WHOLE = {"integer", "uuid"}
_WITH_FRACTIONS = {"decimal", "float"}
_BLANKS = "' ' || chr(9) || chr(10) || chr(13)"
_HAS_ID = "regexp_matches(text, '[1-9]|[a-fA-F]{8}')"
"""A text without a digit from 1 to 9 has no id, unless it is a UUID of letters only."""
OF_IDS = r'[0-9a-fA-F\s,;|/_:"\[\]{}()-]+'  # the characters of LIST and JOINED
_LIST_FORM = "list"
_MOST_KINDS = 50  # the most different values of a column that may say what another one contains


def collect_column(
    cursor: duckdb.DuckDBPyConnection,
    subject: str,
    column: Column,
    source: str,
    mask: Mask | None = None,
    *,
    texts: str | None = None,
) -> set[str]:
    """Add a column's values to `VALUES`; returns the names of the forms in which its texts may hold ids.

    Args:
        cursor: where to compute.
        subject: the name of the column in conflicts.
        column: the column.
        source: a relation of (text, touched): the value in each row, and whether the row would be written.
        mask: hides declared ids, if the column has some.
        texts: a relation of `text` alone, if one with the same texts is cheaper to read.
    """
    if column.logical_type in _WHOLE:
        grouped = f"SELECT text, count(*) AS weight, count(*) FILTER (touched) AS touched FROM {source} GROUP BY text"
        values = f"SELECT {literal(_name_of(column))} AS name, text AS value, weight, touched FROM ({grouped})"
        add_values(cursor, subject, "value", f"{values} WHERE {_full(ID)}")
        return set()
    (size,) = cursor.execute(f"SELECT coalesce(sum(strlen(text)), 0) FROM {texts or source}").fetchall()[0]
    if not size:
        return set()
    pieces = int(size) // BYTES_AT_ONCE + 1
    if column.logical_type in _WITH_FRACTIONS:
        source = f"(SELECT regexp_replace(text, '\\.0*$', '') AS text, touched FROM {source})"
    if mask is None:
        # Blanks around a value are none of it. Declared ids are masked in the text as it is.
        source = f"(SELECT trim(text, {_BLANKS}) AS text, touched FROM {source})"
    forms: set[str] = set()
    for piece in range(pieces):
        cursor.execute(
            f"CREATE OR REPLACE TEMP TABLE {_TEXTS} AS "
            f"SELECT text, count(*) AS weight, count(*) FILTER (touched) AS touched FROM {source} "
            f"WHERE text <> ''{f' AND hash(text) % {pieces} = {piece}' if pieces > 1 else ''} GROUP BY text"
        )
        if mask is not None:
            cursor.execute(f"DELETE FROM {_TEXTS} WHERE NOT {_HAS_ID}")
            _masked(cursor, mask)
        if mask is not None or pieces == 1:
            _whole_texts(cursor, subject, column, _TEXTS)
        forms |= _collect_forms(cursor, subject, column)
    if mask is None and pieces > 1:  # all at once, since each value is to be there once
        _whole_texts(
            cursor, subject, column, f"(SELECT text, 1 AS weight, CAST(touched AS INTEGER) AS touched FROM {source})"
        )
    cursor.execute(f"DROP TABLE IF EXISTS {_TEXTS}")
    return forms


def _collect_forms(cursor: duckdb.DuckDBPyConnection, subject: str, column: Column) -> set[str]:
    """Add the ids within a piece's texts to `VALUES`; returns the names of the forms that may be there."""
    occurring = _occurring(cursor)
    if not occurring:
        return set()
    cursor.execute(f"DELETE FROM {_TEXTS} WHERE {_full(ID)} OR NOT {_HAS_ID}")
    if _LIST_FORM in occurring:
        lists = f"SELECT {literal(_name_of(column))} AS name, unnest(regexp_extract_all(text, {literal(ID)})) AS value, weight, touched"
        add_values(cursor, subject, _LIST_FORM, f"{lists} FROM {_TEXTS} WHERE {_full(LIST)}", several=True)
    if JOINED_FORM in occurring:
        add_values(cursor, subject, JOINED_FORM, _joined(_name_of(column)))
    texts = f"(SELECT {readable_text('text')} AS text, weight, touched FROM {_TEXTS} WHERE NOT {_full(LIST)})"
    for form in FORMS:
        if form.name in occurring:
            add_values(cursor, subject, form.name, found(form, texts, _name_of(column)), several=form.several)
    return occurring


def collect_by_kind(
    cursor: duckdb.DuckDBPyConnection, subject: str, column: Column, kinds: Sequence[tuple[str, str]]
) -> None:
    """Add a text column's values to `VALUES`, separately for each value of another column that may say what they are.

    Args:
        cursor: where to compute.
        subject: the name of the column in conflicts.
        column: the column.
        kinds: the name of each such column -> a relation of (text, kind, touched).
    """
    for beside, source in kinds:
        (different, filled) = cursor.execute(
            f"SELECT count(DISTINCT kind), count(*) FROM {source} WHERE text <> ''"
        ).fetchall()[0]
        if not 0 < different <= min(_MOST_KINDS, int(filled) - 1):
            continue
        whole = (
            f"SELECT kind FROM {source} WHERE text <> '' GROUP BY kind HAVING bool_and({_full(ID)}) AND count(*) > 1"
        )
        name = f"{literal(f'{_name_of(column)} where {beside} is ')} || kind"
        add_values(
            cursor,
            subject,
            "chosen",
            f"SELECT {name} AS name, text AS value, 1 AS weight, CAST(touched AS INTEGER) AS touched FROM {source} "
            f"WHERE text <> '' AND kind IN ({whole})",
        )


def _name_of(column: Column) -> str:
    """What says what a column's values are: the field's name, where there is one."""
    return column.field or column.name


def _whole_texts(cursor: duckdb.DuckDBPyConnection, subject: str, column: Column, source: str) -> None:
    """Values that are an id and nothing else; the others are counted, under no value."""
    value = f"CASE WHEN {_full(ID)} THEN text ELSE '' END"
    if column.logical_type == "json":
        quoted = _full(f'"{ID}"')
        value = f"CASE WHEN {_full(ID)} THEN text WHEN {quoted} THEN trim(text, '\"') ELSE '' END"
    add_values(
        cursor,
        subject,
        "value",
        f"SELECT {literal(_name_of(column))} AS name, {value} AS value, sum(weight) AS weight, sum(touched) AS touched "
        f"FROM {source} WHERE text <> '' GROUP BY 2",
    )


def _occurring(cursor: duckdb.DuckDBPyConnection) -> set[str]:
    """The names of the forms that a piece's texts may have. Most columns have few of them.

    Each form is a query with expressions that take longer to prepare than small tables to search. So the characters that a form
    needs are looked for first, and then what stands near its ids.
    """
    texts = f"(SELECT text, {readable_text('text')} AS readable FROM {_TEXTS} WHERE {_HAS_ID} AND NOT {_full(ID)})"
    marks = sorted({mark for form in FORMS for mark in form.within})
    has = _any_text(cursor, texts, [_full(OF_IDS), *(f"contains(readable, {literal(mark)})" for mark in marks)])
    there = {mark for mark, is_there in zip(marks, has[1:], strict=True) if is_there}
    asked = {
        form.name: f"regexp_matches(readable, {literal(form.near)})"
        for form in FORMS
        if there.intersection(form.within)
    }
    if has[0]:
        asked |= {_LIST_FORM: _full(LIST), JOINED_FORM: f"({_full(JOINED)} AND NOT {_full(YEAR_FIRST)})"}
    if not asked:
        return set()
    found_near = _any_text(cursor, texts, list(asked.values()))
    return {name for name, is_there in zip(asked, found_near, strict=True) if is_there}


def _any_text(cursor: duckdb.DuckDBPyConnection, texts: str, conditions: Sequence[str]) -> Sequence[bool]:
    """For each condition, whether any text meets it."""
    asked = ", ".join(f"coalesce(bool_or({condition}), false)" for condition in conditions)
    row = cursor.execute(f"SELECT {asked} FROM {texts}").fetchone()
    assert row is not None  # an aggregate always returns one row
    return [bool(one) for one in row]


def _joined(name: str) -> str:
    """SELECT (name, value, weight, touched): the ids of texts that join a few, with a name for each position."""
    numbered = f"{literal(f'{name} ')} || part"
    return f"""
        SELECT {numbered} AS name, ids[part] AS value, weight, touched
        FROM (
            SELECT ids, unnest(range(1, len(ids) + 1)) AS part, weight, touched
            FROM (
                SELECT regexp_extract_all(text, {literal(ID)}) AS ids, weight, touched
                FROM {_TEXTS}
                WHERE {_full(JOINED)} AND NOT {_full(YEAR_FIRST)}
            )
        )
    """


def _masked(cursor: duckdb.DuckDBPyConnection, mask: Mask) -> None:
    """Take the declared ids out of a piece's texts."""
    texts = cursor.sql(f"SELECT text, weight, touched FROM {_TEXTS}").to_arrow_table()
    masked = pa.array([mask(text) for text in texts.column("text").to_pylist()], pa.string())
    cursor.register(_MASKED, texts.set_column(0, "text", masked))
    cursor.execute(f"CREATE OR REPLACE TEMP TABLE {_TEXTS} AS SELECT * FROM {_MASKED}")
    cursor.unregister(_MASKED)


def _full(pattern: str) -> str:
    return f"regexp_full_match(text, {literal(pattern)})"
