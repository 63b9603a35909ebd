"""PostgreSQL's values as Django's serialisers write them."""

from __future__ import annotations

import re
from collections.abc import Callable

from edms_tasks.conversion.conversion_types import Columns
from edms_tasks.conversion.fixture_functions import ARRAY, KEY_VALUES, RANGE
from edms_tasks.conversion.fixture_value import (
    CLOCK,
    DAY,
    LOST,
    UNKNOWN,
    Doubt,
    FixtureValue,
    StoredColumn,
    boolean,
    document,
    duration,
    floating,
    no_day,
    number,
    padded,
    string,
)
from edms_tasks.conversion.kinds import durations
from edms_tasks.inventory.model import Column
from edms_tasks.quoting import literal

_LONGEST_MOMENT, _LONGEST_CLOCK = 26, 15  # 2026-01-02T03:04:05.000006
# A number of a document that Python may read as another, or a long one; and the document `null`.
_MAY_CHANGE = r"[0-9][.eE][0-9+-]|[0-9]{1000}|^\s*null\s*$"


def value_of_postgresql(stored: StoredColumn) -> FixtureValue:
    """The values of a column in a fixture."""
    column, form = stored.column, stored.form
    value = stored.expression
    base = re.sub(r"\([^)]*\)", "", column.native_type).strip()
    if form.kind in ("SMALLINT", "INTEGER", "BIGINT"):
        return number(f"CAST({value} AS VARCHAR)")
    if form.kind == "BOOLEAN":
        return boolean(value)
    if form.kind in ("FLOAT", "DOUBLE"):
        return floating(value)
    if form.kind == "BLOB":
        return string(f"to_base64({value})")
    if form.kind != "VARCHAR":
        value = f"CAST({value} AS VARCHAR)"
    return _POSTGRESQL.get(base.rpartition(".")[2], _other)(base, value, column)


def _text(base: str, value: str, column: Column) -> FixtureValue:
    return string(value, is_text=True)


def _numeric(base: str, value: str, column: Column) -> FixtureValue:
    plain = f"regexp_full_match({value}, '-?[0-9.]+')"
    return string(value, Doubt(LOST, f"NOT {plain}", "is no number that Django's decimals have (NaN, Infinity)"))


def _plain(base: str, value: str, column: Column) -> FixtureValue:
    return string(value)


def _date(base: str, value: str, column: Column) -> FixtureValue:
    return string(value, no_day(value, DAY))


def _moment(base: str, value: str, column: Column) -> FixtureValue:
    zoned = base.endswith("with time zone")
    moment = f"replace(regexp_replace({value}, '\\+00$', ''), ' ', 'T')" if zoned else f"replace({value}, ' ', 'T')"
    known = rf"{DAY} {CLOCK}(\.\d{{1,6}})?" + (r"\+00" if zoned else "")
    text = padded(moment, _LONGEST_MOMENT) + (" || 'Z'" if zoned else "")
    return string(f"CASE WHEN regexp_full_match({value}, '{known}') THEN {text} ELSE {value} END", no_day(value, known))


def _clock(base: str, value: str, column: Column) -> FixtureValue:
    known = rf"{CLOCK}(\.\d{{1,6}})?"
    return string(
        padded(value, _LONGEST_CLOCK), Doubt(LOST, f"NOT regexp_full_match({value}, '{known}')", "is 24:00:00")
    )


def _interval(base: str, value: str, column: Column) -> FixtureValue:
    micros = durations.to_sqlite(value, Columns(column, column)).expression
    text = duration(micros)
    return string(
        f"coalesce({text}, {value})",
        Doubt(
            LOST, f"{value} IS NOT NULL AND {text} IS NULL", "counts months or years, which Django's durations do not"
        ),
    )


def _jsonb(base: str, value: str, column: Column) -> FixtureValue:
    return document(column, value, value, checked=f"regexp_matches({value}, '{_MAY_CHANGE}')")


def _json(base: str, value: str, column: Column) -> FixtureValue:
    return document(column, value, value)


def _through(function: str) -> Callable[[str, str, Column], FixtureValue]:
    """A value of a type of its own, which Django writes as text with JSON in it."""

    def made(base: str, value: str, column: Column) -> FixtureValue:
        text = f"{function}({value}, {literal(base)})"
        return string(
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
    return string(value, doubt, is_text=True)


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
