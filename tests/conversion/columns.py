"""Columns of both engines, and values in them, as the engines themselves keep them."""

from __future__ import annotations

import sqlite3
import weakref
from collections.abc import Sequence
from contextlib import ExitStack, closing
from typing import Any

import duckdb
import pyarrow as pa

from edms_tasks.conversion.canonical_json import json_functions
from edms_tasks.conversion.column_conversion import Conversion
from edms_tasks.conversion.conversion_types import Columns, Form
from edms_tasks.inventory.model import Column
from edms_tasks.quoting import literal

NAME = "value"


def columns(declared: str, native_type: str, *, nullable: bool = True) -> Columns:
    """A column that SQLite has `declared`, and PostgreSQL as `native_type`."""
    return Columns(
        Column(name=NAME, native_type=declared, logical_type="other", nullable=nullable),
        Column(name=NAME, native_type=native_type, logical_type="other", nullable=nullable),
    )


def kept_by_sqlite(declared: str, values: Sequence[Any]) -> list[Any]:
    """What SQLite makes of values that are written into a column declared so."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(f"CREATE TABLE kept (n INTEGER PRIMARY KEY, value {declared})")
        connection.executemany("INSERT INTO kept (value) VALUES (?)", [(value,) for value in values])
        return [value for (value,) in connection.execute("SELECT value FROM kept ORDER BY n")]


def arrow(values: Sequence[Any]) -> pa.Array:
    """As a chunk carries values of one class, or integers among reals."""
    classes = {type(value) for value in values if value is not None}
    if classes == {int, float}:
        return pa.array([None if value is None else float(value) for value in values], pa.float64())
    kinds = {int: pa.int64(), float: pa.float64(), str: pa.string(), bytes: pa.binary()}
    return pa.array(values, kinds[classes.pop()] if classes else pa.string())


class EngineConversion:
    """One column on its way, in DuckDB."""

    def __init__(self, source: str, both: Columns) -> None:
        self._source = source
        self._columns = both
        self._engine = duckdb.connect()
        self._engine.execute("SET TimeZone = 'UTC'")
        with ExitStack() as stack:
            stack.enter_context(json_functions(self._engine))
            weakref.finalize(self, stack.pop_all().close)

    def convert(self, values: pa.Array, form: Form) -> pa.Array:
        """What the values become."""
        return self._ask(self._conversion(form).convert(NAME), values)

    def convert_back(self, values: pa.Array, there: Form, form: Form) -> pa.Array:
        """What values that were read there are in the snapshot's form."""
        return self._ask(self._conversion(form).convert_back(NAME, there), values)

    def expected(self, values: pa.Array, form: Form) -> pa.Array:
        """What must come back."""
        return self._ask(self._conversion(form).expected(NAME), values)

    def reasons(self, values: pa.Array, form: Form) -> list[str | None]:
        """Why each of them is incompatible; None where it is not."""
        incompatible = self._conversion(form).incompatible(NAME, f"({self._conversion(form).convert(NAME)})")
        cases = " ".join(
            f"WHEN {incompatibility.condition} THEN {literal(incompatibility.reason)}"
            for incompatibility in incompatible
        )
        found: list[str | None] = self._ask(f"CASE {cases} END", values).to_pylist()
        return found

    def converted_form(self, form: Form) -> Form:
        """How what they become is carried."""
        return self._conversion(form).converted_form

    def _conversion(self, form: Form) -> Conversion:
        return Conversion(self._source, self._columns, form)

    def _ask(self, expression: str, values: pa.Array) -> pa.Array:
        self._engine.register("held", pa.table({"n": range(len(values)), NAME: values}))
        found = self._engine.sql(f"SELECT {expression} AS made FROM held ORDER BY n").to_arrow_table()
        return found.column("made").combine_chunks()


def spelled_by_duckdb(values: pa.Array) -> pa.Array:
    """The text DuckDB has for values, as it would write them for COPY."""
    engine = duckdb.connect()
    engine.execute("SET TimeZone = 'UTC'")
    engine.register("held", pa.table({"n": range(len(values)), NAME: values}))
    found = engine.sql(f"SELECT CAST({NAME} AS VARCHAR) AS made FROM held ORDER BY n").to_arrow_table()
    return found.column("made").combine_chunks()


def native(values: pa.Array) -> Form:
    """The form of values as they stand in Arrow."""
    kinds = {"int64": "BIGINT", "double": "DOUBLE", "string": "VARCHAR", "binary": "BLOB"}
    return Form("native", kinds[str(values.type)])
