"""Values as Django's serialisers write them, as DuckDB SQL over the columns of chunks: the way back of `serialized_values.py`.

Every value is written. Where the fixture holds another value than the snapshot, or one that `loaddata` reads as another or
refuses, a `Doubt` has the condition for it, so that such values are counted.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from edms_tasks.conversion.conversion_types import Columns, Form
from edms_tasks.conversion.fixture_functions import ARRAY, DOCUMENT_DOUBT, KEY_VALUES, RANGE
from edms_tasks.conversion.kinds import durations
from edms_tasks.conversion.kinds.json_documents import is_json
from edms_tasks.conversion.storage_classes import Classes, classes_of
from edms_tasks.inventory.model import Column, LogicalType
from edms_tasks.quoting import identifier, literal

LOST, UNKNOWN, OF_ENGINE = "fixture-value-lost", "fixture-value-unknown", "fixture-value-of-one-engine"
_DAY = r"(000[1-9]|00[1-9]\d|0[1-9]\d\d|[1-9]\d\d\d)-\d\d-\d\d"
_CLOCK = r"([01]\d|2[0-3]):[0-5]\d:[0-5]\d"
_DJANGO_CLOCK = rf"{_CLOCK}(\.\d{{6}})?"
_DAY_MICROS = 86_400_000_000
_LONGEST_MOMENT, _LONGEST_CLOCK = 26, 15  # 2026-01-02T03:04:05.000006
# A number of a document that Python may read as another, or a long one; and the document `null`.
_MAY_CHANGE = r"[0-9][.eE][0-9+-]|[0-9]{1000}|^\s*null\s*$"


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


def fixture_value(engine: str, stored: StoredColumn, time_zone: str | None) -> FixtureValue:
    """The values of a column in a fixture.

    Args:
        engine: the snapshot's engine.
        stored: the column.
        time_zone: the zone of times without one (`Edms.time_zone`).
    """
    if engine == "sqlite":
        return _of_sqlite(stored, time_zone)
    return _of_postgresql(stored)


def _number(text: str, *doubts: Doubt) -> FixtureValue:
    return FixtureValue(text, text, doubts)


def _string(text: str, *doubts: Doubt, is_text: bool = False) -> FixtureValue:
    """A string. Django's fields read their values from strings."""
    return FixtureValue(f"CAST(to_json({text}) AS VARCHAR)", text, doubts, is_text=is_text)


def _boolean(condition: str) -> FixtureValue:
    """`condition` is true, false or NULL. XML has Python's spelling."""
    json, text = (
        f"CASE WHEN {condition} THEN '{yes}' WHEN NOT {condition} THEN '{no}' END"
        for yes, no in (("true", "false"), ("True", "False"))
    )
    return FixtureValue(json, text)


def _float(value: str) -> FixtureValue:
    """A number. NaN and the infinities are strings, which are JSON and which Django's FloatField reads."""
    text = f"CAST({value} AS VARCHAR)"
    named = f"CASE WHEN isnan({value}) THEN 'NaN' WHEN isinf({value}) THEN CASE WHEN {value} > 0 THEN 'Infinity' ELSE '-Infinity' END END"
    nan = Doubt(OF_ENGINE, f"isnan({value})", "is NaN, which SQLite turns into NULL")
    return FixtureValue(f"coalesce('\"' || ({named}) || '\"', {text})", f"coalesce({named}, {text})", (nan,))


def _document(column: Column, text: str, assessed: str, *, checked: str = "true") -> FixtureValue:
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


# -- PostgreSQL --------------------------------------------------------------------------------------------------------


def _of_postgresql(stored: StoredColumn) -> FixtureValue:
    column, form = stored.column, stored.form
    value = stored.expression
    base = re.sub(r"\([^)]*\)", "", column.native_type).strip()
    if form.kind in ("SMALLINT", "INTEGER", "BIGINT"):
        return _number(f"CAST({value} AS VARCHAR)")
    if form.kind == "BOOLEAN":
        return _boolean(value)
    if form.kind in ("FLOAT", "DOUBLE"):
        return _float(value)
    if form.kind == "BLOB":
        return _string(f"to_base64({value})")
    if form.kind != "VARCHAR":
        value = f"CAST({value} AS VARCHAR)"
    return _POSTGRESQL.get(base.rpartition(".")[2], _other)(base, value, column)


def _text(base: str, value: str, column: Column) -> FixtureValue:
    return _string(value, is_text=True)


def _numeric(base: str, value: str, column: Column) -> FixtureValue:
    plain = f"regexp_full_match({value}, '-?[0-9.]+')"
    return _string(value, Doubt(LOST, f"NOT {plain}", "is no number that Django's decimals have (NaN, Infinity)"))


def _plain(base: str, value: str, column: Column) -> FixtureValue:
    return _string(value)


def _date(base: str, value: str, column: Column) -> FixtureValue:
    return _string(value, _no_day(value, _DAY))


def _moment(base: str, value: str, column: Column) -> FixtureValue:
    zoned = base.endswith("with time zone")
    moment = f"replace(regexp_replace({value}, '\\+00$', ''), ' ', 'T')" if zoned else f"replace({value}, ' ', 'T')"
    known = rf"{_DAY} {_CLOCK}(\.\d{{1,6}})?" + (r"\+00" if zoned else "")
    text = _padded(moment, _LONGEST_MOMENT) + (" || 'Z'" if zoned else "")
    return _string(
        f"CASE WHEN regexp_full_match({value}, '{known}') THEN {text} ELSE {value} END", _no_day(value, known)
    )


def _clock(base: str, value: str, column: Column) -> FixtureValue:
    known = rf"{_CLOCK}(\.\d{{1,6}})?"
    return _string(
        _padded(value, _LONGEST_CLOCK), Doubt(LOST, f"NOT regexp_full_match({value}, '{known}')", "is 24:00:00")
    )


def _interval(base: str, value: str, column: Column) -> FixtureValue:
    micros = durations.to_sqlite(value, Columns(column, column)).expression
    text = _duration(micros)
    return _string(
        f"coalesce({text}, {value})",
        Doubt(
            LOST, f"{value} IS NOT NULL AND {text} IS NULL", "counts months or years, which Django's durations do not"
        ),
    )


def _jsonb(base: str, value: str, column: Column) -> FixtureValue:
    return _document(column, value, value, checked=f"regexp_matches({value}, '{_MAY_CHANGE}')")


def _json(base: str, value: str, column: Column) -> FixtureValue:
    return _document(column, value, value)


def _through(function: str) -> Callable[[str, str, Column], FixtureValue]:
    """A value of a type of its own, which Django writes as text with JSON in it."""

    def made(base: str, value: str, column: Column) -> FixtureValue:
        text = f"{function}({value}, {literal(base)})"
        return _string(
            f"coalesce({text}, {value})",
            Doubt(LOST, f"{value} IS NOT NULL AND {text} IS NULL", f"has no equal in Django's fields ({base})"),
        )

    return made


def _other(base: str, value: str, column: Column) -> FixtureValue:
    if base.endswith("[]"):
        return _through(ARRAY)(base, value, column)
    known = f"{value} IS NOT NULL"
    doubt = Doubt(
        UNKNOWN, known, f"is of a type that no field of Django's own has ({column.native_type}): PostgreSQL's text"
    )
    return _string(value, doubt, is_text=True)


_RANGES = ("int4range", "int8range", "numrange", "tsrange", "tstzrange", "daterange")
_POSTGRESQL: dict[str, Callable[[str, str, Column], FixtureValue]] = {
    "text": _text,
    "character varying": _text,
    "character": _text,
    "citext": _text,
    "numeric": _numeric,
    "uuid": _plain,
    "inet": _plain,
    "date": _date,
    "timestamp with time zone": _moment,
    "timestamp without time zone": _moment,
    "time without time zone": _clock,
    "interval": _interval,
    "jsonb": _jsonb,
    "json": _json,
    "hstore": _through(KEY_VALUES),
    **dict.fromkeys(_RANGES, _through(RANGE)),
}


# -- SQLite ------------------------------------------------------------------------------------------------------------


def _of_sqlite(stored: StoredColumn, time_zone: str | None) -> FixtureValue:
    value = classes_of(stored.expression, stored.form, stored.column.native_type)
    made = _SQLITE.get(stored.kind)
    proper: FixtureValue | None
    if stored.kind == "datetime":
        proper = _sqlite_moment(value, time_zone)
    elif stored.kind == "json":
        valid = f"(CASE WHEN {is_json(value.text)} THEN {value.text} END)"
        proper = _document(stored.column, valid, valid)  # what is no JSON is not as Django writes it
    else:
        proper = made(value) if made is not None else None
    as_it_is = _as_it_is(value)
    filled = f"{stored.expression} IS NOT NULL"
    if proper is None:
        return FixtureValue(
            as_it_is.json,
            as_it_is.text,
            (
                Doubt(
                    LOST, f"{filled} AND {value.text} IS NULL AND {value.number} IS NULL", "is neither text nor number"
                ),
            ),
            is_text=True,
        )
    other = Doubt(
        LOST,
        f"{filled} AND {proper.json} IS NULL",
        f"is not as Django writes it ({stored.kind}): loaddata changes or refuses it",
    )
    return FixtureValue(
        f"coalesce({proper.json}, {as_it_is.json})",
        f"coalesce({proper.text}, {as_it_is.text})",
        (other, *proper.doubts),
        is_text=proper.is_text,
        is_document=proper.is_document,
        prepared=proper.prepared,
    )


def _as_it_is(value: Classes) -> FixtureValue:
    """A value by its storage class: what is wrong for its field is written nevertheless."""
    number = f"coalesce(CAST({value.integer} AS VARCHAR), CASE WHEN isfinite({value.real}) THEN CAST({value.real} AS VARCHAR) END)"
    # Text that is not UTF-8 is tagged, with its bytes in hexadecimal.
    rest = f"CASE WHEN {value.unreadable} THEN substr({value.column}, 2) END" if value.unreadable != "false" else "NULL"
    text = f"coalesce({value.text}, to_base64({value.blob}), {rest}, CAST({value.real} AS VARCHAR))"
    return FixtureValue(
        f"coalesce({number}, CAST(to_json({text}) AS VARCHAR))", f"coalesce({number}, {text})", is_text=True
    )


def _sqlite_integer(value: Classes) -> FixtureValue:
    return _number(f"CAST({value.integer} AS VARCHAR)")


def _sqlite_boolean(value: Classes) -> FixtureValue:
    return _boolean(f"(CASE {value.integer} WHEN 1 THEN true WHEN 0 THEN false END)")


def _sqlite_float(value: Classes) -> FixtureValue:
    return _float(f"({value.number})")


def _sqlite_decimal(value: Classes) -> FixtureValue:
    number = value.number
    fifteen = f"TRY_CAST(format('{{:.14e}}', {number}) AS DOUBLE) = {number}"
    return _string(
        f"coalesce(CAST({value.integer} AS VARCHAR), CAST({value.real} AS VARCHAR))",
        Doubt(
            UNKNOWN,
            f"NOT ({fifteen})",
            "has more than the 15 digits that Django shows on SQLite, and more places, perhaps, than its field keeps",
        ),
    )


def _sqlite_text(value: Classes) -> FixtureValue:
    made = _string(value.text, is_text=True)
    nul = Doubt(
        OF_ENGINE, f"contains({value.text}, chr(0))", "contains a NUL character, which PostgreSQL does not take"
    )
    return FixtureValue(made.json, made.text, (nul,), is_text=True)


def _sqlite_uuid(value: Classes) -> FixtureValue:
    text = value.text
    dashed = " || '-' || ".join(
        f"substr({text}, {begin}, {length})" for begin, length in ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12))
    )
    return _string(f"CASE WHEN regexp_full_match({text}, '[0-9a-f]{{32}}') THEN {dashed} END")


def _sqlite_date(value: Classes) -> FixtureValue:
    return _string(_matching(value.text, _DAY))


def _sqlite_clock(value: Classes) -> FixtureValue:
    return _string(_matching(value.text, _DJANGO_CLOCK))


def _sqlite_moment(value: Classes, time_zone: str | None) -> FixtureValue:
    """The zone is UTC unless it is recorded that it is not: Django's default, and what snapshots of earlier releases had."""
    suffix = " || 'Z'" if time_zone in (None, "UTC") else ""
    moment = f"replace({_matching(value.text, f'{_DAY} {_DJANGO_CLOCK}')}, ' ', 'T')"
    doubts: tuple[Doubt, ...] = ()
    if time_zone not in (None, "", "UTC"):
        reason = (
            f"is in the zone {time_zone}, in which an hour is there twice each autumn: it is written without a zone"
        )
        doubts = (Doubt(LOST, f"{value.column} IS NOT NULL", reason),)
    return _string(f"({moment}){suffix}", *doubts)


def _sqlite_duration(value: Classes) -> FixtureValue:
    return _string(_duration(f"CAST({value.integer} AS HUGEINT)"))


def _sqlite_binary(value: Classes) -> FixtureValue:
    return _string(f"to_base64({value.blob})")


_SQLITE: dict[LogicalType, Callable[[Classes], FixtureValue]] = {
    "integer": _sqlite_integer,
    "boolean": _sqlite_boolean,
    "decimal": _sqlite_decimal,
    "float": _sqlite_float,
    "text": _sqlite_text,
    "uuid": _sqlite_uuid,
    "date": _sqlite_date,
    "time": _sqlite_clock,
    "duration": _sqlite_duration,
    "binary": _sqlite_binary,
}


# -- common ------------------------------------------------------------------------------------------------------------


def _matching(text: str, pattern: str) -> str:
    return f"CASE WHEN regexp_full_match({text}, '{pattern}') THEN {text} END"


def _no_day(value: str, pattern: str) -> Doubt:
    return Doubt(LOST, f"NOT regexp_full_match({value}, '{pattern}')", "is outside the years 1 to 9999 that Python has")


def _padded(text: str, length: int) -> str:
    """A time as Django writes it: with six decimals or none."""
    return f"CASE WHEN contains({text}, '.') THEN rpad({text}, {length}, '0') ELSE {text} END"


def _duration(micros: str) -> str:
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
