"""Tables that the EDMS makes from others are left alone by a merge and rebuilt by the EDMS, and that is said."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from edms_tasks.errors import SettingsError
from edms_tasks.settings import DerivedSettings, Settings, settings_from
from flows.live.rebuild_derived_tables import rebuild_derived
from flows.running.run import Run
from tests.inventory.small_project import small_project
from tests.put_back import KeptFolder
from tests.running import run_backup, run_merge, run_restore

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("edms_asked_once")]

MODELS = """
class Document(models.Model):
    number = models.CharField(max_length=20, unique=True)
class Entry(models.Model):
    document_id = models.IntegerField()
    words = models.CharField(max_length=20)
"""
COMMAND = """
from django.core.management.base import BaseCommand
from small.models import Document, Entry
class Command(BaseCommand):
    def add_arguments(self, parser):
        parser.add_argument("word")
    def handle(self, *args, word, **options):
        if word == "fail": raise ValueError("no index today")
        Entry.objects.all().delete()
        for document in Document.objects.all(): Entry.objects.create(document_id=document.pk, words=f"{word} {document.number}")
"""
REBUILT = DerivedSettings(tables=("small.Entry",), rebuild=("build_index new",))


@dataclass(frozen=True)
class Indexed:
    """A snapshot, and its EDMS, in which another document has the id."""

    settings: Settings
    database: Path
    snapshot: str

    def with_derived(self, derived: DerivedSettings) -> Settings:
        return self.settings.model_copy(update={"derived": derived})

    def query(self, text: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.database)) as lite:
            return lite.execute(text).fetchall()


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Indexed, KeptFolder]:
    place = tmp_path_factory.mktemp("indexed") / "edms"
    edms = small_project(place / "project", MODELS, "Document.objects.create(number='A')")
    commands = place / "project" / "small" / "management" / "commands"
    commands.mkdir(parents=True)
    for folder in (commands, commands.parent):
        (folder / "__init__.py").touch()
    (commands / "build_index.py").write_text(COMMAND, encoding="utf-8")
    settings = settings_from(
        {
            "edms": edms.edms.model_dump(),
            "repository": {"url": str(place / "repository")},
            "workdir": str(place / "work"),
            "validate": {"django_check": False},
        },
        where=place / "edms-backup.toml",
    )
    database = place / "project" / "db.sqlite3"
    with closing(sqlite3.connect(database)) as lite:
        lite.execute("INSERT INTO small_entry (document_id, words) VALUES (1, 'old A')")
        lite.commit()
    snapshot = run_backup(settings).snapshot_id
    with closing(sqlite3.connect(database)) as lite:
        lite.execute("UPDATE small_document SET number = 'B'")
        lite.execute("UPDATE small_entry SET words = 'old B'")
        lite.commit()
    return Indexed(settings, database, snapshot), KeptFolder(place)


@pytest.fixture
def indexed(kept: tuple[Indexed, KeptFolder]) -> Indexed:
    """The snapshot and its EDMS as they were made."""
    kept[1].put_back()
    return kept[0]


def test_a_merge_and_a_restore_rebuild_derived_tables_by_the_commands_in_the_settings(indexed: Indexed) -> None:
    result = run_merge(indexed.with_derived(REBUILT), snapshot=indexed.snapshot)

    assert result.plan.conflicts == ()
    assert result.success
    assert indexed.query("SELECT document_id, words FROM small_entry ORDER BY 1") == [(1, "new B"), (2, "new A")]
    assert "Derived tables: the EDMS ran `build_index new`." in result.notes
    assert "small.Entry" not in {model.model for model in result.plan.models}

    again = run_merge(
        indexed.with_derived(DerivedSettings(tables=("small.Entry",), rebuild=("build_index again",))),
        snapshot=indexed.snapshot,
    )

    assert again.plan.writes == 0
    assert indexed.query("SELECT document_id, words FROM small_entry ORDER BY 1") == [(1, "new B"), (2, "new A")]
    assert "The merge wrote nothing, so derived tables were left as they are." in again.notes

    restored = run_restore(indexed.with_derived(REBUILT), snapshot=indexed.snapshot)

    assert "Derived tables: the EDMS ran `build_index new`." in restored.notes
    assert indexed.query("SELECT document_id, words FROM small_entry") == [(1, "new A")]


@pytest.mark.long
def test_a_failed_rebuild_is_reported_and_the_merge_stays_committed(indexed: Indexed) -> None:
    derived = DerivedSettings(tables=("small_entry",), rebuild=("build_index fail",))

    result = run_merge(indexed.with_derived(derived), snapshot=indexed.snapshot)

    assert (result.done, result.success, result.not_rebuilt) == (True, False, ("build_index fail",))
    assert any("no index today" in note for note in result.notes)
    assert indexed.query("SELECT number FROM small_document ORDER BY 1") == [("A",), ("B",)]


def test_an_edms_that_cannot_be_asked_any_more_is_a_failed_rebuild_and_no_failed_merge(tmp_path: Path) -> None:
    settings = settings_from(
        {
            "edms": {"python": str(tmp_path / "gone" / "python")},
            "repository": {"url": str(tmp_path / "repository")},
            "derived": {"rebuild": ["build_index new"]},
        },
        where=tmp_path / "edms-backup.toml",
    )
    notes: list[str] = []

    assert rebuild_derived(Run(settings), "edms", notes) == ("build_index new",)
    (note,) = notes
    assert "NOT rebuilt" in note and "interpreter cannot be run" in note


def test_a_derived_table_that_is_unknown_or_referred_to_is_refused(indexed: Indexed) -> None:
    with pytest.raises(SettingsError, match=r"no model or table 'small\.Index'"):
        run_merge(
            indexed.with_derived(DerivedSettings(tables=("small.Index",))), snapshot=indexed.snapshot, dry_run=True
        )
    with pytest.raises(SettingsError, match=r"auth\.\w+ refers to auth\.Permission"):
        run_merge(
            indexed.with_derived(DerivedSettings(tables=("auth.Permission",))), snapshot=indexed.snapshot, dry_run=True
        )


NODES = """
class Node(models.Model):   # as django-treenode has it: parents, and what is computed from them
    name = models.CharField(max_length=20, unique=True)
    parent = models.ForeignKey("self", models.CASCADE, null=True)
    above_pks = models.TextField(default="")
    above_count = models.IntegerField(default=0)
    note = models.CharField(max_length=20, null=True)
"""
UPDATE_TREE = """
from django.core.management.base import BaseCommand
from small.models import Node
class Command(BaseCommand):
    def handle(self, *args, **options):
        for node in Node.objects.all():
            above, up = [], node.parent
            while up: above.insert(0, str(up.pk)); up = up.parent
            Node.objects.filter(pk=node.pk).update(above_pks=",".join(above), above_count=len(above))
"""


@pytest.mark.long
@pytest.mark.parametrize("command", [pytest.param((), marks=pytest.mark.long), ("update_tree",)])
def test_derived_columns_are_kept_in_rows_that_stay_and_empty_in_new_ones_until_the_edms_computes_them(
    command: tuple[str, ...], tmp_path: Path
) -> None:
    edms = small_project(tmp_path / "project", NODES)
    commands = tmp_path / "project" / "small" / "management" / "commands"
    commands.mkdir(parents=True)
    for folder in (commands, commands.parent):
        (folder / "__init__.py").touch()
    (commands / "update_tree.py").write_text(UPDATE_TREE, encoding="utf-8")
    columns = ("small.Node.above_pks", "small_node.above_count")
    settings = settings_from(
        {
            "edms": edms.edms.model_dump(),
            "repository": {"url": str(tmp_path / "repository")},
            "workdir": str(tmp_path / "work"),
            "validate": {"django_check": False},
            "derived": {"columns": columns, "rebuild": command},
        },
        where=tmp_path / "edms-backup.toml",
    )
    database = tmp_path / "project" / "db.sqlite3"

    def make(*rows: tuple[object, ...]) -> None:
        with closing(sqlite3.connect(database)) as lite, lite:
            lite.execute("DELETE FROM small_node")
            lite.executemany(
                "INSERT INTO small_node (id, name, parent_id, above_pks, above_count, note) VALUES (?, ?, ?, ?, ?, ?)",
                rows,
            )

    make((1, "top", None, "", 0, "a"), (2, "both", 1, "1", 1, "new"), (3, "mine", 2, "1,2", 2, None))
    snapshot = run_backup(settings, create_repository=True).snapshot_id
    make((1, "theirs", None, "", 0, None), (2, "top", None, "", 0, "a"), (3, "both", 2, "2", 1, "old"))

    result = run_merge(settings, snapshot=snapshot)

    assert result.plan.conflicts == () and result.done
    with closing(sqlite3.connect(database)) as lite:
        found = lite.execute(
            "SELECT name, id, parent_id, above_pks, above_count, note FROM small_node ORDER BY name"
        ).fetchall()
    (mine,) = [number for name, number, *_ in found if name == "mine"]
    of_mine = ("2,3", 2) if command else ("", 0)
    assert found == [
        ("both", 3, 2, "2", 1, "new"), ("mine", mine, 3, *of_mine, None), ("theirs", 1, None, "", 0, None), ("top", 2, None, "", 0, "a"),
    ]  # fmt: skip
    assert any("small.Node: above_pks, above_count are derived" in note for note in result.notes)
    assert run_merge(settings, snapshot=snapshot, dry_run=True).plan.writes == 0


def test_a_derived_column_that_only_another_engine_has_is_a_note(indexed: Indexed) -> None:
    settings = indexed.with_derived(DerivedSettings(columns=("small.Document.nmber_vector", "small_document.tsv")))

    result = run_merge(settings, snapshot=indexed.snapshot, dry_run=True)

    notes = [note for note in result.notes if "[derived] columns" in note]
    assert ["has no column 'nmber_vector' here" in notes[0], "has no column 'tsv' here" in notes[1]] == [True, True]
    assert "Did you mean `number`?" in notes[0]


@pytest.mark.parametrize(
    ("name", "why"), [("Document.number", "part of the key"), ("Documnt.number", "no model or table 'small.Documnt'")]
)
def test_a_column_that_cannot_be_derived_is_refused(indexed: Indexed, name: str, why: str) -> None:
    settings = indexed.with_derived(DerivedSettings(columns=(f"small.{name}",)))

    with pytest.raises(SettingsError, match=why):
        run_merge(settings, snapshot=indexed.snapshot, dry_run=True)


@pytest.mark.parametrize("command", ["rebuild 'unclosed", "", "  "])
def test_a_command_that_cannot_be_run_is_refused_before_anything_is_merged(command: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"derived\.rebuild"):
        settings_from({"derived": {"rebuild": [command]}}, where=tmp_path / "edms-backup.toml")
