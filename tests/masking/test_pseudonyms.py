"""Pseudonyms hold nothing of the value that they stand for, and are values that an EDMS can read."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from edms_tasks.inventory.model import Column, LogicalType, Table
from edms_tasks.masking.column_masks import column_mask
from edms_tasks.masking.mask_plan import MaskedColumn
from edms_tasks.masking.masked_texts import mask_functions
from edms_tasks.masking.pseudonyms import MaskKey, keyed_cursor
from edms_tasks.masking.rules import ColumnRule
from edms_tasks.scratch.workspace import open_workspace


@pytest.fixture
def cursor(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with (
        open_workspace(tmp_path / "workspace", memory_limit_mb=256, threads=1) as opened,
        mask_functions(opened.engine, "k" * 32),
        keyed_cursor(opened, MaskKey("k" * 32, "random")) as made,
    ):
        yield made


def _masked(cursor: duckdb.DuckDBPyConnection, rule: dict[str, Any], values: str, form: str, kind: LogicalType) -> Any:
    column = Column(name="c", native_type=form, logical_type=kind, nullable=True)
    table = Table(id="t", schema_name=None, name="t", columns=(column,), primary_key=("c",))
    how = column_mask(table, MaskedColumn(column, ColumnRule.model_validate(rule), None, False), "native", {"c": form})
    rows = cursor.execute(
        f"SELECT c, {how.made}, {how.original} FROM (SELECT CAST(unnest({values}) AS {form}) AS c)"
    ).fetchall()
    return [row for row in rows if row[0] is not None]


def test_letters_beside_a_phone_number_do_not_stay(cursor: duckdb.DuckDBPyConnection) -> None:
    values = "['Frau Webrandt 030 1234567', 'Ömer: +49/170-5', '٠٣٠']"
    made = [now for _, now, _ in _masked(cursor, {"kind": "phone"}, values, "VARCHAR", "text")]
    assert made[0].startswith("xxxx xxxxxxxx ") and made[0] != "xxxx xxxxxxxx 030 1234567"
    assert made[1].startswith("xxxx: +") and made[2] == "xxx"


@pytest.mark.parametrize(("form", "kind"), [("DATE", "date"), ("TIMESTAMP", "datetime"), ("VARCHAR", "date")])
def test_dates_at_the_ends_of_the_calendar_stay_in_it(
    cursor: duckdb.DuckDBPyConnection, form: str, kind: LogicalType
) -> None:
    values = "['9999-12-31', '9999-12-30', '9999-12-29', '0001-01-01', '0001-01-02', '0001-01-03', '1971-03-14']"
    for was, now, _ in _masked(cursor, {"kind": "shift", "days": 400}, values, form, kind):
        if isinstance(now, str):
            was, now = date.fromisoformat(was), date.fromisoformat(now)
        assert isinstance(now, date | datetime) and now.year <= 9999  # Python itself reads no other years
        assert 1 <= abs((now - was).days) <= 400


def test_dates_without_an_end_stay_and_are_no_originals(cursor: duckdb.DuckDBPyConnection) -> None:
    ((was, now, held),) = _masked(cursor, {"kind": "shift"}, "['infinity']", "DATE", "date")
    assert now == was and held == [None]
