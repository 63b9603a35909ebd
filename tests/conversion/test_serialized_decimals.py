"""Decimals as Django's serialisers write them, `0E-10` of a zero with ten places among them, are those of their column or none."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import duckdb
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edms_tasks.conversion.serialized_values import serialized_functions, stored_form
from edms_tasks.inventory.model import Column
from tests.postgres_server import PostgresServer

EXAMPLES = settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
COLUMN = Column(name="d", native_type="numeric(12,10)", logical_type="decimal", nullable=True)
FITTING = ["0E-10", "-1E-10", "0E+5", "1E+1", "9.9E+1", "1.50000000000000", "+0.1", "99.9999999999", "1E-10", "10E-11"]
OTHERS = ["1E-11", "1E+2", "100", "0.12345678901", "9.99E+1000", "1E-9999", "1e", "", ".5", "Infinity", "1 "]


@pytest.fixture(scope="module")
def duck() -> Iterator[duckdb.DuckDBPyConnection]:
    engine = duckdb.connect()
    with serialized_functions(engine):
        yield engine


@pytest.fixture(scope="module")
def postgres(postgres_server: PostgresServer) -> Iterator[psycopg.Connection[Any]]:
    url = postgres_server.create_database("serialized_decimals")
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection
    postgres_server.drop_database("serialized_decimals")


def stored(duck: duckdb.DuckDBPyConnection, texts: list[str]) -> list[str | None]:
    form = stored_form("postgresql", COLUMN, "value").expression
    found: list[str | None] = []
    for text in texts:
        found += [one for (one,) in duck.execute(f"SELECT {form} FROM (SELECT to_json(?) AS value)", [text]).fetchall()]
    return found


def test_a_decimal_with_an_exponent_is_its_column_s_where_it_fits(
    duck: duckdb.DuckDBPyConnection, postgres: psycopg.Connection[Any]
) -> None:
    kept = stored(duck, FITTING)

    assert None not in kept
    read = [postgres.execute("SELECT %s::text::numeric(12,10)", [text]).fetchone() for text in kept]
    assert [row and row[0] for row in read] == [Decimal(text) for text in FITTING]
    assert stored(duck, OTHERS) == [None] * len(OTHERS)


@pytest.mark.long
def test_every_decimal_that_django_writes_fits(duck: duckdb.DuckDBPyConnection) -> None:
    decimals = st.decimals(min_value=-99, max_value=99, places=10) | st.decimals(
        min_value="-1E-8", max_value="1E-8", places=10
    )

    @EXAMPLES
    @given(st.lists(decimals, min_size=1, max_size=20))
    def holds(values: list[Decimal]) -> None:
        assert [Decimal(str(one)) for one in stored(duck, [str(value) for value in values])] == values

    holds()
