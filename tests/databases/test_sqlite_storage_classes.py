"""The classes of a table's values are found as one would by asking value by value."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from pathlib import Path

import adbc_driver_sqlite.dbapi as adbc
import pytest

from edms_tasks.databases.sqlite.storage_classes import ClassCounts, count_classes
from edms_tasks.inventory.model import Column, Table
from edms_tasks.quoting import identifiers

_VALUES: dict[type, tuple[object, ...]] = {
    int: (0, 7, -1),
    float: (0.5, -2.25),
    str: ("", "a", "7"),
    bytes: (b"", b"a\x00"),
}
_LARGE = 2**53 + 1


def _made(path: Path, columns: dict[str, list[object]]) -> Table:
    names = identifiers(columns)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"CREATE TABLE t ({names})")
        marks = ", ".join("?" * len(columns))
        connection.executemany(f"INSERT INTO t VALUES ({marks})", zip(*columns.values(), strict=True))
        connection.commit()
    made = tuple(Column(name=name, native_type="", logical_type="other", nullable=True) for name in columns)
    return Table(id="t", schema_name=None, name="t", columns=made, primary_key=())


def _counted(path: Path, table: Table) -> tuple[int, dict[str, ClassCounts]]:
    with adbc.connect(str(path)) as connection, connection.cursor() as cursor:
        return count_classes(cursor, table)


def _one_by_one(values: list[object]) -> ClassCounts:
    numbers = [sum(type(value) is kind for value in values) for kind in (int, float, str, bytes)]
    mixed = sum(1 for number in numbers if number) > 1
    large = mixed and any(isinstance(value, int) and abs(value) > 2**53 for value in values)
    return ClassCounts(*numbers, int(large))


def test_classes_are_found_wherever_their_values_stand(tmp_path: Path) -> None:
    rows, chosen = 150, random.Random(3)
    columns: dict[str, list[object]] = {"of NULLs": [None] * rows}
    for kind, values in _VALUES.items():
        columns[f"only {kind}"] = [chosen.choice(values) for _ in range(rows)]
        columns[f"{kind} and NULLs"] = [chosen.choice((None, *values)) for _ in range(rows)]
        columns[f"{kind} after NULLs"] = [*[None] * (rows - 1), values[0]]
        for other, others in _VALUES.items():
            if other is not kind:
                columns[f"{kind}, then one {other}"] = [*[values[0]] * (rows - 1), others[0]]
    columns["large alone"] = [_LARGE] * rows
    columns["large and others"] = [0.5, -_LARGE, *[None] * (rows - 2)]
    columns['with "quotes"'] = [1] * rows
    columns["any"] = [chosen.choice((None, *sum(_VALUES.values(), ()))) for _ in range(rows)]
    path = tmp_path / "mixed.sqlite3"

    found = _counted(path, _made(path, columns))

    assert found == (rows, {name: _one_by_one(values) for name, values in columns.items()})


@pytest.mark.parametrize("rows", [0, 1])
def test_as_many_columns_as_sqlite_allows(tmp_path: Path, rows: int) -> None:
    columns: dict[str, list[object]] = {f"c{number}": [number % 2 or "x"] * rows for number in range(1999)}
    path = tmp_path / "wide.sqlite3"

    found = _counted(path, _made(path, columns))

    assert found == (rows, {name: _one_by_one(values) for name, values in columns.items()})
