"""Every kind of value that has no equal in the other engine is found, with the reason; the value beside it is not."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from edms_tasks.conversion.conversion_types import Form
from tests.conversion.columns import EngineConversion, arrow, columns, native

WRITTEN = Form("output", "VARCHAR")
BY_CAST = Form("text", "VARCHAR")  # of an earlier release
DOUBLE = Form("native", "DOUBLE")
MOMENT = "timestamp with time zone"
YEARS = "is outside the years 1 to 9999 that Python supports"
DIGITS = "has more than the 15 digits that Django reads on SQLite"

OF_SQLITE: list[tuple[str, str, Any, Any, str]] = [
    # declared, native type, a value that fits, one that does not, why
    ("integer", "integer", 2**31 - 1, 2**31, "is out of range for integer"),
    ("smallint", "smallint", -(2**15), -(2**15) - 1, "is out of range for smallint"),
    ("integer unsigned", "integer", 0, -1, "is negative, but the column allows positive numbers only"),
    ("integer", "integer", 5.0, 5.5, "is no whole number"),
    ("integer", "integer", 5, "five", "is no whole number"),
    ("bool", "boolean", 1, 2, "is no boolean (0 or 1)"),
    ("varchar(3)", "character varying(3)", "äöü", "äöüß", "is longer than 3 characters"),
    ("text", "text", "a\x01", "a\0b", "contains a NUL character, which PostgreSQL's text does not support"),
    ("text", "text", "b", b"b", "is no text"),
    ("BLOB", "bytea", b"b", "b", "is no bytes"),
    ("datetime", MOMENT, "2026-02-28 00:00:00", "2026-02-30 00:00:00", "is no date and time"),
    ("datetime", MOMENT, "9999-12-31 23:59:59.999999", "yesterday", "is no date and time"),
    ("datetime", MOMENT, "0001-01-01 00:00:00", 1767323045, "is no date and time"),
    ("date", "date", "2024-02-29", "2026-02-29", "is no date"),
    ("date", "date", "0001-01-01", "2026-01-01 00:00:00", "is no date"),
    ("time", "time without time zone", "23:59:59", "24:00:00", "is no time of day"),
    ("char(32)", "uuid", "0" * 32, "0" * 31, "is no UUID"),
    ("char(39)", "inet", "10.0.0.1", "10.0.0.256", "is no IP address"),
    ("char(39)", "inet", "2001:db8::1", "2001:db8:0:0:0:0:0:1", "is no IP address"),
    ("decimal", "numeric(10,2)", 99999999.99, 100000000.0, "is out of range for numeric(10,2)"),
    ("decimal", "numeric(10,2)", 0.25, 0.125, "has more digits than Django reads (15), or more places than numeric(10,2) keeps"),
    ("decimal", "numeric(24,8)", 0.3, 0.1 + 0.2, "has more digits than Django reads (15), or more places than numeric(24,8) keeps"),
    ("decimal", "numeric(24,0)", 10**17, 10**15 + 1, "has more digits than Django reads (15), or more places than numeric(24,0) keeps"),
    ("decimal", "numeric(10,2)", 1, "one", "is no decimal"),
    ("text", "jsonb", '{"a": 1, "b": {"a": 1}}', '{"a": 1, "a": 2}', "repeats a key in an object; jsonb keeps the last value only"),
    ("text", "jsonb", '"\\\\u0000"', '"\\u0000"', "contains a NUL character (\\u0000), which jsonb does not support"),
    ("text", "jsonb", "[0, 0.0]", "[-0.0]", "contains minus zero, whose sign jsonb does not keep"),
    ("text", "jsonb", "[1e300]", "[1e99999]", "contains a number outside the range of jsonb"),
    ("text", "jsonb", '"NaN"', "NaN", "is no JSON"),
    ("text", "jsonb", "[1, 2]", "[1, 2,]", "is no JSON"),
    ("bigint", "interval", 1, "1", "is no duration"),
    ("text", "tsvector", None, "'a'", "has no known form in the other engine (text and tsvector)"),
]  # fmt: skip

OF_POSTGRESQL: list[tuple[str, str, Form, Any, Any, str]] = [
    ("real", "double precision", DOUBLE, 0.0, -0.0, "is minus zero, whose sign SQLite does not keep"),
    ("real", "double precision", DOUBLE, float("inf"), float("nan"), "is not a number (NaN), which SQLite turns into NULL"),
    ("decimal", "numeric(24,8)", WRITTEN, "1234567890.12345000", "1234567890.12345678", DIGITS),
    ("decimal", "numeric(24,8)", WRITTEN, "0.00000000", "NaN", "is not a number that Django's decimals on SQLite support"),
    ("decimal", "numeric", WRITTEN, "1.5", "1.50", "ends with zeros that SQLite does not keep"),
    ("datetime", MOMENT, WRITTEN, "9999-12-31 23:59:59+00", "infinity", YEARS),
    ("datetime", MOMENT, WRITTEN, "0001-01-01 00:00:00+00", "10000-01-01 00:00:00+00", YEARS),
    ("date", "date", WRITTEN, "0001-01-01", "0044-03-15 BC", YEARS),
    ("time", "time without time zone", WRITTEN, "00:00:00", "24:00:00", "is 24:00:00, which Python does not support"),
    ("bigint", "interval", WRITTEN, "31 days", "1 mon", "counts months or years, which have no fixed length"),
    ("bigint", "interval", WRITTEN, "106751990 days", "106751992 days", "is longer than 64 bits of microseconds"),
    ("char(39)", "inet", WRITTEN, "10.0.0.1", "10.0.0.0/8", "is a network, and Django's field holds single addresses"),
    ("char(39)", "inet", BY_CAST, "10.0.0.1/32", "10.0.0.0/8", "is a network, and Django's field holds single addresses"),
    ("varchar(1)", "integer[]", WRITTEN, None, "{1}", "has no known form in the other engine (varchar(1) and integer[])"),
]  # fmt: skip


@pytest.mark.parametrize(("declared", "native_type", "fits", "unfit", "why"), OF_SQLITE)
def test_a_value_of_sqlite_that_postgresql_cannot_hold_is_found(
    declared: str, native_type: str, fits: Any, unfit: Any, why: str
) -> None:
    conversion = EngineConversion("sqlite", columns(declared, native_type))
    for values, reasons in (([None, fits], [None, None]), ([None, unfit], [None, why])):
        held = arrow(values)
        assert conversion.reasons(held, native(held)) == reasons
        if native_type != "jsonb":  # a document is looked into once only, to be checked
            assert [value is None for value in conversion.convert(held, native(held)).to_pylist()] == [
                value is None or reason is not None for value, reason in zip(values, reasons, strict=True)
            ]


@pytest.mark.parametrize(("declared", "native_type", "form", "fits", "unfit", "why"), OF_POSTGRESQL)
def test_a_value_of_postgresql_that_sqlite_cannot_hold_is_found(
    declared: str, native_type: str, form: Form, fits: Any, unfit: Any, why: str
) -> None:
    conversion = EngineConversion("postgresql", columns(declared, native_type))
    held = arrow([None, fits, unfit])
    assert conversion.reasons(held, form) == [None, None, why]


def test_each_value_of_a_column_of_mixed_classes_is_converted_by_its_own() -> None:
    conversion = EngineConversion("sqlite", columns("text", "text"))
    held = pa.array(["t" + b"plain".hex().upper(), "b00", "tFF", "t" + b"a\0".hex().upper(), "i5", None])
    assert conversion.reasons(held, Form("tagged", "VARCHAR")) == [
        None,
        "is no text",
        "is text that is not valid UTF-8",
        "contains a NUL character, which PostgreSQL's text does not support",
        "is no text",
        None,
    ]


def test_null_is_incompatible_with_a_not_null_column() -> None:
    conversion = EngineConversion("sqlite", columns("integer", "integer", nullable=False))
    held = arrow([1, None])
    assert conversion.reasons(held, native(held)) == [None, "is NULL, but the column is NOT NULL"]
