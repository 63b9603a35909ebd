"""Values of every kind cross and come back; what they become is what each engine itself makes of the same Python value."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.types.json import Json

from edms_tasks.conversion.conversion_types import Form
from tests.conversion.columns import EngineConversion, arrow, columns, kept_by_sqlite, native, spelled_by_duckdb
from tests.postgres_server import PostgresServer

EXAMPLES = settings(max_examples=6, suppress_health_check=list(HealthCheck))


def microseconds(value: timedelta) -> int:
    return (value.days * 86_400 + value.seconds) * 1_000_000 + value.microseconds


def as_it_is(value: Any) -> Any:
    return value


@dataclass(frozen=True)
class Case:
    """A Django field: how its column is declared, what Django hands to SQLite and to PostgreSQL for a value."""

    declared: str
    native_type: str
    values: st.SearchStrategy[Any]
    to_sqlite: Callable[[Any], Any] = as_it_is
    to_postgresql: Callable[[Any], Any] = as_it_is


def whole(bits: int) -> st.SearchStrategy[int]:
    return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def decimals() -> st.SearchStrategy[Decimal]:
    """At most 15 digits, at most 8 places."""
    scaled = st.builds(
        lambda number, places: Decimal(number).scaleb(-places),
        st.integers(-(10**15) + 1, 10**15 - 1),
        st.integers(0, 8),
    )
    return scaled | st.sampled_from([Decimal("0.00000001"), Decimal("-0.1"), Decimal(0), Decimal("9999999.99999999")])


def plain_text(most: int) -> st.SearchStrategy[str]:
    return st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=most)


moments = st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30)).map(
    lambda at: at.replace(tzinfo=UTC)
)
durations = st.timedeltas(
    min_value=timedelta(days=-100_000_000), max_value=timedelta(days=100_000_000)
) | st.sampled_from(
    [timedelta(microseconds=-1), timedelta(0), timedelta(days=1), timedelta(days=-1), timedelta(days=-1, seconds=1)]
)
addresses = st.ip_addresses(v=4) | st.ip_addresses(v=6).filter(lambda address: int(address) >> 48)

CASES = {
    "boolean": Case("bool", "boolean", st.booleans(), int),
    "small integer": Case("smallint", "smallint", whole(16)),
    "integer": Case("integer", "integer", whole(32)),
    "big integer": Case("bigint", "bigint", whole(64)),
    "positive integer": Case("integer unsigned", "integer", st.integers(0, 2**31 - 1)),
    "float": Case("real", "double precision", st.floats(allow_nan=False).filter(lambda f: f != 0 or str(f) == "0.0")),
    "decimal": Case("decimal", "numeric(24,8)", decimals(), str),
    "whole decimal": Case("decimal", "numeric(10,0)", st.integers(-(10**10) + 1, 10**10 - 1).map(Decimal), str),
    "text": Case("text", "text", plain_text(300)),
    "limited text": Case("varchar(20)", "character varying(20)", plain_text(20)),
    "UUID": Case("char(32)", "uuid", st.uuids(), lambda value: value.hex),
    "bytes": Case("BLOB", "bytea", st.binary(max_size=50)),
    "date": Case("date", "date", st.dates(), str),
    "time": Case("time", "time without time zone", st.times(), str),
    "date and time": Case(
        "datetime", "timestamp with time zone", moments, lambda value: str(value.replace(tzinfo=None))
    ),
    "duration": Case("bigint", "interval", durations, microseconds),
    "IP address": Case("char(39)", "inet", addresses, str),
}


@pytest.fixture(scope="module")
def postgres(postgres_server: PostgresServer) -> Iterator[psycopg.Connection[Any]]:
    """A session with the settings that chunks are read with."""
    url = postgres_server.create_database("values_there_and_back")
    with psycopg.connect(url, autocommit=True) as connection:
        for setting in ("timezone = 'UTC'", "datestyle = 'ISO, YMD'", "intervalstyle = 'postgres'"):
            connection.execute(f"SET {setting}".encode())
        yield connection
    postgres_server.drop_database("values_there_and_back")


def written_by(postgres: psycopg.Connection[Any], native_type: str, values: Sequence[Any]) -> list[str | None]:
    """The text that the type's output function writes: what the server sends, before psycopg makes anything of it."""
    texts = []
    for value in values:
        result = postgres.execute(f"SELECT %s::{native_type}".encode(), (value,)).pgresult
        assert result is not None and result.fformat(0) == 0  # text
        sent = result.get_value(0, 0)
        texts.append(None if sent is None else sent.decode())
    return texts


def as_text(values: pa.Array) -> list[str | None]:
    """What a chunk's values look like in PostgreSQL's own words."""
    if pa.types.is_binary(values.type):
        return [None if value is None else f"\\x{value.hex()}" for value in values.to_pylist()]
    if pa.types.is_boolean(values.type):
        return [None if value is None else "t" if value else "f" for value in values.to_pylist()]
    found: list[str | None] = spelled_by_duckdb(values).to_pylist()
    return found


@pytest.mark.parametrize("name", sorted(CASES))
def test_a_value_of_sqlite_is_converted_to_postgresql_and_back(name: str, postgres: psycopg.Connection[Any]) -> None:
    case = CASES[name]
    conversion = EngineConversion("sqlite", columns(case.declared, case.native_type))

    @EXAMPLES
    @given(st.lists(case.values, min_size=1, max_size=30))
    def holds(values: list[Any]) -> None:
        kept = arrow(kept_by_sqlite(case.declared, [None, *map(case.to_sqlite, values)]))
        form = native(kept)

        made = conversion.convert(kept, form)

        assert conversion.reasons(kept, form) == [None] * len(kept)
        texts = written_by(postgres, case.native_type, [None, *map(case.to_postgresql, values)])
        if name == "float":  # the two spell the same number in several ways
            assert [value for value in made.to_pylist() if value is not None] == [
                float(t) for t in texts if t is not None
            ]
        else:
            assert as_text(made) == texts
        assert conversion.convert_back(made, conversion.converted_form(form), form).equals(kept)

    holds()


@pytest.mark.parametrize("name", sorted(CASES))
def test_a_value_of_postgresql_is_converted_to_sqlite_as_django_writes_it_and_back(
    name: str, postgres: psycopg.Connection[Any]
) -> None:
    case = CASES[name]
    both = columns(case.declared, case.native_type)
    conversion, other = EngineConversion("postgresql", both), EngineConversion("sqlite", both)

    @EXAMPLES
    @given(st.lists(case.values, min_size=1, max_size=30))
    def holds(values: list[Any]) -> None:
        expected = kept_by_sqlite(case.declared, [None, *map(case.to_sqlite, values)])
        # What the other direction makes of them was held against PostgreSQL above.
        held = other.convert(arrow(expected), native(arrow(expected)))
        form = other.converted_form(native(arrow(expected)))

        made = conversion.convert(held, form)

        assert conversion.reasons(held, form) == [None] * len(held)
        assert kept_by_sqlite(case.declared, made.to_pylist()) == expected
        assert conversion.convert_back(arrow(expected), native(arrow(expected)), form).equals(held)

    holds()


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**40), 10**40)
    | st.floats(allow_nan=False, allow_infinity=False).filter(lambda f: f != 0 or str(f) == "0.0")
    | plain_text(10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(plain_text(6), inner, max_size=4),
    max_leaves=12,
)


def test_json_of_sqlite_keeps_its_meaning_through_jsonb(postgres: psycopg.Connection[Any]) -> None:
    conversion = EngineConversion("sqlite", columns("text", "jsonb"))
    form = Form("native", "VARCHAR")

    @EXAMPLES
    @given(st.lists(json_values, min_size=1, max_size=10))
    def holds(values: list[Any]) -> None:
        texts = arrow([None, *(json.dumps(value) for value in values)])
        assert conversion.reasons(texts, form) == [None] * len(texts)
        assert conversion.convert(texts, form).equals(texts)
        back = arrow(written_by(postgres, "jsonb", texts.to_pylist()))
        assert conversion.convert_back(back, Form("output", "VARCHAR"), form).equals(conversion.expected(texts, form))

    holds()


DIFFERENT = [
    ('{"a": 1}', '{"a": 2}'),
    ('{"a": 1}', '{"b": 1}'),
    ('{"a": 1}', '{"a": "1"}'),
    ('{"a": [1, 2]}', '{"a": [2, 1]}'),
    ('{"a": {"b": 1}}', '{"a.b": 1}'),
    ('{"a": []}', '{"a": {}}'),
    ('{"a": null}', "{}"),
    ("true", "1"),
    ("null", '"null"'),
    ("0.1", "0.10000000000000001"),
    ("12345678901234567890123456789", "12345678901234567890123456780"),
    ("1e400", "1e401"),
    ('"\\u00e9"', '"e"'),
    ('"a b"', '"ab"'),
    ("-1", "1"),
]


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_json_documents_with_different_meanings_are_different(one: str, other: str) -> None:
    conversion = EngineConversion("sqlite", columns("text", "jsonb"))
    first, second = conversion.expected(arrow([one, other]), Form("native", "VARCHAR")).to_pylist()
    assert first != second


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('{"b":1,"a":{"d":2,"c":3}}', '{"a": {"c": 3, "d": 2}, "b": 1}'),
        ("1e2", "100"),
        ("1.50", "15e-1"),
        ('"\\u00e9"', '"é"'),
    ],
)
def test_json_documents_with_the_same_meaning_are_equal(one: str, other: str) -> None:
    conversion = EngineConversion("sqlite", columns("text", "jsonb"))
    first, second = conversion.expected(arrow([one, other]), Form("native", "VARCHAR")).to_pylist()
    assert first == second


def test_json_of_postgresql_is_restored_byte_by_byte(postgres: psycopg.Connection[Any]) -> None:
    conversion = EngineConversion("postgresql", columns("text", "jsonb"))
    form = Form("output", "VARCHAR")

    @EXAMPLES
    @given(st.lists(json_values, min_size=1, max_size=10))
    def holds(values: list[Any]) -> None:
        held = arrow(written_by(postgres, "jsonb", [None, *map(Json, values)]))
        assert conversion.reasons(held, form) == [None] * len(held)
        assert conversion.convert(held, form).equals(held)
        assert conversion.convert_back(held, Form("native", "VARCHAR"), form).equals(held)

    holds()


@pytest.mark.parametrize(
    ("declared", "native_type", "written", "django"),
    [
        ("datetime", "timestamp with time zone", "2026-01-02T03:04:05.120Z", "2026-01-02 03:04:05.120000"),
        ("datetime", "timestamp with time zone", "2026-01-02 03:04:05+00:00", "2026-01-02 03:04:05"),
        ("time", "time without time zone", "03:04:05.5", "03:04:05.500000"),
        ("char(32)", "uuid", str(uuid.UUID(int=10)).upper(), uuid.UUID(int=10).hex),
    ],
)
def test_a_spelling_that_django_reads_comes_back_as_django_writes_it(
    declared: str, native_type: str, written: str, django: str
) -> None:
    conversion = EngineConversion("sqlite", columns(declared, native_type))
    held = arrow([written])
    assert conversion.reasons(held, native(held)) == [None]
    assert conversion.expected(held, native(held)).to_pylist() == [django]


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("25:00:00", 90_000_000_000),
        ("-01:00:00.5", -3_600_500_000),
        ("-2 days -00:00:01", -172_801_000_000),
        ("3 days 24:00:00", 345_600_000_000),
    ],
)
def test_an_interval_of_arithmetic_is_the_same_duration(text: str, micros: int) -> None:
    conversion = EngineConversion("postgresql", columns("bigint", "interval"))
    held = arrow([text])
    assert conversion.reasons(held, Form("output", "VARCHAR")) == [None]
    assert conversion.convert(held, Form("output", "VARCHAR")).to_pylist() == [micros]


def test_tagged_values_are_converted_like_others() -> None:
    conversion = EngineConversion("sqlite", columns("datetime", "timestamp with time zone"))
    tagged = Form("tagged", "VARCHAR")
    held = arrow(["t" + b"2026-01-02 03:04:05.000006".hex().upper(), None])

    made = conversion.convert(held, tagged)

    assert made.to_pylist() == [datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC), None]
    assert conversion.convert_back(made, conversion.converted_form(tagged), tagged).equals(held)


def test_tagged_decimals_are_the_same_numbers() -> None:
    conversion = EngineConversion("sqlite", columns("decimal", "numeric(24,2)"))
    tagged = Form("tagged", "VARCHAR")
    held = arrow(["i100000000000000000", "r0.1", "i5", None])

    made = conversion.convert(held, tagged)

    assert conversion.reasons(held, tagged) == [None] * 4
    assert made.to_pylist() == ["100000000000000000.00", "0.10", "5.00", None]
    assert conversion.convert_back(made, conversion.converted_form(tagged), tagged).equals(
        conversion.expected(held, tagged)
    )


def test_dates_stored_as_text_are_converted_like_others() -> None:
    conversion = EngineConversion("postgresql", columns("date", "date"))
    held = arrow(["0001-01-01", "9999-12-31", None])
    form = Form("output", "VARCHAR")

    made = conversion.convert(held, form)

    assert conversion.reasons(held, form) == [None] * 3
    assert made.to_pylist() == [str(date.min), str(date.max), None]
    assert conversion.convert_back(made, Form("native", "VARCHAR"), form).equals(held)
