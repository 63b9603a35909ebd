"""A PostgreSQL EDMS with its files in an S3 store: lost, restored in place, rolled back, and merged into."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from edms_tasks.databases import DatabaseAddress
from edms_tasks.settings import Settings
from flows.rollback import list_ways_back
from tests.files.test_files_in_a_store import Bucket, bucket
from tests.files.test_restore_in_a_store import objects
from tests.files.test_stores import STORE
from tests.inventory.small_project import run_python, small_project
from tests.running import run_backup, run_merge, run_restore, run_rollback
from tests.stores.s3_places import secret_options
from tests.stores.swift_server import S3Account

__all__ = ["bucket"]
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("edms_asked_once")]

MODELS = """
class Paper(models.Model):
    number = models.CharField(max_length=20, unique=True)
    file = models.FileField(max_length=60)
"""
FILES = {"a.pdf": b"a", "deep/b.pdf": bytes(range(256)) * 400}


def archive(bucket: Bucket, account: S3Account, url: str, folder: Path) -> Settings:
    """An EDMS with a paper for each of `FILES`."""
    (folder / "edms").mkdir()
    store = STORE.replace("plant-media", bucket.name).replace("edms/", "media/")
    (folder / "edms/stores.py").write_text(store, encoding="utf-8")
    address = DatabaseAddress.from_url(url)
    storages = {
        "default": {"BACKEND": "stores.S3Storage"},
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }
    database = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": address.name,
        "USER": address.user,
        "PASSWORD": address.password.get_secret_value(),
        "HOST": address.host,
        "PORT": address.port,
    }
    settings = small_project(
        folder / "edms", MODELS, settings=f'DATABASES["default"] = {database!r}\nSTORAGES = {storages!r}'
    )
    for key, data in FILES.items():
        bucket.put(key, data)
    run_python(folder / "edms", f"[Paper.objects.create(number=name[-5], file=name) for name in {list(FILES)}]")
    files = settings.files.model_copy(
        update={
            "stores": {"media": bucket.root.path},
            "options": {"media": secret_options(account.options)},
        }
    )
    return settings.model_copy(update={"files": files})


@pytest.mark.long  # each of the two with the other's usual partner, in the suite
def test_database_and_objects_come_back_together(
    bucket: Bucket, s3_account: S3Account, postgres_database: str, tmp_path: Path
) -> None:
    def papers() -> set[tuple[str, str]]:
        with psycopg.connect(postgres_database) as connection:
            return set(connection.execute("SELECT number, file FROM small_paper").fetchall())

    def change(statement: str) -> None:
        with psycopg.connect(postgres_database) as connection:
            connection.execute(statement)

    settings = archive(bucket, s3_account, postgres_database, tmp_path)
    snapshot = run_backup(settings, create_repository=True).snapshot_id
    whole = papers()
    assert len(whole) == len(FILES)
    change("DELETE FROM small_paper WHERE number = 'a'")
    bucket.client.delete_object(Bucket=bucket.name, Key="media/a.pdf")
    bucket.put("new.pdf", b"new")
    change("INSERT INTO small_paper (number, file) VALUES ('new', 'new.pdf')")
    spoiled = (papers(), objects(bucket))

    assert run_restore(settings, snapshot=snapshot).verdict == "proved"
    assert (papers(), objects(bucket)) == (whole, FILES)
    run_rollback(settings, stamp=list_ways_back(settings).ways[0].stamp)
    assert (papers(), objects(bucket)) == spoiled

    assert run_merge(settings, snapshot=snapshot).success
    assert (papers(), objects(bucket)) == (whole | {("new", "new.pdf")}, {**FILES, "new.pdf": b"new"})
