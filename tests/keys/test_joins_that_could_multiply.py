"""If several rows have the value that a row refers to, one of them is its target, and the row is stored once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.inventory.small_project import small_project
from tests.running import run_backup
from tests.soft.small_archive import execute, read_archive

SHELVES = (
    "CREATE TABLE shelf (name text PRIMARY KEY, room text, number integer, colour text, UNIQUE (room, number))",
    "INSERT INTO shelf VALUES ('A', 'cellar', 1, 'red'), ('B', 'cellar', 2, 'blue'), ('C', 'attic', 1, 'blue')",
)
BOXES = {
    "two columns": (
        "room text REFERENCES shelf (room), colour text REFERENCES shelf (colour)",
        {1: ["cellar", "red"], 2: ["attic", "blue"], 3: [None, "red"], 4: ["cellar", "green"]},
        {1: ["A", "A"], 2: ["C", "B"], 3: [None, "A"], 4: ["A", None]},
    ),
    "a pair of columns and one of them": (
        "room text, number integer, colour text REFERENCES shelf (colour), FOREIGN KEY (room, number) REFERENCES shelf (room, number)",
        {1: ["cellar", 2, "red"], 2: ["attic", 1, "red"], 3: ["cellar", None, "blue"], 4: ["attic", 7, None]},
        {1: ["B", "A"], 2: ["C", "A"], 3: [None, "B"], 4: [None, None]},
    ),
    "a key and another column": (
        "name text REFERENCES shelf (name), colour text REFERENCES shelf (colour)",
        {1: ["B", "red"], 2: ["C", "red"]},
        {1: ["B", "A"], 2: ["C", "A"]},
    ),
}


@pytest.mark.parametrize("name", BOXES)
def test_references_to_columns_with_equal_values_lead_to_one_row(name: str, tmp_path: Path) -> None:
    columns, boxes, led_to = BOXES[name]
    url = f"sqlite:///{tmp_path / 'archive.sqlite3'}"
    execute(
        url,
        *SHELVES,
        f"CREATE TABLE box (id integer PRIMARY KEY, {columns})",
        *((f"INSERT INTO box VALUES (?{', ?' * len(held)})", [number, *held]) for number, held in boxes.items()),
    )

    archive = read_archive(url, [], tmp_path / "work")

    references = sorted(name for name in archive.rows["box"].column_names if name.startswith("@ref:"))
    found = {one: archive.column("box", one) for one in references}
    keys = {number: [text and json.loads(text)[0] for text in held] for number, held in _by_row(found).items()}
    assert {number: sorted(held, key=str) for number, held in keys.items()} == {
        number: sorted(held, key=str) for number, held in led_to.items()
    }


def test_ids_that_differ_only_in_their_spelling_do_not_multiply_generic_references(tmp_path: Path) -> None:
    models = """
import uuid
from django.contrib.contenttypes.models import ContentType
class Paper(models.Model):
    id = models.CharField(primary_key=True, max_length=36)
class Comment(models.Model):
    content_type = models.ForeignKey(ContentType, models.CASCADE)
    object_id = models.CharField(max_length=36)
"""
    rows = """
one = uuid.uuid4()
Paper.objects.create(id=str(one)); Paper.objects.create(id=one.hex)
kind = ContentType.objects.get_for_model(Paper)
for number in range(3): Comment.objects.create(content_type=kind, object_id=str(one))
"""
    settings = small_project(tmp_path / "edms", models, rows)
    settings = settings.model_copy(
        update={
            "repository": settings.repository.model_copy(update={"url": str(tmp_path / "repository")}),
            "workdir": tmp_path / "work",
        }
    )

    made = run_backup(settings, create_repository=True)

    (comments,) = [entry for entry in made.manifest.tables if entry.table.label == "small.Comment"]
    assert comments.state.rows == 3
    assert [one.dangling for one in comments.state.references] == [0, 0]


def _by_row(found: dict[str, dict[int, str | None]]) -> dict[int, list[str | None]]:
    return {number: [held[number] for held in found.values()] for number in next(iter(found.values()))}
