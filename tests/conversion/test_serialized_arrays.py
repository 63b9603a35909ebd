"""Lists as Django's serialisers write them, of which inner ones are texts, are the arrays that PostgreSQL has."""

from __future__ import annotations

import json
from typing import Any

import duckdb
import psycopg
import pytest

from edms_tasks.conversion.serialized_values import serialized_functions, stored_form
from edms_tasks.inventory.model import Column
from tests.postgres_server import PostgresServer

# (type, how many lists are around a value, the list, what Django writes)
ARRAYS: list[tuple[str, int, Any, Any]] = [
    ("text[]", 1, ["[1]", 'a "b" \\ {c}', None], ["[1]", 'a "b" \\ {c}', None]),
    ("double precision[]", 2, [[0.1, 1e300], [-0.0, 5e-324]], ['["0.1", "1e+300"]', '["-0.0", "5e-324"]']),
    ("text[]", 2, [["[1]", "x,y"], ["NULL", ""]], [json.dumps(["[1]", "x,y"]), json.dumps(["NULL", ""])]),
    ("integer[]", 3, [[[1, 2]], [[3, None]]], [json.dumps(['["1", "2"]']), json.dumps(['["3", null]'])]),
]


@pytest.mark.parametrize(("native", "depth", "value", "written"), ARRAYS)
@pytest.mark.parametrize("as_text", [True, False])
def test_an_array_is_what_it_was(
    native: str, depth: int, value: Any, written: Any, as_text: bool, postgres_server: PostgresServer
) -> None:
    column = Column(name="a", native_type=native, logical_type="other", nullable=True)
    form = stored_form("postgresql", column, "value", array_depth=depth).expression
    document = json.dumps(json.dumps(written) if as_text else written)

    with duckdb.connect() as engine, serialized_functions(engine), engine.cursor() as duck:
        ((stored,),) = duck.execute(f"SELECT {form} FROM (SELECT CAST(? AS JSON) AS value)", [document]).fetchall()

    with psycopg.connect(postgres_server.url("postgres")) as connection:
        assert connection.execute(f"SELECT %s::{native}".encode(), [stored]).fetchone() == (value,)
