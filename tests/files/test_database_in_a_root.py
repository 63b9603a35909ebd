"""A root that holds the live database is stored without it and said to be unfit for a restore in place, which is refused."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from edms_tasks.errors import TerminalError
from tests.inventory.small_project import small_project
from tests.running import run_backup, run_doctor, run_restore

SETTINGS = 'DATABASES["default"]["NAME"] = BASE / "data" / "db.sqlite3"\nMEDIA_ROOT = BASE / "data"\n(BASE / "data").mkdir(exist_ok=True)\n'
MODELS = "class Document(models.Model):\n    file = models.FileField()\n"
ROWS = """
from django.core.files.base import ContentFile
Document().file.save("a.pdf", ContentFile(b"a"))
"""


@pytest.mark.parametrize("linked", [False, True])
def test_the_database_is_left_out_of_its_folder_and_stays_where_it_is(linked: bool, tmp_path: Path) -> None:
    settings = small_project(tmp_path / "edms", MODELS, ROWS, settings=SETTINGS)
    data = tmp_path / "edms" / "data"
    if linked:
        data.rename(tmp_path / "disk")
        data.symlink_to(tmp_path / "disk")
    (data / "db.sqlite3.notes.txt").write_text("no file of the database")
    repository = settings.repository.model_copy(update={"url": str(tmp_path / "repository")})
    settings = settings.model_copy(update={"repository": repository, "workdir": tmp_path / "work"})
    with closing(sqlite3.connect(data / "db.sqlite3")) as open_meanwhile:
        open_meanwhile.execute("PRAGMA journal_mode = WAL")
        open_meanwhile.execute("SELECT count(*) FROM small_document").fetchall()

        made = run_backup(settings, create_repository=True)
        said = run_doctor(settings).diagnosis.assessments

    (index,) = made.manifest.files
    kept = [
        path
        for path in data.rglob("*")
        if path.is_file() and not path.name.startswith(("db.sqlite3-", "db.sqlite3.edms-"))
    ]
    assert index.files == len(kept) - 1 == 2  # all but the database
    for findings in (made.manifest.findings, said):
        (one,) = [one for one in findings if one.code == "database-inside-root"]
        assert one.severity == "error" and "db.sqlite3" in one.examples

    inode = (data / "db.sqlite3").stat().st_ino
    with pytest.raises(TerminalError, match="cannot be swapped"):
        run_restore(settings, snapshot="latest")
    assert (data / "db.sqlite3").stat().st_ino == inode
