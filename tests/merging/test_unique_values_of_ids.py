"""Unique columns that the database computes from ids and references: they change with these, so rows of two systems need not collide."""

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
CREATE TABLE doc (
    id integer PRIMARY KEY, name text NOT NULL UNIQUE, label text AS ('D' || id) STORED UNIQUE,
    padded text AS (char(48) || id) STORED UNIQUE
);
CREATE TABLE own (
    id integer PRIMARY KEY, name text NOT NULL UNIQUE, doc_id integer REFERENCES doc (id), part text, place text AS (part || doc_id) STORED
);
CREATE TABLE leaf (volume integer, number integer, name text NOT NULL UNIQUE, PRIMARY KEY (volume, number));
CREATE UNIQUE INDEX own_place ON own (place);
"""


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Settings]:
    folder = tmp_path_factory.mktemp("computed")
    settings = small_system(folder, "", natural_keys={"doc": ["name"], "own": ["name"], "leaf": ["name"]})
    path = folder / "project" / "db.sqlite3"
    with closing(sqlite3.connect(path)) as lite:
        lite.executescript(_TABLES)
    return path, settings


def _fill(path: Path, docs: dict[str, int], owns: list[tuple[str, str, str]]) -> None:
    """`docs`: name -> id; `owns`: name, name of a document, part."""
    with closing(sqlite3.connect(path)) as lite:
        lite.executescript("DELETE FROM own; DELETE FROM doc")
        lite.executemany("INSERT INTO doc (name, id) VALUES (?, ?)", docs.items())
        lite.executemany(
            "INSERT INTO own (name, doc_id, part) SELECT ?1, id, ?3 FROM doc WHERE name = ?2",
            owns,
        )
        lite.commit()


@pytest.mark.long
def test_rows_under_new_ids_do_not_collide_by_values_of_the_old_ones(system: tuple[Path, Settings]) -> None:
    path, settings = system
    _fill(path, {"both": 1, "mine": 2}, [("a", "mine", "k"), ("b", "both", "k")])
    snapshot = run_backup(settings).snapshot_id
    _fill(path, {"both": 1, "theirs": 2}, [("c", "theirs", "k")])

    result = run_merge(settings, snapshot=snapshot)

    assert result.plan.conflicts == ()
    with closing(sqlite3.connect(path)) as lite:
        docs = lite.execute("SELECT name, label, padded FROM doc ORDER BY name").fetchall()
        owns = lite.execute(
            "SELECT o.name, d.name, o.place = o.part || d.id FROM own o JOIN doc d ON d.id = o.doc_id ORDER BY 1"
        ).fetchall()
    assert docs == [("both", "D1", "01"), ("mine", "D3", "03"), ("theirs", "D2", "02")]
    assert owns == [("a", "mine", 1), ("b", "both", 1), ("c", "theirs", 1)]
    assert run_merge(settings, snapshot=snapshot, dry_run=True).plan.writes == 0
    # DuckDB has no such function.
    said = [note for note in result.plan.notes if "shows only when they are written" in note]
    assert len(said) == 1
    assert "padded" in said[0]


def test_rows_that_collide_only_by_their_new_references_are_a_conflict(system: tuple[Path, Settings]) -> None:
    path, settings = system
    _fill(path, {"both": 1, "other": 2}, [("a", "both", "k")])
    snapshot = run_backup(settings).snapshot_id
    _fill(path, {"both": 7, "other": 2}, [("c", "both", "k")])

    result = run_merge(settings, snapshot=snapshot, dry_run=True)

    assert [(one.code, one.model, one.examples) for one in result.plan.conflicts] == [
        ("unique", "own", ('["a"] and ["c"]: k7',))
    ]


def test_a_taken_primary_key_of_several_columns_is_a_conflict_of_the_plan(system: tuple[Path, Settings]) -> None:
    """It is no number that could be replaced by another."""
    path, settings = system
    with closing(sqlite3.connect(path)) as lite:
        lite.executescript("INSERT INTO leaf VALUES (1, 1, 'mine')")
        snapshot = run_backup(settings).snapshot_id
        lite.executescript("UPDATE leaf SET name = 'theirs'")

        result = run_merge(settings, snapshot=snapshot, dry_run=True)
        lite.executescript("DELETE FROM leaf")

    assert [(one.code, one.model, one.examples) for one in result.plan.conflicts] == [
        ("unique", "leaf", ('["mine"] and ["theirs"]: 1, 1',))
    ]
