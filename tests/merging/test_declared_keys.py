"""Keys that were declared after the snapshot was made: a merge matches by them, or refuses them by name."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from edms_tasks.errors import SettingsError
from edms_tasks.settings import Settings
from flows.merge import MergeResult
from tests.inventory.small_project import small_project
from tests.put_back import KeptFolder
from tests.running import run_backup, run_merge

pytestmark = pytest.mark.usefixtures("edms_asked_once")

MODELS = """
class Paper(models.Model):
    number = models.CharField(max_length=20)
    title = models.CharField(max_length=20)

class Note(models.Model):
    paper = models.ForeignKey(Paper, models.CASCADE)
    text = models.CharField(max_length=20)

class Folder(models.Model):
    name = models.CharField(max_length=20)
    parent = models.ForeignKey("self", models.CASCADE, null=True)
"""
# The ids of the two papers are exchanged since the backup, one has another title, and its note is gone.
REINITIALISED = """
DELETE FROM small_note;
DELETE FROM small_paper;
INSERT INTO small_paper (id, number, title) VALUES (1, 'B', 'second'), (2, 'A', 'renamed');
"""
PAPERS = {("A", "first"), ("B", "second")}


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, KeptFolder]:
    """A small EDMS whose papers have no key that its models or its database know of; backed up, then filled anew."""
    folder = tmp_path_factory.mktemp("papers") / "project"
    rows = "a = Paper.objects.create(number='A', title='first'); Paper.objects.create(number='B', title='second')\n"
    rows += "Note.objects.create(paper=a, text='of A'); Folder.objects.create(name='F')"
    settings = small_project(folder, MODELS, rows)
    run_backup(settings, create_repository=True)
    write(folder, REINITIALISED)
    return settings, KeptFolder(folder)


@pytest.fixture
def edms(kept: tuple[Settings, KeptFolder]) -> Settings:
    """The EDMS as it was made."""
    kept[1].put_back()
    return kept[0]


@pytest.fixture
def folder(kept: tuple[Settings, KeptFolder]) -> Path:
    """Where it is."""
    return kept[1].folder


@pytest.mark.long
def test_without_a_key_rows_that_differ_are_inserted_as_new(edms: Settings, folder: Path) -> None:
    assert merge(edms).success

    assert set(read(folder, "SELECT number, title FROM small_paper")) == {*PAPERS, ("A", "renamed")}


@pytest.mark.long
@pytest.mark.parametrize("given", ["in the settings", pytest.param("for the merge", marks=pytest.mark.long)])
def test_rows_are_matched_by_the_declared_key(edms: Settings, folder: Path, given: str) -> None:
    key = {"small.Paper": ("number",)}

    done = merge(declaring(edms, key)) if given == "in the settings" else merge(edms, keys=key)

    assert done.success
    assert read(folder, "SELECT id, number, title FROM small_paper ORDER BY id") == [
        (1, "B", "second"),
        (2, "A", "first"),
    ]
    assert read(folder, "SELECT p.number, n.text FROM small_note n JOIN small_paper p ON p.id = n.paper_id") == [
        ("A", "of A")
    ]
    (note,) = [note for note in done.notes if "as declared" in note]
    assert "small.Paper" in note and "number" in note
    again = merge(edms, keys=key)
    assert sum(model.insert + model.update for model in again.plan.models) == 0


@pytest.mark.long
def test_the_key_option_takes_precedence_over_the_settings(edms: Settings, folder: Path) -> None:
    settings = declaring(edms, {"small.Paper": ("number",)})

    assert merge(settings, keys={"small.Paper": ("title",)}).success

    assert set(read(folder, "SELECT number, title FROM small_paper")) == {*PAPERS, ("A", "renamed")}


@pytest.mark.long
def test_rows_that_share_the_declared_key_are_a_conflict_and_nothing_is_written(edms: Settings, folder: Path) -> None:
    write(folder, "INSERT INTO small_paper (id, number, title) VALUES (3, 'A', 'another')")
    before = read(folder, "SELECT * FROM small_paper ORDER BY id")

    done = merge(edms, keys={"small.Paper": ("number",)})

    assert [(one.code, one.model) for one in done.plan.conflicts] == [("doubled-key", "small.Paper")]
    assert read(folder, "SELECT * FROM small_paper ORDER BY id") == before


@pytest.mark.parametrize(
    ("key", "named"),
    [
        ({"small.Papers": ("number",)}, "small.Papers"),
        ({"small.Paper": ("nummer",)}, "nummer"),
        ({"small.Paper": ("title.length",)}, "title"),
        ({"small.Folder": ("name", "parent")}, "small.Folder"),  # it would need itself
    ],
)
def test_an_unusable_key_is_refused_and_named(
    edms: Settings, folder: Path, key: dict[str, tuple[str, ...]], named: str
) -> None:
    before = read(folder, "SELECT * FROM small_paper ORDER BY id")

    with pytest.raises(SettingsError) as refused:
        merge(edms, keys=key)

    assert named in str(refused.value)
    assert read(folder, "SELECT * FROM small_paper ORDER BY id") == before


def test_a_key_that_is_only_an_id_is_noted(edms: Settings) -> None:
    done = merge(edms, keys={"small.Paper": ("id",)}, dry_run=True)

    assert any("small.Paper" in note and "primary key" in note for note in done.notes)


def merge(settings: Settings, **options: Any) -> MergeResult:
    return run_merge(settings, snapshot="latest", **options)


def declaring(settings: Settings, keys: dict[str, tuple[str, ...]]) -> Settings:
    return settings.model_copy(update={"natural_keys": {model: list(fields) for model, fields in keys.items()}})


def read(folder: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(folder / "db.sqlite3")) as database:
        return database.execute(query).fetchall()


def write(folder: Path, statements: str) -> None:
    with closing(sqlite3.connect(folder / "db.sqlite3")) as database:
        database.executescript(statements)
