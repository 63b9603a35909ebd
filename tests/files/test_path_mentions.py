"""What is collected from columns: each value once, with the number of its rows, however long it is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from edms_tasks.files.path_mentions import MENTIONED, collect_mentions
from edms_tasks.inventory.model import Column, Table
from edms_tasks.scratch.raw_table import RawTable, write_raw
from edms_tasks.scratch.workspace import open_workspace


@pytest.fixture
def cursor(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A cursor of an empty workspace."""
    with open_workspace(tmp_path / "workspace", memory_limit_mb=64, threads=1) as workspace, workspace.cursor() as one:
        yield one


def _mentioned(
    cursor: duckdb.DuckDBPyConnection, folder: Path, *columns: list[str | None]
) -> dict[tuple[str, str], int]:
    """(form, value) -> rows, of tables of one column each."""
    chosen, raws = [], {}
    for number, values in enumerate(columns):
        name = f"t{number}"
        text = Column(name="c", native_type="text", logical_type="text", nullable=True, generated=False)
        table = Table(id=name, schema_name=None, name=name, columns=(text,), primary_key=())
        path = folder / f"{name}.parquet"
        write_raw(pa.table({"c": pa.array(values, pa.string())}), path)
        raws[name] = RawTable(name, len(values), {"c": "native"}, (path,))
        chosen.append((table, "c"))
    collect_mentions(cursor, chosen, raws, ())
    found = cursor.execute(f"SELECT form, value, sum(rows) FROM {MENTIONED} GROUP BY ALL").fetchall()
    return {(form, value): int(rows) for form, value, rows in found}


def test_a_value_counts_as_often_as_rows_have_it(cursor: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    values = ["a/b.pdf", "a/b.pdf", None, "", "word", "x.pdf, y.pdf", "x.pdf, y.pdf", "a/b.pdf"]

    found = _mentioned(cursor, tmp_path, values)

    assert found["plain", "a/b.pdf"] == 3
    assert found["list", "x.pdf"] == found["list", "y.pdf"] == found["whole", "x.pdf, y.pdf"] == 2
    assert not {value for _, value in found} & {"", "word"}


def test_long_values_are_read_wherever_they_stand(cursor: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    document = json.dumps({"text": "x" * 5_000, "file": "in/json.pdf"})
    listed = ", ".join(f"scans/{number}.tif" for number in range(500))
    prose = "A sentence of words. " * 400

    found = _mentioned(cursor, tmp_path, [document, document, listed, prose, "in/json.pdf"], [document, None])

    assert found["json", "in/json.pdf"] == 3
    assert found["plain", "in/json.pdf"] == 1
    assert all(found["list", f"scans/{number}.tif"] == 1 for number in range(500))
    assert len(found) == 502
