"""A file that is named after another one does not end beside somebody else's file of that name."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from edms_tasks.merging.declared_without_ids import Accepted
from edms_tasks.merging.files_named_after_files import named_after_files
from tests.inventory.small_project import small_project
from tests.running import run_backup, run_merge

RENAMES = {"docs/a.pdf": "docs/a_1.pdf", "docs/tar.gz": "docs/tar_1.gz"}


def found(*ownerless: str, accepted: tuple[str, ...] = ()) -> int:
    conflicts = named_after_files("media", ownerless, RENAMES, Accepted(frozenset(), accepted))
    return sum(one.count for one in conflicts)


@pytest.mark.parametrize(
    "name",
    ["docs/a.pdf.json", "docs/a.json", "docs/a.ocr.txt", "docs/a-thumb.png", "docs/a_page-1.png", "thumbs/a.png", "x/y/a.pdf.webp"],
)  # fmt: skip
def test_a_file_beside_another_or_in_a_folder_of_its_own_is_named_after_it(name: str) -> None:
    assert found(name) == 1


@pytest.mark.parametrize(
    "name", ["docs/ab.pdf", "docs/b.a.pdf", "a/readme.txt", "thumbs/a-1.png", "docs/logo.png", "tar/x"]
)
def test_other_files_are_not(name: str) -> None:
    assert found(name) == 0


def test_accepted_files_are_no_conflict() -> None:
    assert found("docs/a.json", "docs/a.txt", accepted=("media:docs/*.json",)) == 1


def test_a_merge_that_renames_a_file_stops_at_what_is_named_after_it(tmp_path: Path) -> None:
    models = """
class Document(models.Model):
    number = models.CharField(max_length=20, unique=True)
    file = models.FileField(upload_to="docs")
"""
    made = small_project(tmp_path / "edms", models, settings='MEDIA_ROOT = BASE / "media"\n')
    place = {"url": str(tmp_path / "repository"), "copies": tmp_path / "copies"}
    settings = made.model_copy(
        update={"repository": made.repository.model_copy(update=place), "workdir": tmp_path / "work"}
    )
    docs, database = tmp_path / "edms" / "media" / "docs", tmp_path / "edms" / "db.sqlite3"
    docs.mkdir(parents=True)
    for name in ("a.pdf", "a.pdf.json"):
        (docs / name).write_text(f"{name} of A")
    with closing(sqlite3.connect(database)) as lite, lite:
        lite.execute("INSERT INTO small_document VALUES (1, 'A', 'docs/a.pdf')")
    snapshot = run_backup(settings, create_repository=True).snapshot_id
    (docs / "a.pdf.json").unlink()
    (docs / "a.pdf").write_text("a.pdf of B")
    with closing(sqlite3.connect(database)) as lite, lite:
        lite.execute("UPDATE small_document SET number = 'B'")

    result = run_merge(settings, snapshot=snapshot, rename_files=True)

    assert [(one.code, one.examples) for one in result.plan.conflicts] == [
        ("file-named-after-another", ("docs/a.pdf.json",))
    ]
    assert {path.name: path.read_text() for path in docs.iterdir()} == {"a.pdf": "a.pdf of B"}
