"""Random rows and random edits: what is reported is what two plain dictionaries differ in, neither more nor less."""

from __future__ import annotations

import sqlite3
import tempfile
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from edms_tasks.comparing.comparison_result import TableDifference
from edms_tasks.inventory.model import NaturalKey
from tests.comparing.django_rows import Counts
from tests.comparing.two_databases import compare

_SCHEMA = """
CREATE TABLE person (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, age INTEGER, boss_id INTEGER REFERENCES person (id)
);
CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT, person_id INTEGER REFERENCES person (id));
"""
_COLUMNS = {"person": ("id", "name", "age", "boss_id"), "note": ("id", "text", "person_id")}
KEYS = {"person": NaturalKey(source="settings", paths=(("name",),)), "note": None}

Rows = dict[str, list[tuple[Any, ...]]]

names = st.sampled_from(["Ada", "Bo", "bo", "Çelik", "", "a b", '"q"'])
# A column of any affinity may hold anything in SQLite; a number and a text with its digits are not the same.
ages: st.SearchStrategy[Any] = st.sampled_from([None, 0, 1, -1, 2**53 + 1, 2**53, 0.5, "x", "", b"1", b"\x00"])
texts: st.SearchStrategy[Any] = st.sampled_from([None, "", "a", "b", "NULL", "1", b"a"])


@st.composite
def filled(draw: st.DrawFn) -> dict[str, list[tuple[Any, ...]]]:
    """Rows of both tables; ids are few, so that two fillings often have the same."""
    chosen = draw(st.lists(names, max_size=5, unique=True))
    ids = draw(st.lists(st.integers(1, 8), min_size=len(chosen), max_size=len(chosen), unique=True))
    someone = st.sampled_from([None, *ids])
    people = [(one, name, draw(ages), draw(someone)) for one, name in zip(ids, chosen, strict=True)]
    numbers = draw(st.lists(st.integers(1, 8), max_size=6, unique=True))
    return {"person": people, "note": [(number, draw(texts), draw(someone)) for number in numbers]}


GENERATED = settings(
    max_examples=8, phases=[Phase.generate], suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@GENERATED
@given(before=filled(), after=filled())
def test_reported_differences_are_the_real_ones(before: Rows, after: Rows) -> None:
    what_is_reported_is_what_differs(before, after)


@pytest.mark.long
@settings(GENERATED, max_examples=100)
@given(before=filled(), after=filled())
def test_reported_differences_of_many_edits_are_the_real_ones(before: Rows, after: Rows) -> None:
    what_is_reported_is_what_differs(before, after)


def what_is_reported_is_what_differs(before: Rows, after: Rows) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        made = [database(folder / name, rows) for name, rows in (("first", before), ("second", after))]
        found = compare(folder, [f"sqlite:///{path}" for path in made], KEYS)
        old, new = map(held, made)

    expected, other_ids = people(old, new)
    assert counts(found["person"]) == expected
    assert found["person"].other_ids == other_ids
    expected, other_ids = notes(old, new)
    assert counts(found["note"]) == expected
    assert found["note"].other_ids == other_ids
    for table in found.values():
        assert table.same + table.changed + table.other_ids + table.removed == table.first_rows
        assert table.same + table.changed + table.other_ids + table.added == table.second_rows


def database(path: Path, rows: dict[str, list[tuple[Any, ...]]]) -> Path:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(_SCHEMA)
        for table, values in rows.items():
            marks = ", ".join("?" * len(_COLUMNS[table]))
            connection.executemany(f"INSERT INTO {table} VALUES ({marks})", values)
    return path


def held(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """What a database holds after SQLite gave each value the class that its column prefers."""
    with closing(sqlite3.connect(path)) as connection:
        return {table: connection.execute(f"SELECT * FROM {table}").fetchall() for table in KEYS}


def counts(table: TableDifference) -> Counts:
    return Counts(table.added, table.removed, table.changed, table.columns)


def people(before: Rows, after: Rows) -> tuple[Counts, int]:
    was, now = ({row[1]: row for row in rows["person"]} for rows in (before, after))
    called = [{row[0]: row[1] for row in rows["person"]} for rows in (before, after)]
    changed, other_ids = [], 0
    for name in was.keys() & now.keys():
        old, new = (
            {"age": exactly(row[2]), "boss_id": names_by_id.get(row[3])}
            for row, names_by_id in zip((was[name], now[name]), called, strict=True)
        )
        differing = [column for column in old if old[column] != new[column]]
        changed += [differing] if differing else []
        other_ids += not differing and (was[name][0], was[name][3]) != (now[name][0], now[name][3])
    columns = Counter(column for row in changed for column in row)
    return Counts(len(now.keys() - was.keys()), len(was.keys() - now.keys()), len(changed), dict(columns)), other_ids


def notes(before: Rows, after: Rows) -> tuple[Counts, int]:
    """Nothing names a note: one that holds the same, id and all, is the same row; of the others, what they say counts."""
    called = [{row[0]: row[1] for row in rows["person"]} for rows in (before, after)]

    def said(rows: Rows, names_by_id: dict[int, str]) -> dict[tuple[Any, ...], tuple[Any, ...]]:
        return {
            (one, exactly(text), person): (exactly(text), names_by_id.get(person)) for one, text, person in rows["note"]
        }

    was, now = said(before, called[0]), said(after, called[1])
    changed = [one for one in was.keys() & now.keys() if was[one] != now[one]]
    left = [Counter(one[row] for row in one.keys() - other.keys()) for one, other in ((was, now), (now, was))]
    elsewhere = (left[0] & left[1]).total()
    columns = {"person_id": len(changed)} if changed else {}
    return Counts((left[1] - left[0]).total(), (left[0] - left[1]).total(), len(changed), columns), elsewhere


def exactly(value: object) -> tuple[str, object]:
    return type(value).__name__, value
