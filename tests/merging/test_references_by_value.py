"""References by a code, in two systems that store codes in different forms: a code that finds a row only after the merge is a conflict."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from edms_tasks.settings import Settings, settings_from
from flows.merge import MergeResult
from tests.inventory.small_project import small_project
from tests.running import run_backup, run_merge
from tests.zoo.system_database import connected

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("edms_asked_once")]

Meet = Callable[[list[str], list[str]], MergeResult]


def _meet(settings: Settings, url: str, mine: list[str], theirs: list[str]) -> MergeResult:
    def fill(statements: list[str]) -> None:
        with connected(url) as database:
            database.ignore_references()
            for statement in ("DELETE FROM trip", "DELETE FROM office", *statements):
                database.execute(statement)

    fill(mine)
    snapshot = run_backup(settings).snapshot_id
    fill(theirs)
    return run_merge(settings, snapshot=snapshot, dry_run=True)


def _settings(folder: Path, edms: Settings) -> Settings:
    return settings_from(
        {
            "edms": edms.edms.model_dump(),
            "repository": {"url": str(folder / "repository")},
            "workdir": str(folder / "work"),
            "validate": {"django_check": False},
            "natural_keys": {"office": ["name"], "trip": ["name"]},
        },
        where=folder / "edms-backup.toml",
    )


def _make(url: str, kind: str) -> None:
    with connected(url) as database:
        database.execute(
            f"CREATE TABLE office (id integer PRIMARY KEY, name varchar(9) NOT NULL UNIQUE, code {kind} UNIQUE)"
        )
        database.execute(
            f"CREATE TABLE trip (id integer PRIMARY KEY, name varchar(9) NOT NULL UNIQUE, code {kind} REFERENCES office (code))"
        )


@pytest.fixture(scope="module")
def meet(tmp_path_factory: pytest.TempPathFactory) -> Meet:
    folder = tmp_path_factory.mktemp("codes")
    settings = _settings(folder, small_project(folder / "project", ""))
    url = f"sqlite:///{folder / 'project' / 'db.sqlite3'}"
    _make(url, "integer")
    return lambda mine, theirs: _meet(settings, url, mine, theirs)


def _codes(result: MergeResult) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(one.code, one.model, one.examples) for one in result.plan.conflicts]


def test_a_number_finds_a_row_among_texts(meet: Meet) -> None:
    """SQLite: the target has a text among the codes, and the snapshot has no offices at all."""
    result = meet(
        ["INSERT INTO trip (name, code) VALUES ('t', 1)"],
        ["INSERT INTO office (name, code) VALUES ('a', 1), ('b', 'x')"],
    )

    assert _codes(result) == [("reference-by-value", "trip", ('["t"]: 1 is of no row, and then of ["a"]',))]


def test_a_number_stays_with_its_row_among_texts(meet: Meet) -> None:
    result = meet(
        ["INSERT INTO office (name, code) VALUES ('a', 1)", "INSERT INTO trip (name, code) VALUES ('t', 1)"],
        ["INSERT INTO office (name, code) VALUES ('a', 1), ('b', 'x')"],
    )

    assert _codes(result) == []
