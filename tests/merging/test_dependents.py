"""One object with what depends on it: nullable references that protect it, files by name and by id; the rest is listed."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from edms_tasks.settings import settings_from
from tests.inventory.small_project import small_project
from tests.running import run_backup, run_merge

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("edms_asked_once")]

MODELS = """
class Author(models.Model):
    name = models.CharField(max_length=20, unique=True)
class Badge(models.Model):
    code = models.CharField(max_length=20, unique=True)
    author = models.ForeignKey(Author, models.CASCADE)
class Document(models.Model):
    number = models.CharField(max_length=20, unique=True)
    author = models.ForeignKey(Author, models.SET_NULL, null=True)
class Version(models.Model):
    code = models.CharField(max_length=20, unique=True)
    document = models.ForeignKey(Document, models.PROTECT, null=True)
    path = models.CharField(max_length=100)
    attachment = models.FileField(blank=True)
class Mention(models.Model):
    code = models.CharField(max_length=20, unique=True)
    document = models.ForeignKey(Document, models.SET_NULL, null=True)
"""
ROWS = """
for number in ("A", "B"):
    author = Author.objects.create(name=number)
    Badge.objects.create(code=f"{number}b", author=author)
    document = Document.objects.create(number=number, author=author)
    Version.objects.create(code=f"{number}1", document=document, path=f"versions/{number}1.pdf")
    Mention.objects.create(code=f"{number}m", document=document)
"""


@pytest.mark.long
def test_rows_that_cannot_exist_alone_are_merged_too_and_the_others_are_listed(tmp_path: Path) -> None:
    edms = small_project(tmp_path / "project", MODELS, ROWS, settings='MEDIA_ROOT = BASE / "media"\n')
    media, database = tmp_path / "project" / "media", tmp_path / "project" / "db.sqlite3"
    contents = {
        "versions/A1.pdf": b"a",
        "versions/B1.pdf": b"b",
        "thumbs/0000001.webp": b"1",
        "thumbs/0000002.webp": b"2",
    }
    for name, content in contents.items():
        (media / name).parent.mkdir(parents=True, exist_ok=True)
        (media / name).write_bytes(content)
    settings = settings_from(
        {
            "edms": edms.edms.model_dump(),
            "repository": {"url": str(tmp_path / "repository")},
            "workdir": str(tmp_path / "work"),
            "validate": {"django_check": False},
            "soft_references": [{"files": "media", "name": "thumbs/{pk:07}.webp", "target": "small.Document"}],
        },
        where=tmp_path / "edms-backup.toml",
    )
    snapshot = run_backup(settings).snapshot_id
    with closing(sqlite3.connect(database)) as lite:
        for table in ("small_mention", "small_version", "small_document", "small_badge", "small_author"):
            lite.execute(f"DELETE FROM {table}")
        lite.commit()
    for name in contents:
        (media / name).unlink()

    result = run_merge(settings, snapshot=snapshot, only=("small.Document:A",), with_dependents=True)

    assert result.plan.conflicts == ()
    assert {model.model: model.insert for model in result.plan.models if model.insert} == {
        "small.Author": 1,
        "small.Document": 1,
        "small.Version": 1,
    }
    assert {path.relative_to(media).as_posix() for path in media.rglob("*") if path.is_file()} == {
        "versions/A1.pdf",
        "thumbs/0000001.webp",
    }
    # What hangs on the author, who only comes because the document refers to him, is not the document's.
    assert sorted(note for note in result.notes if note.startswith("Left behind")) == [
        "Left behind: 1 rows of small.Badge that refer to what is merged (author_id) and are not in the target.",
        "Left behind: 1 rows of small.Mention that refer to what is merged (document_id) and are not in the target.",
    ]
