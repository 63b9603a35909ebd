"""docs/architecture.md's table of changes: its files are there, its rooms are theirs, and no change is spread over the house."""

from __future__ import annotations

import ast
import re
from pathlib import PurePosixPath

import pytest

from edms_tasks.undeclared.ids_in_texts import FORMS
from tests import house

MOST_ROOMS = 4


def _changes() -> dict[str, tuple[str, set[str]]]:
    """Change -> what its row says of files, and the rooms it names."""
    section = house.PAGE.read_text(encoding="utf-8").partition("## Where a change goes\n")[2].partition("\n## ")[0]
    rows = [line.strip("|").split(" | ") for line in section.splitlines() if line.startswith("| ")][1:]
    return {row[0].strip(): (row[1], set(row[2].strip(" |").split(", "))) for row in rows}


CHANGES = _changes()


def test_the_table_has_the_changes_that_are_asked_about_most() -> None:
    asked = (
        "engine",
        "command",
        "expectation",
        "finding",
        "soft references",
        "parameter",
        "backend",
        "encryption",
        "hash",
        "chunk",
    )

    assert [word for word in asked if not any(word in change for change in CHANGES)] == []


@pytest.mark.parametrize("change", CHANGES)
def test_the_files_that_a_change_touches_are_there(change: str) -> None:
    files, _ = CHANGES[change]

    missing = [path for path in _paths(files) if not list(house.ROOT.glob(re.sub("<[a-z]+>", "*", path)))]

    assert _paths(files)
    assert not missing


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_touches_the_rooms_that_are_named_and_four_at_most(change: str) -> None:
    files, rooms = CHANGES[change]
    # "the code that uses it" is in one room more.
    elsewhere = {"one more"} if "the code that" in files else set()

    assert {_room(path) for path in _paths(files)} | elsewhere == rooms
    assert len(rooms) <= MOST_ROOMS


def test_forms_of_soft_references_are_told_apart_in_their_rooms_alone() -> None:
    # Not "value": that is a plain column, of which every room knows.
    forms = {"list", "pattern", "tag", "json", "copy"} | {form.name for form in FORMS}
    rooms = CHANGES["add a form of soft references"][1]

    elsewhere = [
        f"{path}:{node.lineno}"
        for path in house.sources()
        if _room(path.relative_to(house.ROOT).as_posix()) not in rooms
        for node in house.nodes(path)
        if isinstance(node, ast.Compare)
        and isinstance(node.left, ast.Attribute)
        and node.left.attr == "form"
        and any(isinstance(one, ast.Constant) and one.value in forms for one in ast.walk(node))
    ]

    assert not elsewhere


def _paths(files: str) -> list[str]:
    return [path.rstrip("/") for path in re.findall(r"`([^`\s]+/[^`\s]*)`", files)]


def _room(path: str) -> str:
    if path.startswith(house.PACKAGES):
        room = house.room_of(".".join(PurePosixPath(path).with_suffix("").parts).removesuffix(".__init__"))
        return re.split(r": |/", room)[-1]
    return PurePosixPath(path).parts[0]
