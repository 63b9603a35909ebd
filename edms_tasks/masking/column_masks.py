"""How one column is masked, as DuckDB SQL over the rows of a chunk: by its rule, and by the form of its values there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from edms_tasks.conversion.conversion_types import Form
from edms_tasks.conversion.storage_classes import classes_of, in_form
from edms_tasks.errors import SettingsError
from edms_tasks.inventory.model import ROW_ID, Table
from edms_tasks.manifest import Encoding
from edms_tasks.masking.mask_plan import MaskedColumn
from edms_tasks.masking.masked_texts import LEADS, STRINGS, WITH_STRINGS
from edms_tasks.masking.pseudonyms import TEXT_KINDS, days, number, pseudonym, pseudonyms
from edms_tasks.masking.rules import EVERY_STRING
from edms_tasks.masking.spellings import BYTES_SPELLINGS
from edms_tasks.quoting import identifier, literal

_DIGITS = {"SMALLINT": 4, "INTEGER": 9, "BIGINT": 15}
_INSTANT = "%Y-%m-%d %H:%M:%S"


@dataclass(frozen=True)
class ColumnMask:
    """SQL of a column's masked value, of a list of the texts that it held, and of the masked value as text.

    Args:
        made: the masked value.
        original: what the value was, in each form in which it may stand elsewhere.
        shown: the masked value as text.
        prose: like `original`, of free texts: short ones say nothing about anyone.
        paths: path of its rule -> SQL of whether a value has something there.
        document: SQL of the JSON that these paths are of.
        written: SQL of whether it has strings that such a path could lead to.
    """

    made: str
    original: str
    shown: str
    prose: str = "[]"
    paths: Mapping[str, str] = field(default_factory=dict)
    document: str = ""
    written: str = "false"


def column_mask(table: Table, column: MaskedColumn, encoding: Encoding, types: Mapping[str, str]) -> ColumnMask:
    """How a column is masked.

    Args:
        table: its table.
        column: the column and its rule.
        encoding: of the column in the chunk.
        types: column of the chunk -> DuckDB type.

    Raises:
        SettingsError: the rule does not suit how the values are stored.
    """
    stored, kind, form = identifier(column.name), column.rule.kind, types[column.name]
    tagged = classes_of(stored, Form("tagged", "VARCHAR"), "") if encoding == "tagged" else None
    text = tagged.text if tagged else stored
    is_text = form == "VARCHAR"
    if kind == "null":
        return ColumnMask("NULL", held_values(stored, encoding, form), "NULL")
    if kind == "constant":
        value = literal(column.rule.value or "")
        made = _stored(value, encoding, form)
        held = f"list_filter({held_values(stored, encoding, form)}, lambda one: one <> {value})"
        return ColumnMask(f"CASE WHEN {stored} IS NOT NULL THEN {made} END", held, made)
    if kind == "number" and tagged:
        made = number(tagged.integer, _DIGITS["BIGINT"])
        held = held_values(stored, encoding, form)
        return ColumnMask(in_form(made, "integer", Form("tagged", "VARCHAR")), held, f"CAST({made} AS VARCHAR)")
    if kind == "number" and form in _DIGITS:
        made = f"CAST({number(stored, _DIGITS[form])} AS {form})"
        return ColumnMask(made, held_values(stored, encoding, form), f"CAST({made} AS VARCHAR)")
    if kind == "shift":
        by = (column.rule.by,) if column.rule.by else subject_of(table)
        return _shifted(column, stored, text, form, encoding, [name for name in by if name in types])
    if not is_text or kind == "number":
        needs, others = ("whole numbers", "") if kind == "number" else ("texts", ", or number for whole numbers")
        raise SettingsError(
            f"{table.label}.{column.name} cannot be masked: the kind {column.what!r} needs {needs}, and it holds {form.lower()} values.",
            where="the masking rules",
            fix=f"Use null or constant{others}.",
        )
    if column.rule.paths or (kind == "text" and column.column.logical_type == "json"):
        return _in_json(column, text, encoding)
    assert kind in TEXT_KINDS
    made = pseudonym(kind, text, column.limit)
    if column.column.native_type.startswith("character(") and column.limit is not None:
        made = f"rpad({made}, {column.limit}, ' ')"  # as PostgreSQL reads it back
    made = f"CASE WHEN {text} IS NOT NULL THEN {made} END"
    held = f"[{text}]"
    original, prose = ("[]", held) if kind == "text" else (held, "[]")
    return ColumnMask(_stored(made, encoding, form), original, made, prose)


def held_values(stored: str, encoding: Encoding, form: str) -> str:
    """SQL of a list of the texts that a value is, or may be where it is bytes; the search reads values in the same way.

    Args:
        stored: SQL of the value.
        encoding: of its column.
        form: DuckDB type of its column.
    """
    if encoding == "tagged":
        of = classes_of(stored, Form("tagged", "VARCHAR"), "")
        text = f"coalesce({of.text}, CAST({of.integer} AS VARCHAR), CAST({of.real} AS VARCHAR))"
        content = f"CASE WHEN {of.unreadable} THEN unhex(substr({stored}, 2)) ELSE {of.blob} END"
        return f"CASE WHEN {text} IS NOT NULL THEN [{text}] ELSE {BYTES_SPELLINGS}({content}) END"
    if form == "BLOB":
        return f"{BYTES_SPELLINGS}({stored})"
    return f"[{stored}]" if form == "VARCHAR" else f"[CAST({stored} AS VARCHAR)]"


def subject_of(table: Table) -> tuple[str, ...]:
    """The columns that identify a row."""
    return table.primary_key or ((ROW_ID,) if table.row_ids else ())


def _in_json(column: MaskedColumn, text: str, encoding: Encoding) -> ColumnMask:
    made = text
    held: dict[bool, list[str]] = {False: [], True: []}
    for path, kind in (column.rule.paths or {EVERY_STRING: "text"}).items():
        assert kind is not None
        strings = f"{STRINGS}({made}, {literal(path)})"
        held[kind == "text"].append(f"coalesce({STRINGS}({text}, {literal(path)}), [])")
        made = f"{WITH_STRINGS}({made}, {literal(path)}, {pseudonyms(kind, strings)})"
    original, prose = (f"list_concat({', '.join([*held[free], '[]'])})" for free in (False, True))
    paths = {path: f"{LEADS}({text}, {literal(path)})" for path in column.rule.paths}
    written = f"len({STRINGS}({text}, {literal(EVERY_STRING)})) > 0"
    return ColumnMask(_stored(made, encoding, "VARCHAR"), original, made, prose, paths, text, written)


def _shifted(
    column: MaskedColumn,
    stored: str,
    text: str,
    form: str,
    encoding: Encoding,
    by: Sequence[str],
) -> ColumnMask:
    whose = " || '|' || ".join(f"coalesce(CAST({identifier(name)} AS VARCHAR), '')" for name in by)
    moved = days(whose or "''", column.rule.days)
    if form == "VARCHAR":  # SQLite: a text that begins with the date
        date = f"TRY_CAST({text}[1:10] AS DATE)"
        made = f"strftime({date} + {_in_calendar(date, moved)}, '%Y-%m-%d') || {text}[11:]"
        held = f"list_distinct([{text}[1:10]])" if column.column.logical_type == "date" else _instants(f"{text}[1:19]")
        return ColumnMask(_stored(made, encoding, form), held, made)
    if form == "DATE":
        made = _unless_infinite(stored, f"CAST({stored} + {_in_calendar(stored, moved)} AS DATE)")
        held = f"CASE WHEN isfinite({stored}) THEN strftime({stored}, '%Y-%m-%d') END"
        return ColumnMask(made, f"[{held}]", f"CAST({made} AS VARCHAR)")
    if form.startswith("TIMESTAMP"):
        by_days = _in_calendar(f"CAST({stored} AS DATE)", moved)
        made = _unless_infinite(stored, f"CAST({stored} + to_days({by_days}) AS {form})")
        held = f"CASE WHEN isfinite({stored}) THEN strftime({stored}, '{_INSTANT}') END"
        return ColumnMask(made, _instants(held), f"CAST({made} AS VARCHAR)")
    raise SettingsError(
        f"{column.name} cannot be masked: the kind 'shift' needs dates, and it holds {form.lower()} values.",
        where="the masking rules",
        fix="Use null or constant.",
    )


def _in_calendar(date: str, moved: str) -> str:
    """The days, backwards where the date would come to a year that programs cannot read, such as those after 9999-12-31."""
    return f"(CASE WHEN year({date} + {moved}) BETWEEN 1 AND 9999 THEN {moved} ELSE -{moved} END)"


def _unless_infinite(stored: str, made: str) -> str:
    return f"CASE WHEN isfinite({stored}) THEN {made} ELSE {stored} END"


def _instants(instant: str) -> str:
    """A point in time as it is written in texts: with a space or a T."""
    return f"[{instant}, replace({instant}, ' ', 'T')]"


def _stored(value: str, encoding: Encoding, form: str) -> str:
    """A text (SQL) in the form of the chunk."""
    if encoding == "tagged":
        return in_form(value, "text", Form("tagged", "VARCHAR"))
    return value if form == "VARCHAR" else f"CAST({value} AS {form})"
