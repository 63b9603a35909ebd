"""Values in fixtures: Django's own fields read from them what was there, and what they would not is counted."""

from __future__ import annotations

import json
import xml.etree.ElementTree
from collections.abc import Iterator, Sequence
from typing import Any

import duckdb
import psycopg
import pyarrow as pa
import pytest
import yaml
from django.db import models
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edms_tasks.conversion.conversion_types import Form
from edms_tasks.conversion.fixture_functions import fixture_functions
from edms_tasks.conversion.fixture_value import FixtureValue, StoredColumn
from edms_tasks.conversion.fixture_values import fixture_value
from edms_tasks.fixtures.row_forms import RowForm, row_form
from edms_tasks.inventory.model import Column, LogicalType
from edms_tasks.quoting import identifier, literal
from tests.conversion.columns import arrow, kept_by_sqlite, native
from tests.conversion.test_values_there_and_back import CASES, json_values, plain_text, written_by
from tests.postgres_server import PostgresServer

EXAMPLES = settings(max_examples=6, suppress_health_check=list(HealthCheck))
FIELDS: dict[str, tuple[LogicalType, models.Field[Any, Any]]] = {
    "boolean": ("boolean", models.BooleanField(null=True)),
    "small integer": ("integer", models.SmallIntegerField()),
    "integer": ("integer", models.IntegerField()),
    "big integer": ("integer", models.BigIntegerField()),
    "positive integer": ("integer", models.PositiveIntegerField()),
    "float": ("float", models.FloatField()),
    "decimal": ("decimal", models.DecimalField(max_digits=24, decimal_places=8)),
    "whole decimal": ("decimal", models.DecimalField(max_digits=10, decimal_places=0)),
    "text": ("text", models.TextField()),
    "limited text": ("text", models.CharField(max_length=20)),
    "UUID": ("uuid", models.UUIDField()),
    "bytes": ("binary", models.BinaryField()),
    "date": ("date", models.DateField()),
    "time": ("time", models.TimeField()),
    "date and time": ("datetime", models.DateTimeField()),
    "duration": ("duration", models.DurationField()),
    "IP address": ("text", models.GenericIPAddressField()),
}
OUTPUT = Form("output", "VARCHAR")


@pytest.fixture(scope="module")
def duck() -> Iterator[duckdb.DuckDBPyConnection]:
    engine = duckdb.connect()
    engine.execute("SET TimeZone = 'UTC'")
    with fixture_functions(engine):
        yield engine


@pytest.fixture(scope="module")
def postgres(postgres_server: PostgresServer) -> Iterator[psycopg.Connection[Any]]:
    """A session with the settings that chunks are read with."""
    url = postgres_server.create_database("values_in_fixtures")
    with psycopg.connect(url, autocommit=True) as connection:
        for setting in ("timezone = 'UTC'", "datestyle = 'ISO, YMD'", "intervalstyle = 'postgres'"):
            connection.execute(f"SET {setting}".encode())
        yield connection
    postgres_server.drop_database("values_in_fixtures")


def column(native_type: str, kind: LogicalType = "other") -> Column:
    return Column(name="value", native_type=native_type, logical_type=kind, nullable=True)


def value_of(engine: str, native_type: str, kind: LogicalType, form: Form, zone: str | None = "UTC") -> FixtureValue:
    return fixture_value(engine, StoredColumn(column(native_type, kind), kind, '"value"', form), zone)


def written(duck: duckdb.DuckDBPyConnection, expression: str, values: pa.Array) -> list[str | None]:
    duck.register("held", pa.table({"n": range(len(values)), "value": values}))
    return [text for (text,) in duck.sql(f"SELECT {expression} FROM held ORDER BY n").fetchall()]


def doubts(
    duck: duckdb.DuckDBPyConnection, value: FixtureValue, values: pa.Array, form: RowForm | None = None
) -> list[str]:
    """For each value why it is not in the fixture as it is; "" if it is."""
    name, expression = value.prepared or ("nothing", "NULL")
    every = (*(form.doubts(value) if form else ()), *value.doubts)
    cases = " ".join(f"WHEN {one.condition} THEN {literal(one.reason)}" for one in every) or "WHEN false THEN ''"
    duck.register("held", pa.table({"n": range(len(values)), "value": values}))
    source = f"(SELECT *, {expression} AS {identifier(name)} FROM held)"
    return [why for (why,) in duck.sql(f"SELECT CASE {cases} ELSE '' END FROM {source} ORDER BY n").fetchall()]


def in_xml(form: RowForm, duck: duckdb.DuckDBPyConnection, value: FixtureValue, values: pa.Array) -> list[str | None]:
    """The texts that a reader of XML finds, with blanks around them taken away as Django does; None for no value."""
    found: list[str | None] = []
    for text in written(duck, form.value(value), values):
        element = xml.etree.ElementTree.fromstring(f"<field>{text}</field>")
        found.append(None if element.find("None") is not None else (element.text or "").strip())
    return found


@pytest.mark.parametrize("name", sorted(CASES))
def test_djangos_field_reads_the_value_that_sqlite_had(name: str, duck: duckdb.DuckDBPyConnection) -> None:
    case, (kind, field) = CASES[name], FIELDS[name]

    @EXAMPLES
    @given(st.lists(case.values, min_size=1, max_size=30))
    def holds(values: list[Any]) -> None:
        kept = arrow(kept_by_sqlite(case.declared, [None, *map(case.to_sqlite, values)]))
        value = value_of("sqlite", case.declared, kind, native(kept))

        read = [None if text is None else json.loads(text) for text in written(duck, value.json, kept)]

        assert [field.to_python(one) for one in read] == [None, *map(_as_read(name), values)]
        assert set(doubts(duck, value, kept)) == {""}

    holds()


@pytest.mark.parametrize("name", sorted(CASES))
def test_djangos_field_reads_the_value_that_postgresql_had(
    name: str, duck: duckdb.DuckDBPyConnection, postgres: psycopg.Connection[Any]
) -> None:
    case, (kind, field) = CASES[name], FIELDS[name]

    @EXAMPLES
    @given(st.lists(case.values, min_size=1, max_size=20))
    def holds(values: list[Any]) -> None:
        texts = written_by(postgres, case.native_type, [None, *map(case.to_postgresql, values)])
        kept, form = _as_stored(case.native_type, texts, values)
        value = value_of("postgresql", case.native_type, kind, form)

        read = [None if text is None else json.loads(text) for text in written(duck, value.json, kept)]

        assert [field.to_python(one) for one in read] == [None, *map(_as_read(name), values)]
        assert set(doubts(duck, value, kept)) == {""}
        if value.is_text:
            return  # of blanks there is a test of its own
        texts_in_xml = in_xml(row_form("xml"), duck, value, kept)
        assert [field.to_python(one) for one in texts_in_xml] == [None, *map(_as_read(name), values)]

    holds()


def _as_read(name: str) -> Any:
    return str if name == "IP address" else lambda value: value


def _as_stored(native_type: str, texts: Sequence[str | None], values: list[Any]) -> tuple[pa.Array, Form]:
    """What a chunk has: the types that have one in Parquet, and the text of all others."""
    native_types = {"boolean": pa.bool_(), "smallint": pa.int16(), "integer": pa.int32(), "bigint": pa.int64()}
    native_types |= {"double precision": pa.float64(), "bytea": pa.binary()}
    if kind := native_types.get(native_type):
        names = {"bool": "BOOLEAN", "int16": "SMALLINT", "int32": "INTEGER", "int64": "BIGINT", "double": "DOUBLE"}
        return pa.array([None, *values], kind), Form("native", names.get(str(kind), "BLOB"))
    return pa.array(texts, pa.string()), OUTPUT


def test_documents_are_the_same_for_readers_of_json_xml_and_yaml(duck: duckdb.DuckDBPyConnection) -> None:
    value = value_of("sqlite", "text", "json", Form("native", "VARCHAR"))
    as_yaml = row_form("yaml")

    @EXAMPLES
    @given(st.lists(json_values.filter(lambda one: one is not None), min_size=1, max_size=10), st.booleans())
    def holds(values: list[Any], ascii_only: bool) -> None:
        kept = arrow([json.dumps(one, ensure_ascii=ascii_only) for one in values])

        assert [json.loads(str(text)) for text in written(duck, value.json, kept)] == values
        assert [json.loads(str(text)) for text in in_xml(row_form("xml"), duck, value, kept)] == values
        rows = "\n".join(map(str, written(duck, as_yaml.finished(as_yaml.value(value)), kept)))
        assert yaml.safe_load(rows) == values
        assert set(doubts(duck, value, kept, as_yaml)) == {""}

    holds()


@pytest.mark.parametrize("loader", [yaml.SafeLoader, yaml.CSafeLoader])
def test_no_document_makes_readers_of_yaml_refuse_the_fixture(loader: Any, duck: duckdb.DuckDBPyConnection) -> None:
    whole: list[Any] = [{"k" * 990: 1, "k" * 1500: [1e22, {'\\"' * 600: "v" * 5000}]}, "\\ud83d", ["😀" * 2000, "a: b"]]
    halves = ["\ud83d", {"\udc00": "😀\ud83d"}]
    texts = [json.dumps(one) for one in [*whole, *halves]]
    value, form = value_of("sqlite", "text", "json", Form("native", "VARCHAR")), row_form("yaml")

    rows = written(duck, form.finished(form.value(value)), arrow(texts))

    read = yaml.load("\n".join(map(str, rows)), loader)
    assert read == [*whole, "\ufffd", {"\ufffd": "😀\ufffd"}]
    assert [bool(why) for why in doubts(duck, value, arrow(texts), form)] == [False] * 3 + [True] * 2
    # JSON has them as they are.
    assert [json.loads(str(text)) for text in written(duck, value.json, arrow(texts))] == [*whole, *halves]
    assert set(doubts(duck, value, arrow(texts))) == {""}


@pytest.mark.parametrize("name", ["json", "jsonl", "yaml", "xml"])
def test_any_text_is_the_same_for_a_reader_or_counted(name: str, duck: duckdb.DuckDBPyConnection) -> None:
    form = row_form(name)

    awkward = st.text(st.sampled_from(" \t\r\n\x00\x1f\x7f\x85\xa0\u2028\ufeff\uffffa<&\"'é😀"))

    @EXAMPLES
    @given(st.lists(plain_text(30) | awkward, min_size=1, max_size=30))
    def holds(values: list[str]) -> None:
        kept = arrow(values)
        value = value_of("sqlite", "text", "text", native(kept))
        counted = doubts(duck, value, kept, form)

        if name == "xml":
            read: list[Any] = in_xml(form, duck, value, kept)
        elif name == "yaml":
            read = yaml.safe_load("\n".join(map(str, written(duck, form.finished(form.value(value)), kept))))
        else:
            read = [json.loads(str(text)) for text in written(duck, form.value(value), kept)]

        differing = [text for text, found in zip(values, read, strict=True) if found != text]
        assert differing == [text for text, why in zip(values, counted, strict=True) if why and "PostgreSQL" not in why]

    holds()


@pytest.mark.parametrize(
    ("native_type", "text", "why"),
    [
        ("timestamp with time zone", "infinity", "years"),
        ("timestamp with time zone", "0044-03-15 12:00:00+00 BC", "years"),
        ("timestamp with time zone", "10000-01-01 00:00:00+00", "years"),
        ("date", "-infinity", "years"),
        ("time without time zone", "24:00:00", "24:00:00"),
        ("numeric(10,2)", "NaN", "decimals"),
        ("numeric", "Infinity", "decimals"),
        ("interval", "1 mon 2 days", "months"),
        ("jsonb", "null", "NULL"),
        ("jsonb", '{"a": [1.10]}', "floats"),
        ("jsonb", "0.12345678901234567890", "floats"),
        ("jsonb", "1" * 5000, "no JSON that Python reads"),
        ("json", '{"a": 1, "a": 2}', "repeats"),
        ("tstzrange", '["2024-01-01 00:00:00+00",infinity]', "no equal"),
        ("integer[]", "[0:1]={1,2}", "no equal"),
        ("point", "(1,2)", "no field of Django's own"),
        ("tsvector", "'a':1", "no field of Django's own"),
    ],
)
def test_values_of_postgresql_that_do_not_come_back_are_counted_and_written(
    native_type: str, text: str, why: str, duck: duckdb.DuckDBPyConnection
) -> None:
    kept = arrow([None, text])
    value = value_of("postgresql", native_type, "other", OUTPUT)

    nothing, reason = doubts(duck, value, kept)

    assert nothing == ""
    assert why in reason
    found = written(duck, value.json, kept)
    assert found[0] is None
    assert found[1] in (text, json.dumps(text))


@pytest.mark.parametrize(
    ("kind", "kept", "why"),
    [
        ("integer", "ttwelve", "not as Django writes it"),
        ("boolean", "i2", "not as Django writes it"),
        ("date", "t2024-02", "not as Django writes it"),
        ("datetime", "t2024-01-01T00:00:00Z", "not as Django writes it"),
        ("time", "t12:00", "not as Django writes it"),
        ("uuid", "tno", "not as Django writes it"),
        ("duration", "tP1D", "not as Django writes it"),
        ("json", "t{", "not as Django writes it"),
        ("binary", "ttext", "not as Django writes it"),
        ("text", "i5", "not as Django writes it"),
        ("decimal", "r0.30000000000000004", "15 digits"),
    ],
)
def test_values_of_sqlite_that_are_none_of_their_field_are_counted_and_written(
    kind: LogicalType, kept: str, why: str, duck: duckdb.DuckDBPyConnection
) -> None:
    tagged = kept[0] + kept[1:].encode().hex().upper() if kept[0] == "t" else kept
    value = value_of("sqlite", "anything", kind, Form("tagged", "VARCHAR"))

    nothing, reason = doubts(duck, value, arrow([None, tagged]))

    assert nothing == ""
    assert why in reason
    assert str(json.loads(str(written(duck, value.json, arrow([tagged]))[0]))) == kept[1:]


def test_not_a_number_is_json_and_djangos_field_reads_it(duck: duckdb.DuckDBPyConnection) -> None:
    kept = pa.array([float("inf"), float("-inf"), float("nan"), -0.0], pa.float64())
    value = value_of("postgresql", "double precision", "float", Form("native", "DOUBLE"))

    def refuse(constant: str) -> Any:
        raise ValueError(constant)

    read = [json.loads(str(text), parse_constant=refuse) for text in written(duck, value.json, kept)]

    assert [repr(models.FloatField().to_python(one)) for one in read] == ["inf", "-inf", "nan", "-0.0"]
    assert [bool(why) for why in doubts(duck, value, kept)] == [False, False, True, False]


@pytest.mark.parametrize(
    ("zone", "text"), [("UTC", "2024-01-02T03:04:05Z"), ("", "2024-01-02T03:04:05"), (None, "2024-01-02T03:04:05Z")]
)
def test_times_of_sqlite_have_the_zone_of_the_edms(
    zone: str | None, text: str, duck: duckdb.DuckDBPyConnection
) -> None:
    kept = arrow(["2024-01-02 03:04:05"])
    value = value_of("sqlite", "datetime", "datetime", native(kept), zone)

    assert written(duck, value.json, kept) == [json.dumps(text)]
    assert doubts(duck, value, kept) == [""]


def test_names_of_models_and_fields_cannot_break_out_of_their_place(duck: duckdb.DuckDBPyConnection) -> None:
    hostile = "a\"',\n}{<b>&]]>\\"
    values = arrow(["text"])
    value = value_of("sqlite", "text", "text", native(values))
    for name in ("json", "jsonl", "yaml", "xml"):
        form = row_form(name)
        row = form.finished(form.row(hostile, form.key([value]), [(hostile, "", form.value(value))]))
        (text,) = written(duck, row, values)
        assert text is not None
        if name == "xml":
            element = xml.etree.ElementTree.fromstring(text)
            assert (element.get("model"), element.get("pk")) == (hostile, "text")
            assert [(one.get("name"), one.text) for one in element] == [(hostile, "text")]
        else:
            read = yaml.safe_load(text)[0] if name == "yaml" else json.loads(text)
            assert read == {"model": hostile, "pk": "text", "fields": {hostile: "text"}}
