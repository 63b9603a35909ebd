"""Two systems have a file of one name: neither loses its own."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from edms_tasks.settings import Settings
from tests.inventory.small_project import small_project, small_system
from tests.running import run_backup, run_merge

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("edms_asked_once")]

MODELS = """
class Sheet(models.Model):
    path = models.CharField(max_length=100)
class Paper(models.Model):
    number = models.CharField(max_length=20, unique=True)
    file = models.FileField(upload_to="papers", max_length=22)
"""
ROWS = (
    "Paper.objects.create(number='mine', file='papers/a.pdf'); Paper.objects.create(number='both', file='papers/b.pdf')"
)


@dataclass(frozen=True)
class Two:
    """A snapshot, and its EDMS, in which another paper has the file's name by now."""

    settings: Settings
    media: Path
    database: Path
    snapshot: str

    def papers(self) -> dict[str, tuple[str, bytes]]:
        with closing(sqlite3.connect(self.database)) as lite:
            found = lite.execute("SELECT number, file FROM small_paper").fetchall()
        return {number: (file, (self.media / file).read_bytes()) for number, file in found}


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Two:
    folder = tmp_path_factory.mktemp("two")
    settings = small_system(folder, MODELS, ROWS, settings='MEDIA_ROOT = BASE / "media"\n')
    media, database = folder / "project" / "media", folder / "project" / "db.sqlite3"
    (media / "papers").mkdir(parents=True)
    (media / "papers" / "a.pdf").write_bytes(b"mine")
    (media / "papers" / "b.pdf").write_bytes(b"of both, as the snapshot has it")
    snapshot = run_backup(settings).snapshot_id
    with closing(sqlite3.connect(database)) as lite:
        lite.execute("UPDATE small_paper SET number = 'theirs' WHERE number = 'mine'")
        lite.commit()
    (media / "papers" / "a.pdf").write_bytes(b"theirs")
    (media / "papers" / "a_1.pdf").write_bytes(b"somebody's")
    (media / "papers" / "b.pdf").write_bytes(b"of both, as the target has it")
    return Two(settings, media, database, snapshot)


def test_two_files_of_one_name_are_a_conflict_whose_fix_names_the_option(two: Two) -> None:
    result = run_merge(two.settings, snapshot=two.snapshot, dry_run=True)

    (conflict,) = result.plan.conflicts
    assert (conflict.code, conflict.count, conflict.examples) == ("file", 1, ("papers/a.pdf",))
    assert "--rename-files" in conflict.fix


def test_a_file_that_the_target_has_lost_is_not_replaced_by_another_of_its_name(two: Two, tmp_path: Path) -> None:
    lost = two.media / "papers" / "a.pdf"
    lost.rename(tmp_path / "a.pdf")

    result = run_merge(two.settings, snapshot=two.snapshot, dry_run=True)

    (tmp_path / "a.pdf").rename(lost)
    assert [(one.code, one.examples) for one in result.plan.conflicts] == [("file", ("papers/a.pdf",))]


def test_the_policy_keep_does_not_drop_the_file_of_a_new_row(two: Two) -> None:
    with closing(sqlite3.connect(two.database)) as lite:
        lite.execute("UPDATE small_paper SET file = 'papers/b.pdf' WHERE number = 'theirs'")
        lite.commit()

    result = run_merge(two.settings, snapshot=two.snapshot, on_conflict="keep", dry_run=True)

    with closing(sqlite3.connect(two.database)) as lite:
        lite.execute("UPDATE small_paper SET file = 'papers/a.pdf' WHERE number = 'theirs'")
        lite.commit()
    assert "papers/a.pdf" in [name for one in result.plan.conflicts if one.code == "file" for name in one.examples]


@pytest.mark.long
@pytest.mark.parametrize(
    "spelled",
    [
        '["a", "papers/b.pdf"]',
        "x\\papers\\b.pdf",
        *(pytest.param(one, marks=pytest.mark.long) for one in ("media/papers/b.pdf", "/elsewhere/papers/b.pdf")),
    ],
)
def test_a_file_that_only_the_target_mentions_in_another_spelling_is_not_replaced(two: Two, spelled: str) -> None:
    with closing(sqlite3.connect(two.database)) as lite:
        lite.execute("INSERT INTO small_sheet (path) VALUES (?)", (spelled,))
        lite.commit()

    result = run_merge(two.settings, snapshot=two.snapshot, dry_run=True)

    only_a_log = run_merge(two.settings, snapshot=two.snapshot, dry_run=True, not_references=("media:papers/b.*",))

    with closing(sqlite3.connect(two.database)) as lite:
        lite.execute("DELETE FROM small_sheet")
        lite.commit()
    assert "papers/b.pdf" in [name for one in result.plan.conflicts if one.code == "file" for name in one.examples]
    assert [one.examples for one in only_a_log.plan.conflicts if one.code == "file"] == [("papers/a.pdf",)]


@pytest.mark.long  # of objects in a store, in test_files_in_a_store
def test_with_rename_files_both_files_are_kept_and_a_second_merge_writes_nothing(two: Two) -> None:
    result = run_merge(two.settings, snapshot=two.snapshot, rename_files=True)

    assert result.plan.conflicts == ()
    assert two.papers() == {
        "mine": ("papers/a_2.pdf", b"mine"),
        "theirs": ("papers/a.pdf", b"theirs"),
        "both": ("papers/b.pdf", b"of both, as the snapshot has it"),
    }
    assert (two.media / "papers" / "a_1.pdf").read_bytes() == b"somebody's"
    assert run_merge(two.settings, snapshot=two.snapshot, rename_files=True, dry_run=True).plan.writes == 0


def test_without_rename_files_the_conflict_remains_and_nothing_is_written(two: Two) -> None:
    result = run_merge(two.settings, snapshot=two.snapshot)

    assert [one.code for one in result.plan.conflicts] == ["file"]
    assert not result.done


def test_a_snapshot_of_a_missing_folder_is_merged(tmp_path: Path) -> None:
    edms = small_project(tmp_path / "project", MODELS, ROWS, settings='MEDIA_ROOT = BASE / "media"\n')
    settings = edms.model_copy(
        update={
            "repository": edms.repository.model_copy(update={"url": str(tmp_path / "repository")}),
            "workdir": tmp_path / "work",
        }
    )
    snapshot = run_backup(settings, create_repository=True).snapshot_id
    (tmp_path / "project" / "media" / "papers").mkdir(parents=True)
    (tmp_path / "project" / "media" / "papers" / "new.pdf").write_bytes(b"of the target")

    planned = run_merge(settings, snapshot=snapshot, dry_run=True)

    assert not planned.plan.conflicts
