"""Sides that store a column differently are brought into one form, once: a side that has it already is not written again."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from edms_tasks.identifying.common_form import in_one_form
from edms_tasks.inventory.model import Column, Table
from edms_tasks.scratch.raw_table import RawTable, write_raw
from edms_tasks.scratch.workspace import open_workspace

_TABLE = Table(
    id="users",
    schema_name=None,
    name="users",
    columns=tuple(
        Column(name=name, native_type="integer", logical_type="integer", nullable=True, generated=False)
        for name in ("id", "manager")
    ),
    primary_key=("id",),
)


def test_a_third_side_leaves_the_two_that_have_the_form_alone(tmp_path: Path) -> None:
    """As in a merge: snapshot and target first, then the merged rows beside both."""
    managers = {
        "snapshot": pa.array([None, 1], pa.int64()),
        "target": pa.array([None, None], pa.string()),  # without a value it is read as another type
        "merged": pa.array([None, 1], pa.int64()),
    }
    raws = {name: _raw(tmp_path / f"{name}.parquet", column) for name, column in managers.items()}

    with (
        open_workspace(tmp_path / "workspace", memory_limit_mb=100, threads=1) as workspace,
        workspace.cursor() as cursor,
    ):
        two = in_one_form(cursor, _TABLE, {name: raws[name] for name in ("snapshot", "target")}, tmp_path / "two")
        three = in_one_form(cursor, _TABLE, {"merged": raws["merged"], **two}, tmp_path / "three")

    assert {raw.encodings["manager"] for raw in three.values()} == {"tagged"}
    assert (three["snapshot"], three["target"]) == (two["snapshot"], two["target"])
    assert _rows(three["merged"]) == _rows(three["snapshot"])
    assert _rows(three["merged"]) != _rows(raws["merged"])


def _raw(path: Path, managers: pa.Array) -> RawTable:
    write_raw(pa.table({"id": pa.array([1, 2], pa.int64()), "manager": managers}), path)
    return RawTable("users", 2, {"id": "native", "manager": "native"}, (path,))


def _rows(raw: RawTable) -> list[dict[str, object]]:
    (path,) = raw.files
    return pq.read_table(path).to_pylist()
