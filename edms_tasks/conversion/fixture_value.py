"""A value as Django's serialisers write it: its SQL, and what may not be as it was. The forms that both engines have in common."""

from __future__ import annotations

from dataclasses import dataclass

from edms_tasks.conversion.conversion_types import Form
from edms_tasks.conversion.fixture_functions import DOCUMENT_DOUBT
from edms_tasks.inventory.model import Column, LogicalType
from edms_tasks.quoting import identifier, literal

LOST, UNKNOWN, OF_ENGINE = "fixture-value-lost", "fixture-value-unknown", "fixture-value-of-one-engine"
DAY = r"(000[1-9]|00[1-9]\d|0[1-9]\d\d|[1-9]\d\d\d)-\d\d-\d\d"
CLOCK = r"([01]\d|2[0-3]):[0-5]\d:[0-5]\d"
_DAY_MICROS = 86_400_000_000


@dataclass(frozen=True)
class Doubt:
    """A condition for values of which the fixture does not hold the like; `reason` completes "its value …"."""

    code: str
    condition: str
    reason: str


@dataclass(frozen=True)
class FixtureValue:
    """A column's values in a fixture, as SQL that is NULL where the value is.

    Args:
        json: the value as JSON.
        text: its text, as XML has it.
        doubts: what may not be as it was.
        is_text: whether it may be any text: XML has none with blanks around it, or with control characters.
        is_document: whether it is JSON of the EDMS.
        prepared: name and SQL of a column that its doubts look at, so that it is computed once.
    """

    json: str
    text: str
    doubts: tuple[Doubt, ...] = ()
    is_text: bool = False
    is_document: bool = False
    prepared: tuple[str, str] | None = None


@dataclass(frozen=True)
class StoredColumn:
    """A column of a snapshot's chunks.

    Args:
        column: the column; `kind` wins over its logical type, because a reference has the kind of what it refers to.
        kind: the logical type of its values.
        expression: SQL of its values; of PostgreSQL's as the output functions write them, if they are text.
        form: their form in the chunks.
    """

    column: Column
    kind: LogicalType
    expression: str
    form: Form


def number(text: str, *doubts: Doubt) -> FixtureValue:
    """A number, from SQL of its text."""
    return FixtureValue(text, text, doubts)


def string(text: str, *doubts: Doubt, is_text: bool = False) -> FixtureValue:
    """A string. Django's fields read their values from strings."""
    return FixtureValue(f"CAST(to_json({text}) AS VARCHAR)", text, doubts, is_text=is_text)


def boolean(condition: str) -> FixtureValue:
    """`condition` is true, false or NULL. XML has Python's spelling."""
    json, text = (
        f"CASE WHEN {condition} THEN '{yes}' WHEN NOT {condition} THEN '{no}' END"
        for yes, no in (("true", "false"), ("True", "False"))
    )
    return FixtureValue(json, text)


def floating(value: str) -> FixtureValue:
    """A number. NaN and the infinities are strings, which are JSON and which Django's FloatField reads."""
    text = f"CAST({value} AS VARCHAR)"
    named = f"CASE WHEN isnan({value}) THEN 'NaN' WHEN isinf({value}) THEN CASE WHEN {value} > 0 THEN 'Infinity' ELSE '-Infinity' END END"
    nan = Doubt(OF_ENGINE, f"isnan({value})", "is NaN, which SQLite turns into NULL")
    return FixtureValue(f"coalesce('\"' || ({named}) || '\"', {text})", f"coalesce({named}, {text})", (nan,))


def document(column: Column, text: str, assessed: str, *, checked: str = "true") -> FixtureValue:
    """A JSON document as it is, on one line; `checked`: SQL, whether `assessed`, its text, may be read as another one."""
    line = f"translate({text}, chr(10) || chr(13), '  ')"
    name = f"@document:{column.name}"
    doubts = tuple(
        Doubt(LOST, f"{identifier(name)} = {literal(answer)}", reason) for answer, reason in DOCUMENT_REASONS.items()
    )
    prepared = (name, f"CASE WHEN {checked} THEN {DOCUMENT_DOUBT}({assessed}) END")
    return FixtureValue(line, line, doubts, is_document=True, prepared=prepared)


DOCUMENT_REASONS = {
    "null": "is the JSON value null, which loaddata turns into NULL",
    "number": "holds a number that Python's floats do not have",
    "key": "repeats a key in an object, of which Python keeps the last",
    "none": "is no JSON that Python reads",
}
"""The answers of the function `DOCUMENT_DOUBT`, and what they mean."""


def matching(text: str, pattern: str) -> str:
    """A text if it matches a pattern, otherwise NULL."""
    return f"CASE WHEN regexp_full_match({text}, '{pattern}') THEN {text} END"


def no_day(value: str, pattern: str) -> Doubt:
    """The doubt for dates that do not match a pattern."""
    return Doubt(LOST, f"NOT regexp_full_match({value}, '{pattern}')", "is outside the years 1 to 9999 that Python has")


def padded(text: str, length: int) -> str:
    """A time as Django writes it: with six decimals or none."""
    return f"CASE WHEN contains({text}, '.') THEN rpad({text}, {length}, '0') ELSE {text} END"


def duration(micros: str) -> str:
    """Microseconds as Django's `duration_string` writes them: `-1 23:59:59.999999`."""
    rest = f"((({micros}) % {_DAY_MICROS}) + {_DAY_MICROS}) % {_DAY_MICROS}"
    days = f"CAST((({micros}) - ({rest})) // {_DAY_MICROS} AS BIGINT)"
    seconds = f"CAST(({rest}) // 1000000 AS BIGINT)"
    left = f"CAST(({rest}) % 1000000 AS BIGINT)"
    return (
        f"CASE WHEN {micros} IS NOT NULL THEN "
        f"CASE WHEN {days} <> 0 THEN CAST({days} AS VARCHAR) || ' ' ELSE '' END || "
        f"printf('%02d:%02d:%02d', {seconds} // 3600, {seconds} // 60 % 60, {seconds} % 60) || "
        f"CASE WHEN {left} > 0 THEN printf('.%06d', {left}) ELSE '' END END"
    )
