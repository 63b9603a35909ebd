"""A column whose ids are of this or that table, by what another column holds: found in the rows that a declaration is for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.soft.small_archive import execute, read_archive

KIND = 'a "kind'


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.long)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'archive.sqlite3'}"
    database: str = request.getfixturevalue("postgres_database")
    return database


def test_conditions_on_other_columns_decide_how_a_row_is_read(url: str, tmp_path: Path) -> None:
    lite = url.startswith("sqlite")
    # SQLite keeps any class of value in any column.
    rows: list[tuple[Any, Any, Any]] = [
        (0, True, "1"),
        (3, False, "2"),
        (1, True, "[1]"),
        (1, False, "2"),
        (9, True, "1"),
        (None, True, "1"),
    ]
    rows += [("x", True, "1"), ("0", True, "9")] if lite else [(7, True, "1"), (0, True, "9")]
    execute(
        url,
        *(
            statement
            for name in ("image", "page")
            for statement in (
                f"CREATE TABLE {name} (id integer PRIMARY KEY, name text NOT NULL UNIQUE)",
                f"INSERT INTO {name} VALUES (1, '{name} 1'), (2, '{name} 2')",
            )
        ),
        f'CREATE TABLE rule (id integer PRIMARY KEY, "a ""kind" {"" if lite else "integer"}, active boolean, value text)',
        *(("INSERT INTO rule VALUES (?, ?, ?, ?)", (number, *row)) for number, row in enumerate(rows, 1)),
    )
    declared: list[dict[str, Any]] = [
        {"target": "image", "where": {KIND: [0, 3]}},
        {"target": "page", "where": {KIND: 1, "active": True}, "json": "$[*]"},
        {"target": "page", "where": {KIND: 1, "active": False}},
    ]

    archive = read_archive(url, [{"column": "rule.value"} | one for one in declared], tmp_path / "work")

    first, second, third = archive.tables["rule"].soft_references
    marks = [archive.column("rule", f"@ref:{one.name}") for one in (first, second, third)]
    found = [{n: json.loads(text) for n, text in one.items() if text is not None} for one in marks]
    assert found[0] == {1: [["image 1"]], 2: [["image 2"]], 8: [{"nowhere": "9"}]}
    assert found[1] == {3: [["page 1"]]}
    assert found[2] == {4: [["page 2"]]}
    assert archive.reference("rule", first.name).dangling == 1
    contents = archive.column("rule", "@soft:value")
    assert contents[5] == contents[6] == '["1"]'  # nobody says what these are
    assert contents[1] == '["",["image 1"],""]'
