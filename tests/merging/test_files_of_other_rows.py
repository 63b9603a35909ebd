"""No row comes to show another row's file, and the policy for a model is that for its files."""

from __future__ import annotations

import contextlib
import shutil
import socket
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from edms_tasks.databases.sqlite.merging import SqliteMerge
from edms_tasks.settings import Settings
from flows.running.stopping import Stopped
from tests.inventory.small_project import small_system
from tests.running import run_backup, run_merge

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("edms_asked_once")]

MODELS = """
class Paper(models.Model):
    number = models.CharField(max_length=20, unique=True)
    file = models.FileField(upload_to="papers", max_length=200)
class Scan(models.Model):
    number = models.CharField(max_length=20, unique=True)
    file = models.FileField(upload_to="papers", max_length=200)
"""


@dataclass(frozen=True)
class System:
    """An EDMS whose rows and files can be replaced."""

    settings: Settings
    media: Path
    database: Path

    def fill(self, rows: Mapping[str, str], files: Mapping[str, str]) -> None:
        """`rows`: "paper number" or "paper number id" -> name of its file; `files`: name -> content."""
        shutil.rmtree(self.media)
        for folder in ("papers", "thumbs"):
            (self.media / folder).mkdir(parents=True)
        for name, content in files.items():
            (self.media / name).write_text(content)
        with closing(sqlite3.connect(self.database)) as lite:
            lite.executescript("DELETE FROM small_paper; DELETE FROM small_scan")
            for row, file in rows.items():
                model, number, *own_id = row.split()
                lite.execute(
                    f"INSERT INTO small_{model} (id, number, file) VALUES (?, ?, ?)",
                    (*(own_id or [None]), number, file),
                )
            lite.commit()

    def shown(self) -> dict[str, str | None]:
        """What each row shows: the content of its file, None if it is missing."""
        found: dict[str, str | None] = {}
        with closing(sqlite3.connect(self.database)) as lite:
            for model in ("paper", "scan"):
                for number, file in lite.execute(f"SELECT number, file FROM small_{model}"):
                    path = self.media / file
                    found[f"{model} {number}"] = path.read_text() if path.exists() else None
        return found

    def thumbs(self) -> dict[str, str | None]:
        """The content of the file with each paper's id in its name, None if there is none."""
        with closing(sqlite3.connect(self.database)) as lite:
            papers = lite.execute("SELECT number, id FROM small_paper").fetchall()
        paths = {number: self.media / f"thumbs/{own_id:04}.webp" for number, own_id in papers}
        return {number: path.read_text() if path.exists() else None for number, path in paths.items()}


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> System:
    folder = tmp_path_factory.mktemp("others")
    thumbs = {"files": "media", "name": "thumbs/{pk:04}.webp", "target": "small.Paper"}
    settings = small_system(folder, MODELS, settings='MEDIA_ROOT = BASE / "media"\n', soft_references=[thumbs])
    media = folder / "project" / "media"
    media.mkdir()
    return System(settings, media, folder / "project" / "db.sqlite3")


def test_a_row_without_its_file_does_not_show_that_of_another(system: System) -> None:
    beside = {"paper url": "https://example.org/a.pdf", "paper up": "../media/papers/a.pdf", "paper long": "x" * 150}
    system.fill({"paper mine": "papers/a.pdf", **beside}, {})
    snapshot = run_backup(system.settings).snapshot_id
    system.fill({"scan theirs": "papers/a.pdf"}, {"papers/a.pdf": "theirs"})

    refused = run_merge(system.settings, snapshot=snapshot)
    renamed = run_merge(system.settings, snapshot=snapshot, rename_files=True)

    assert [(one.code, one.examples) for one in refused.plan.conflicts] == [("file-of-another-row", ("papers/a.pdf",))]
    assert "--rename-files" in refused.plan.conflicts[0].fix
    assert renamed.done
    assert {name: system.shown()[name] for name in ("paper mine", "scan theirs")} == {
        "paper mine": None,
        "scan theirs": "theirs",
    }
    assert run_merge(system.settings, snapshot=snapshot, rename_files=True, dry_run=True).plan.writes == 0


@pytest.mark.long
def test_a_row_that_has_lost_its_file_in_the_snapshot_only_keeps_it(system: System) -> None:
    system.fill({"paper both": "papers/a.pdf"}, {})
    snapshot = run_backup(system.settings).snapshot_id
    system.fill({"paper both": "papers/a.pdf"}, {"papers/a.pdf": "theirs"})

    assert run_merge(system.settings, snapshot=snapshot).plan.writes == 0
    assert system.shown() == {"paper both": "theirs"}


def test_the_policy_for_a_model_is_that_for_its_files(system: System) -> None:
    rows = {"paper both": "papers/a.pdf", "scan both": "papers/b.pdf"}
    system.fill(rows, {"papers/a.pdf": "mine", "papers/b.pdf": "mine"})
    snapshot = run_backup(system.settings).snapshot_id
    system.fill(rows, {"papers/a.pdf": "theirs", "papers/b.pdf": "theirs"})

    result = run_merge(system.settings, snapshot=snapshot, on_conflict="keep", models={"small.Paper": "overwrite"})

    assert result.done
    assert system.shown() == {"paper both": "mine", "scan both": "theirs"}


@pytest.mark.long
def test_a_file_of_rows_of_both_policies_is_a_conflict(system: System) -> None:
    rows = {"paper both": "papers/a.pdf", "scan both": "papers/a.pdf"}
    system.fill(rows, {"papers/a.pdf": "mine"})
    snapshot = run_backup(system.settings).snapshot_id
    system.fill(rows, {"papers/a.pdf": "theirs"})

    result = run_merge(system.settings, snapshot=snapshot, models={"small.Paper": "keep"})

    assert [one.code for one in result.plan.conflicts] == ["file"]
    assert system.shown() == {"paper both": "theirs", "scan both": "theirs"}


def test_a_file_with_an_id_of_no_row_does_not_become_that_of_a_row_with_the_id(system: System) -> None:
    """In the snapshot's files, and in the target's."""
    system.fill({"paper both 1": "", "paper mine 5": ""}, {"thumbs/0001.webp": "both", "thumbs/0004.webp": "of no row"})
    snapshot = run_backup(system.settings).snapshot_id
    system.fill({"paper both 2": "", "paper theirs 4": ""}, {"thumbs/0002.webp": "both", "thumbs/0005.webp": "stray"})

    result = run_merge(system.settings, snapshot=snapshot)

    assert result.done
    assert system.thumbs() == {"both": "both", "theirs": None, "mine": None}
    kept = {path.read_text() for path in (system.media / "thumbs").iterdir()}
    assert kept == {"both", "of no row", "stray"}
    assert run_merge(system.settings, snapshot=snapshot, dry_run=True).plan.writes == 0


@pytest.mark.long
def test_stray_files_under_a_declared_name_need_no_declaration(system: System) -> None:
    """Their ids are no paper's, but scans have the same ids and get others."""
    numbers = range(3, 9)
    system.fill({f"scan mine{n} {n}": "" for n in numbers}, {f"thumbs/{n:04}.webp": f"stray {n}" for n in numbers})
    snapshot = run_backup(system.settings).snapshot_id
    system.fill({f"scan theirs{n} {n}": "" for n in numbers} | {"paper theirs 3": ""}, {})

    result = run_merge(system.settings, snapshot=snapshot)

    assert result.plan.conflicts == ()
    assert result.done
    assert system.thumbs() == {"theirs": None}
    assert {path.read_text() for path in (system.media / "thumbs").iterdir()} == {f"stray {n}" for n in numbers}
    assert run_merge(system.settings, snapshot=snapshot, dry_run=True).plan.writes == 0


@pytest.mark.long
def test_a_deleted_row_gets_its_id_back_although_its_file_is_still_there(system: System) -> None:
    system.fill({"paper both 1": "", "paper mine 5": ""}, {"thumbs/0005.webp": "mine"})
    snapshot = run_backup(system.settings).snapshot_id
    system.fill({"paper both 1": ""}, {"thumbs/0005.webp": "mine"})

    result = run_merge(system.settings, snapshot=snapshot)

    assert result.done
    assert system.thumbs() == {"both": None, "mine": "mine"}


@pytest.mark.long
def test_a_folder_or_a_socket_in_place_of_a_file_is_a_conflict(system: System) -> None:
    names = {"paper one": "papers/a.pdf", "paper two": "papers/b.pdf"}
    system.fill(names, {"papers/a.pdf": "one", "papers/b.pdf": "two"})
    snapshot = run_backup(system.settings).snapshot_id
    system.fill({}, {})
    (system.media / "papers" / "a.pdf").mkdir()
    with socket.socket(socket.AF_UNIX) as other, contextlib.chdir(system.media / "papers"):
        other.bind("b.pdf")

    refused = run_merge(system.settings, snapshot=snapshot, dry_run=True)
    renamed = run_merge(system.settings, snapshot=snapshot, rename_files=True)

    assert [(one.code, one.examples) for one in refused.plan.conflicts] == [("file", ("papers/a.pdf", "papers/b.pdf"))]
    assert renamed.done
    assert system.shown() == {"paper one": "one", "paper two": "two"}


def test_a_signal_right_after_the_commit_does_not_take_the_files_back(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rows are committed then: without their files, the merge would have lost these."""
    system.fill({"paper mine": "papers/a.pdf"}, {"papers/a.pdf": "mine"})
    snapshot = run_backup(system.settings).snapshot_id
    system.fill({}, {})
    execute = SqliteMerge.execute

    def stopped_behind(merge: SqliteMerge, statement: str) -> None:
        execute(merge, statement)
        if statement == "COMMIT":
            raise Stopped(15)

    monkeypatch.setattr(SqliteMerge, "execute", stopped_behind)
    with pytest.raises(Stopped):
        run_merge(system.settings, snapshot=snapshot)

    assert system.shown() == {"paper mine": "mine"}
