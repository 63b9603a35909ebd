"""Rows that exchange unique values, or pass them on in long chains: the database compares after each row, so some step aside first."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from edms_tasks.settings import Settings
from tests.inventory.small_project import small_system
from tests.running import run_backup, run_merge

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("edms_asked_once")]

_TABLES = """
CREATE TABLE item (id integer PRIMARY KEY, name text NOT NULL UNIQUE, position integer NOT NULL UNIQUE CHECK (position >= 0));
CREATE TABLE word (id integer PRIMARY KEY, name text NOT NULL UNIQUE, word varchar(20) NOT NULL);
CREATE UNIQUE INDEX word_of ON word (lower(word));
CREATE TABLE seat (id integer PRIMARY KEY, name text NOT NULL UNIQUE, item_id integer UNIQUE REFERENCES item (id));
CREATE TABLE day (id integer PRIMARY KEY, name text NOT NULL UNIQUE, day date NOT NULL UNIQUE);
"""
_ITEMS = 70  # more than rows can go one after the other


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Settings]:
    folder = tmp_path_factory.mktemp("exchanged")
    settings = small_system(folder, "", natural_keys={table: ["name"] for table in ("item", "word", "seat", "day")})
    path = folder / "project" / "db.sqlite3"
    with closing(sqlite3.connect(path)) as lite:
        lite.executescript(_TABLES)
    return path, settings


def _fill(lite: sqlite3.Connection, shifted: int, exchanged: int) -> None:
    lite.executescript("DELETE FROM seat; DELETE FROM item; DELETE FROM word; DELETE FROM day")
    numbers = range(_ITEMS)
    lite.executemany("INSERT INTO item VALUES (?, ?, ?)", ((n, f"item {n}", (n + shifted) % _ITEMS) for n in numbers))
    lite.executemany("INSERT INTO word VALUES (?, ?, ?)", ((n, f"word {n}", f"Word {n ^ exchanged}") for n in (0, 1)))
    lite.executemany("INSERT INTO seat VALUES (?, ?, ?)", ((n, f"seat {n}", n ^ exchanged) for n in (0, 1)))
    lite.commit()


@pytest.mark.long
def test_rows_that_exchange_numbers_words_and_references_are_overwritten(system: tuple[Path, Settings]) -> None:
    path, settings = system
    with closing(sqlite3.connect(path)) as lite:
        _fill(lite, 0, 0)
        snapshot = run_backup(settings).snapshot_id
        _fill(lite, 1, 1)

        result = run_merge(settings, snapshot=snapshot)

        assert result.plan.conflicts == ()
        assert lite.execute("SELECT count(*) FROM item WHERE position = id").fetchall() == [(_ITEMS,)]
        assert lite.execute("SELECT word FROM word ORDER BY id").fetchall() == [("Word 0",), ("Word 1",)]
        assert lite.execute("SELECT item_id FROM seat ORDER BY id").fetchall() == [(0,), (1,)]


def test_exchanged_days_that_must_be_there_are_a_conflict(system: tuple[Path, Settings]) -> None:
    path, settings = system
    with closing(sqlite3.connect(path)) as lite:
        lite.executescript("INSERT INTO day VALUES (1, 'a', '2020-01-01'), (2, 'b', '2020-01-02')")
        snapshot = run_backup(settings).snapshot_id
        lite.executescript("DELETE FROM day; INSERT INTO day VALUES (1, 'a', '2020-01-02'), (2, 'b', '2020-01-01')")

        result = run_merge(settings, snapshot=snapshot, dry_run=True)

    assert [(one.code, one.model, one.count) for one in result.plan.conflicts] == [("unique", "day", 2)]
