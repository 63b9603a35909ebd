"""What an SQLite restore would be refused, or only the EDMS may understand, is found at the backup."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from edms_tasks.databases import DatabaseAddress, open_database
from edms_tasks.databases.protocol import RestorePreflight
from edms_tasks.structure.preflight_findings import findings_of


def foreseen(path: Path, folder: Path) -> RestorePreflight:
    folder.mkdir()
    database = open_database(DatabaseAddress.from_url(f"sqlite:///{path}"))
    with database.view(folder, 1) as view:
        view.findings()
        captured = view.capture_schema(folder / "schema")
    found = database.preflight(captured, folder, thorough=False)
    assert not (folder / "tried.sqlite3").exists()
    return found


def test_a_plain_schema_needs_nothing_from_the_edms(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "s")) as connection:
        connection.executescript(
            "CREATE TABLE t (id integer PRIMARY KEY, a text CHECK (a <> '')); CREATE VIRTUAL TABLE f USING fts5(a)"
        )
    assert foreseen(tmp_path / "s", tmp_path / "work") == RestorePreflight()


def test_a_virtual_table_of_an_unknown_module_would_refuse_the_restore(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "s", isolation_level=None)) as connection:
        connection.execute("CREATE TABLE t (id integer PRIMARY KEY)")
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            "INSERT INTO sqlite_master VALUES ('table', 'places', 'places', 0, 'CREATE VIRTUAL TABLE places USING spatialite_thing(a)')"
        )
    (finding,) = findings_of(foreseen(tmp_path / "s", tmp_path / "work"), {})
    assert (finding.code, finding.severity) == ("restore-refused", "error")
    assert "places" in f"{finding.subject} {finding.message}"
    assert "unknown module 'spatialite_thing'" in finding.message
    assert "Drop the table" in finding.fix


@pytest.mark.parametrize(
    ("table", "index", "severity"),
    [
        ("CREATE TABLE t (a text CHECK (odd(a)))", "", "warning"),
        ("CREATE TABLE t (a text, y int GENERATED ALWAYS AS (odd(a)) STORED)", "", "warning"),
        ("CREATE TABLE t (a text)", "CREATE INDEX by_odd ON t (odd(a))", "error"),
    ],
)
def test_names_that_the_edms_does_not_have_either_are_reported(
    table: str, index: str, severity: str, tmp_path: Path
) -> None:
    with closing(sqlite3.connect(tmp_path / "s")) as connection:
        connection.create_function("odd", 1, lambda text: True, deterministic=True)
        connection.executescript(f"{table}; {index}")

    found = foreseen(tmp_path / "s", tmp_path / "work")

    (needed,) = found.needs_the_edms
    assert needed.statements == tuple(filter(None, [table, index]))
    (finding,) = findings_of(found, {needed.name: "no such function: odd"})
    assert (finding.code, finding.severity) == ("unknown-to-the-edms", severity)
    assert list(findings_of(found, {})) == []
