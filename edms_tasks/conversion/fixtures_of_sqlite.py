"""SQLite's values as Django's serialisers write them: by the kind of their field, and as they are if they are no value of it."""

from __future__ import annotations

from collections.abc import Callable

from edms_tasks.conversion.fixture_functions import DOCUMENT_DOUBT
from edms_tasks.conversion.fixture_value import (
    CLOCK,
    DAY,
    LOST,
    OF_ENGINE,
    UNKNOWN,
    Doubt,
    FixtureValue,
    StoredColumn,
    boolean,
    document,
    duration,
    floating,
    matching,
    number,
    string,
)
from edms_tasks.conversion.kinds.json_documents import is_json
from edms_tasks.conversion.storage_classes import Classes, classes_of
from edms_tasks.inventory.model import LogicalType

_DJANGO_CLOCK = rf"{CLOCK}(\.\d{{6}})?"


def value_of_sqlite(stored: StoredColumn, time_zone: str | None) -> FixtureValue:
    """The values of a column in a fixture; `time_zone`: of times without one (`Edms.time_zone`)."""
    value = classes_of(stored.expression, stored.form, stored.column.native_type)
    proper = _proper(stored, value, time_zone)
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


def _proper(stored: StoredColumn, value: Classes, time_zone: str | None) -> FixtureValue | None:
    """The values that are such as Django writes; NULL for others. None for kinds that no field of Django's has."""
    if stored.kind == "datetime":
        return _moment(value, time_zone)
    if stored.kind == "json":
        # DuckDB takes half of a character for no JSON; Python reads and writes it.
        read = (
            f"CASE WHEN {is_json(value.text)} THEN true ELSE coalesce({DOCUMENT_DOUBT}({value.text}), '') <> 'none' END"
        )
        valid = f"(CASE WHEN {read} THEN {value.text} END)"
        return document(stored.column, valid, valid)  # what is no JSON is not as Django writes it
    made = _SQLITE.get(stored.kind)
    return made(value) if made is not None else None


def _as_it_is(value: Classes) -> FixtureValue:
    """A value by its storage class: what is wrong for its field is written nevertheless."""
    digits = f"coalesce(CAST({value.integer} AS VARCHAR), CASE WHEN isfinite({value.real}) THEN CAST({value.real} AS VARCHAR) END)"
    # Text that is not UTF-8 is tagged, with its bytes in hexadecimal.
    rest = f"CASE WHEN {value.unreadable} THEN substr({value.column}, 2) END" if value.unreadable != "false" else "NULL"
    text = f"coalesce({value.text}, to_base64({value.blob}), {rest}, CAST({value.real} AS VARCHAR))"
    return FixtureValue(
        f"coalesce({digits}, CAST(to_json({text}) AS VARCHAR))", f"coalesce({digits}, {text})", is_text=True
    )


def _integer(value: Classes) -> FixtureValue:
    return number(f"CAST({value.integer} AS VARCHAR)")


def _boolean(value: Classes) -> FixtureValue:
    return boolean(f"(CASE {value.integer} WHEN 1 THEN true WHEN 0 THEN false END)")


def _float(value: Classes) -> FixtureValue:
    return floating(f"({value.number})")


def _decimal(value: Classes) -> FixtureValue:
    found = value.number
    fifteen = f"TRY_CAST(format('{{:.14e}}', {found}) AS DOUBLE) = {found}"
    return string(
        f"coalesce(CAST({value.integer} AS VARCHAR), CAST({value.real} AS VARCHAR))",
        Doubt(
            UNKNOWN,
            f"NOT ({fifteen})",
            "has more than the 15 digits that Django shows on SQLite, and more places, perhaps, than its field keeps",
        ),
    )


def _text(value: Classes) -> FixtureValue:
    made = string(value.text, is_text=True)
    nul = Doubt(
        OF_ENGINE, f"contains({value.text}, chr(0))", "contains a NUL character, which PostgreSQL does not take"
    )
    return FixtureValue(made.json, made.text, (nul,), is_text=True)


def _uuid(value: Classes) -> FixtureValue:
    text = value.text
    dashed = " || '-' || ".join(
        f"substr({text}, {begin}, {length})" for begin, length in ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12))
    )
    return string(f"CASE WHEN regexp_full_match({text}, '[0-9a-f]{{32}}') THEN {dashed} END")


def _date(value: Classes) -> FixtureValue:
    return string(matching(value.text, DAY))


def _clock(value: Classes) -> FixtureValue:
    return string(matching(value.text, _DJANGO_CLOCK))


def _moment(value: Classes, time_zone: str | None) -> FixtureValue:
    """The zone is UTC unless it is recorded that it is not: Django's default, and what snapshots of earlier releases had."""
    suffix = " || 'Z'" if time_zone in (None, "UTC") else ""
    moment = f"replace({matching(value.text, f'{DAY} {_DJANGO_CLOCK}')}, ' ', 'T')"
    doubts: tuple[Doubt, ...] = ()
    if time_zone not in (None, "", "UTC"):
        reason = (
            f"is in the zone {time_zone}, in which an hour is there twice each autumn: it is written without a zone"
        )
        doubts = (Doubt(LOST, f"{value.column} IS NOT NULL", reason),)
    return string(f"({moment}){suffix}", *doubts)


def _duration(value: Classes) -> FixtureValue:
    return string(duration(f"CAST({value.integer} AS HUGEINT)"))


def _binary(value: Classes) -> FixtureValue:
    return string(f"to_base64({value.blob})")


_SQLITE: dict[LogicalType, Callable[[Classes], FixtureValue]] = {
    "integer": _integer,
    "boolean": _boolean,
    "decimal": _decimal,
    "float": _float,
    "text": _text,
    "uuid": _uuid,
    "date": _date,
    "time": _clock,
    "duration": _duration,
    "binary": _binary,
}
