"""What the doctor suspects it says how to declare; what is declared it checks, and suspects no more."""

from __future__ import annotations

import sqlite3
import tomllib
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from edms_tasks.doctor import Diagnosis
from edms_tasks.settings import settings_from
from tests.doctor.conftest import Ailing
from tests.inventory.small_project import small_project
from tests.running import run_doctor

SUSPECTED = {"carries", "case_ref", "document_id", "payload", "state", "watched"}


@pytest.fixture(scope="module")
def declared(ailing: Ailing, tmp_path_factory: pytest.TempPathFactory) -> Diagnosis:
    """What is said once everything that the doctor prints for soft references stands in the settings."""
    folder = tmp_path_factory.mktemp("declared")
    printed = tomllib.loads(ailing.examined.settings)["soft_references"]
    given = {"edms": ailing.settings.edms.model_dump(), "workdir": str(folder / "work"), "soft_references": printed}
    return run_doctor(settings_from(given, where=folder / "edms-backup.toml")).diagnosis


def test_each_fix_ends_in_the_section_that_declares_it(ailing: Ailing) -> None:
    printed = tomllib.loads(ailing.examined.settings)["soft_references"]
    said: list[dict[str, Any]] = []

    for one in ailing.examined.diagnosis.assessments:
        if one.code in ("soft-reference", "generic-look-alike"):
            said += tomllib.loads(one.fix[one.fix.index("[[soft_references]]") :])["soft_references"]

    assert sorted(map(str, said)) == sorted(map(str, printed))
    assert {entry.get("column", "").removeprefix("small.Slip.") for entry in printed} == SUSPECTED | {""}
    assert {"column": "small.Slip.payload", "target": "small.Case", "json": "$.cases.*~"} in printed
    assert {"column": "small.Slip.watched", "target": "small.Document", "separator": ","} in printed


@pytest.mark.long  # of what doctor wrote itself, in test_writing
def test_declared_references_are_not_suspected_again(declared: Diagnosis) -> None:
    assert {
        one.subject for one in declared.assessments if one.code in ("soft-reference", "generic-look-alike")
    } == set()


def test_declared_references_are_checked_on_all_rows(declared: Diagnosis, ailing: Ailing) -> None:
    assessed = {one.subject: one for one in declared.assessments if one.code == "dangling-reference"}
    with closing(sqlite3.connect(ailing.folder / "db.sqlite3")) as connection:
        ((no_document,),) = connection.execute(
            "SELECT count(*) FROM small_slip WHERE document_id NOT IN (SELECT id FROM small_document)"
        ).fetchall()
        ((no_case,),) = connection.execute(
            "SELECT count(*) FROM small_slip WHERE replace(case_ref, '-', '') NOT IN (SELECT id FROM small_case)"
        ).fetchall()

    assert {subject: one.count for subject, one in assessed.items() if subject.startswith("small.Slip.")} == {
        "small.Slip.document_id": no_document,
        "small.Slip.case_ref": no_case,
    }
    assert assessed["small.Slip.case_ref"].examples == ("none",)
    assert assessed["small.Log.content_type + object_id"].examples == ("small.document 4",)


def test_ids_in_json_are_checked_where_they_are_declared_and_otherwise_suspected(tmp_path: Path) -> None:
    project = small_project(
        tmp_path / "project",
        """
class Thing(models.Model): pass
class Note(models.Model):
    held = models.JSONField()
    text = models.TextField(blank=True)
""",
        """
Thing.objects.bulk_create(Thing(id=n * 3) for n in range(1, 101))
Note.objects.bulk_create(Note(held={"thing_ids": [n * 3], "others": {"thing_id": n * 3}}) for n in range(1, 51))
Note.objects.create(held={"thing_ids": [4, 5]}, text="{")
""",
    )
    given = {
        "edms": project.edms.model_dump(),
        "workdir": str(tmp_path / "work"),
        "soft_references": [
            {"column": "small.Note.held", "target": "small.Thing", "json": "$.thing_ids[*]"},
            {"column": "small.Note.text", "target": "small.Thing", "json": "$.a"},
        ],
        "validate": {"sensitive": ["small.Note.held"]},
    }

    diagnosis = run_doctor(settings_from(given, where=tmp_path / "edms-backup.toml")).diagnosis

    said = {(one.code, one.subject): one for one in diagnosis.assessments if one.code != "no-natural-key"}
    assert set(said) == {
        ("dangling-reference", "small.Note.held $.thing_ids[*]"),
        ("soft-reference", "small.Note.held"),
        ("soft-reference-unreadable", "small.Note.text"),
    }
    assert "$.others.thing_id" in said["soft-reference", "small.Note.held"].message
    # The values of a sensitive column are in no example, ids among them.
    assert said["dangling-reference", "small.Note.held $.thing_ids[*]"].examples == ()
    assert said["soft-reference-unreadable", "small.Note.text"].count == 1


def test_files_without_a_row_are_reported(tmp_path: Path) -> None:
    project = small_project(
        tmp_path / "project",
        "class Thing(models.Model):\n    file = models.FileField(blank=True)\n",
        """
import pathlib
from django.conf import settings
Thing.objects.bulk_create(Thing(id=n) for n in (1, 12))
folder = pathlib.Path(settings.MEDIA_ROOT) / "thumbnails"
folder.mkdir(parents=True)
for name in ("1.webp", "12.webp", "13.webp", "013.webp", "12.png"): (folder / name).write_bytes(b"x")
""",
        settings='MEDIA_ROOT = BASE / "media"\n',
    )
    given = {
        "edms": project.edms.model_dump(),
        "workdir": str(tmp_path / "work"),
        "soft_references": [{"files": "media", "name": "thumbnails/{pk}.webp", "target": "small.Thing"}],
    }

    diagnosis = run_doctor(settings_from(given, where=tmp_path / "edms-backup.toml")).diagnosis

    (said,) = [one for one in diagnosis.assessments if one.code == "file-of-no-row"]
    assert (said.subject, said.count) == ("files of media: thumbnails/{pk}.webp", 1)
    assert said.examples == ("thumbnails/13.webp",)
