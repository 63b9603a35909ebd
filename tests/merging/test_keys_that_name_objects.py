"""Unique constraints with ids of objects in them: rows are matched by the objects, not by their numbers."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from edms_tasks.settings import Settings, settings_from
from tests.inventory.small_project import small_project
from tests.running import run_backup, run_diff, run_merge

pytestmark = pytest.mark.usefixtures("edms_asked_once")

MODELS = """
from django.contrib.auth.models import User
from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
class Document(models.Model):
    name = models.CharField(max_length=20, unique=True)
class Folder(models.Model):
    name = models.CharField(max_length=20, unique=True)
class Grant(models.Model):
    user = models.ForeignKey(User, models.CASCADE)
    codename = models.CharField(max_length=20)
    content_type = models.ForeignKey(ContentType, models.CASCADE, db_constraint=False)
    object_pk = models.CharField(max_length=40)
    content_object = GenericForeignKey("content_type", "object_pk")
    class Meta:
        unique_together = [("user", "codename", "object_pk")]
class Bookmark(models.Model):
    user = models.ForeignKey(User, models.CASCADE)
    document = models.IntegerField()
    note = models.CharField(max_length=20)
    class Meta:
        unique_together = [("user", "document")]
class Seen(models.Model):
    user = models.ForeignKey(User, models.CASCADE)
    document = models.ForeignKey(Document, models.CASCADE)
class Comment(models.Model):
    text = models.CharField(max_length=20)
    grant = models.ForeignKey(Grant, models.CASCADE)
    class Meta:
        unique_together = [("text", "grant")]
"""


@pytest.fixture
def office(tmp_path: Path) -> Settings:
    project = small_project(tmp_path / "project", MODELS)
    return settings_from(
        {
            "edms": project.edms.model_dump(),
            "repository": {"url": str(tmp_path / "repository")},
            "workdir": str(tmp_path / "work"),
            "validate": {"django_check": False},
            "soft_references": [{"column": "small.Bookmark.document", "target": "small.Document"}],
        },
        where=tmp_path / "edms-backup.toml",
    )


@pytest.mark.long
def test_permissions_still_refer_to_their_objects_after_a_merge(office: Settings, tmp_path: Path) -> None:
    fill(tmp_path, users="ann bob", documents="A B C", folders="F", kinds=(50, 51))
    snapshot = run_backup(office).snapshot_id
    here = said(tmp_path)
    fill(tmp_path, users="bob cid ann", documents="C D A", folders="G F", kinds=(51, 50))
    there = said(tmp_path)

    result = run_merge(office, snapshot=snapshot)

    assert result.plan.conflicts == () and result.done
    assert said(tmp_path) == here | there
    assert run_merge(office, snapshot=snapshot, dry_run=True).plan.writes == 0
    difference = run_diff(office, snapshot=snapshot).difference
    assert [one for one in difference.tables if one.natural_key and (one.changed or one.removed)] == []


@pytest.mark.long  # of rows with equal values, in test_rows_without_keys
def test_rows_without_a_key_are_not_paired_by_equal_ids(office: Settings, tmp_path: Path) -> None:
    fill(tmp_path, users="ann", documents="A", folders="", kinds=(50, 51))
    snapshot = run_backup(office).snapshot_id
    fill(tmp_path, users="bob", documents="B", folders="", kinds=(50, 51))

    assert run_merge(office, snapshot=snapshot).done

    assert {row[1:] for row in said(tmp_path) if row[0] == "seen"} == {("ann", "A"), ("bob", "B")}


@pytest.mark.long
def test_rows_that_refer_by_an_undeclared_id_are_merged_as_dependents(office: Settings, tmp_path: Path) -> None:
    fill(tmp_path, users="ann", documents="A B", folders="F", kinds=(50, 51))
    snapshot = run_backup(office).snapshot_id
    fill(tmp_path, users="cid", documents="C", folders="", kinds=(50, 51))

    assert run_merge(office, snapshot=snapshot, only=("small.Document:A",), with_dependents=True).done

    assert {row[1:3] for row in said(tmp_path) if row[0] == "bookmark"} == {("ann", "A"), ("cid", "C")}


def fill(folder: Path, *, users: str, documents: str, folders: str, kinds: tuple[int, int]) -> None:
    """Rows whose ids are their positions: each user may view every object, and has bookmarks of the documents."""
    ids = {
        table: {name: number for number, name in enumerate(names.split(), 1)}
        for table, names in (("user", users), ("document", documents), ("folder", folders))
    }
    grants = [
        (number, code, kind, str(one))
        for number in ids["user"].values()
        for code, kind, table in (("view", kinds[0], "document"), ("open", kinds[1], "folder"))
        for one in (*ids[table].values(), 900)
    ]
    with closing(sqlite3.connect(folder / "project" / "db.sqlite3")) as lite, lite:
        for table in (
            "small_seen",
            "small_comment",
            "small_grant",
            "small_bookmark",
            "small_document",
            "small_folder",
            "auth_user",
        ):
            lite.execute(f"DELETE FROM {table}")
        lite.execute("DELETE FROM auth_permission")
        lite.execute("DELETE FROM django_content_type")
        lite.executemany(
            "INSERT INTO django_content_type (id, app_label, model) VALUES (?, 'small', ?)",
            zip(kinds, ("document", "folder"), strict=True),
        )
        lite.executemany(
            "INSERT INTO auth_user (id, username, password, is_superuser, is_staff, is_active, first_name, last_name, email, "
            "date_joined) VALUES (?, ?, '', 0, 0, 1, '', '', '', '2026-01-01 00:00:00')",
            [(number, name) for name, number in ids["user"].items()],
        )
        for table in ("document", "folder"):
            rows = [(number, name) for name, number in ids[table].items()]
            lite.executemany(f"INSERT INTO small_{table} (id, name) VALUES (?, ?)", rows)
        lite.executemany(
            "INSERT INTO small_grant (user_id, codename, content_type_id, object_pk) VALUES (?, ?, ?, ?)", grants
        )
        marks = [
            (user, one, f"{user_name} {name}")
            for user_name, user in ids["user"].items()
            for name, one in ids["document"].items()
        ]
        lite.executemany("INSERT INTO small_bookmark (user_id, document, note) VALUES (?, ?, ?)", marks)
        lite.execute(
            "INSERT INTO small_seen (id, user_id, document_id) "
            "SELECT row_number() OVER (ORDER BY user_id, document), user_id, document FROM small_bookmark"
        )
        lite.execute("INSERT INTO small_comment (text, grant_id) SELECT 'seen', id FROM small_grant")


def said(folder: Path) -> set[tuple[str, ...]]:
    """What the rows say, with names in place of ids."""
    objects = "coalesce(CASE k.model WHEN 'document' THEN d.name ELSE f.name END, 'nothing')"
    joins = (
        "JOIN auth_user u ON u.id = user_id JOIN django_content_type k ON k.id = content_type_id "
        "LEFT JOIN small_document d ON d.id = object_pk LEFT JOIN small_folder f ON f.id = object_pk"
    )
    with closing(sqlite3.connect(folder / "project" / "db.sqlite3")) as lite:
        return {
            *lite.execute(f"SELECT 'grant', username, codename, k.model, {objects} FROM small_grant g {joins}"),
            *lite.execute(
                f"SELECT 'comment', text, username, k.model, {objects} FROM small_comment JOIN small_grant g ON g.id = grant_id {joins}"
            ),
            *lite.execute(
                "SELECT 'seen', username, name FROM small_seen JOIN auth_user u ON u.id = user_id "
                "JOIN small_document d ON d.id = document_id"
            ),
            *lite.execute(
                "SELECT 'bookmark', username, name, note FROM small_bookmark JOIN auth_user u ON u.id = user_id "
                "JOIN small_document d ON d.id = document"
            ),
        }
