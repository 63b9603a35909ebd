"""A root that holds the live database is stored without it, and restored around it: the database is never swapped with the folder."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from edms_tasks import mount_points
from edms_tasks.errors import TerminalError
from edms_tasks.settings import load_settings
from tests.inventory.small_project import small_project
from tests.killed_run import kill
from tests.running import run_backup, run_doctor, run_restore, run_restore_plan, run_rollback
from tests.warm_python import edms_python

SETTINGS = 'DATABASES["default"]["NAME"] = BASE / "data" / "db.sqlite3"\nMEDIA_ROOT = BASE / "data"\n(BASE / "data").mkdir(exist_ok=True)\n'

MODELS = "class Document(models.Model):\n    file = models.FileField()\n"
ROWS = """
from django.core.files.base import ContentFile
Document().file.save("a.pdf", ContentFile(b"a"))
"""


@pytest.mark.parametrize("linked", [pytest.param(False, marks=pytest.mark.long), True])
def test_the_database_is_left_out_of_its_folder_and_stays_where_it_is(linked: bool, tmp_path: Path) -> None:
    settings = small_project(tmp_path / "edms", MODELS, ROWS, settings=SETTINGS)
    data = tmp_path / "edms" / "data"
    if linked:
        data.rename(tmp_path / "disk")
        data.symlink_to(tmp_path / "disk")
    (data / "db.sqlite3.notes.txt").write_text("no file of the database")
    (data / "index").mkdir()
    (data / "index" / "_MAIN_1.toc").write_text("an index")
    place = {"url": str(tmp_path / "repository"), "copies": tmp_path / "work" / "copies"}
    repository = settings.repository.model_copy(update=place)
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
        if path.is_file() and not path.name.startswith(("db.sqlite3-", "db.sqlite3.edms-", "_MAIN"))
    ]
    assert index.files == len(kept) - 1 == 2  # all but the database
    for findings in (made.manifest.findings, said):
        (one,) = [one for one in findings if one.code == "database-inside-root"]
        assert one.severity == "info" and "db.sqlite3" in one.examples

    before = state_of(data)
    lose(data)
    lost = state_of(data)
    restored = run_restore(settings, snapshot="latest")
    assert restored.success
    assert state_of(data) == before
    assert [note for note in restored.notes if "1 search indexes come back empty (index)" in note]
    run_rollback(settings)
    assert state_of(data) == lost
    assert run_restore(settings, snapshot="latest").success
    assert state_of(data) == before


def test_a_mount_in_a_folder_with_the_database_is_found_before_a_restore_needs_to_move_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = small_project(tmp_path / "edms", MODELS, ROWS, settings=SETTINGS)
    place = {"url": str(tmp_path / "repository"), "copies": tmp_path / "work" / "copies"}
    repository = settings.repository.model_copy(update=place)
    settings = settings.model_copy(update={"repository": repository, "workdir": tmp_path / "work"})
    data = tmp_path / "edms" / "data"
    (data / "scans").mkdir()
    (data / "scans" / "a.tif").write_bytes(b"a")
    # A bind mount is on the same device as the folder above it; to make one is not every user's right.
    table = tmp_path / "mountinfo"
    table.write_text(f"36 35 98:0 /x {data}/scans rw - ext3 /dev/sda rw\n")
    monkeypatch.setattr(mount_points, "MOUNT_TABLE", table)

    made = run_backup(settings, create_repository=True)

    (one,) = [one for one in made.manifest.findings if one.code == "file-root-not-swappable"]
    assert one.severity == "warning" and one.examples == (f"{data}/scans",)
    with pytest.raises(TerminalError, match="one of them cannot be moved"):
        run_restore_plan(settings)
    with pytest.raises(TerminalError, match="one of them cannot be moved"):
        run_restore(settings)
    assert not [path for path in data.parent.iterdir() if ".edms-" in path.name]


def test_the_database_of_another_alias_in_a_folder_of_files_is_found(tmp_path: Path) -> None:
    other = (
        'DATABASES["stats"] = {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE / "data" / "stats" / "s.sqlite3"}\n'
    )
    settings = small_project(tmp_path / "edms", MODELS, ROWS, settings=SETTINGS + other)
    place = {"url": str(tmp_path / "repository"), "copies": tmp_path / "work" / "copies"}
    repository = settings.repository.model_copy(update=place)
    settings = settings.model_copy(update={"repository": repository, "workdir": tmp_path / "work"})
    (tmp_path / "edms" / "data" / "stats").mkdir()
    sqlite3.connect(tmp_path / "edms" / "data" / "stats" / "s.sqlite3").close()

    made = run_backup(settings, create_repository=True).manifest.findings
    said = run_doctor(settings).diagnosis.assessments

    for findings in (made, said):
        (one,) = [one for one in findings if one.code == "other-database-in-root"]
        assert one.severity == "warning" and one.examples == ("stats/s.sqlite3",) and "'stats'" in one.message


def state_of(data: Path) -> tuple[list[tuple[object, ...]], dict[str, bytes]]:
    """The rows, and the files that are none of the database's and no index."""
    with closing(sqlite3.connect(data / "db.sqlite3")) as connection:
        rows = connection.execute("SELECT * FROM small_document ORDER BY id").fetchall()
    ours = ("db.sqlite3-", "db.sqlite3.edms-", "db.sqlite3.previous-", "db.sqlite3.undone-", "_MAIN")
    names = [path for path in data.rglob("*") if path.is_file() and not path.name.startswith(ours)]
    return rows, {str(path.relative_to(data)): path.read_bytes() for path in names if path.name != "db.sqlite3"}


def lose(data: Path) -> None:
    """A document is deleted, another comes, files change."""
    with closing(sqlite3.connect(data / "db.sqlite3")) as connection:
        connection.execute("UPDATE small_document SET file = 'b.pdf'")
        connection.commit()
    (data / "a.pdf").unlink()
    (data / "b.pdf").write_bytes(b"b")
    (data / "later").mkdir()
    (data / "later" / "c.pdf").write_bytes(b"c")


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize(
    "point",
    [
        "entries set aside",
        *(
            pytest.param(one, marks=pytest.mark.long)
            for one in ("entry in place", "before swap", "between renames", "after swap")
        ),
    ],
)
def test_a_restore_killed_around_the_database_is_finished_or_undone(point: str, tmp_path: Path) -> None:
    settings = small_project(tmp_path / "edms", MODELS, ROWS, settings=SETTINGS)
    data, config = tmp_path / "edms" / "data", tmp_path / "edms-backup.toml"
    config.write_text(
        f'workdir = "work"\n[edms]\nproject = "{tmp_path}/edms"\nsettings = "small_settings"\npython = "{edms_python()}"\n'
        '[repository]\nurl = "repository"\n[validate]\ndjango_check = false\n'
    )
    settings = load_settings(config)
    (data / "index").mkdir()
    (data / "index" / "segment").write_text("an index")
    run_backup(settings, create_repository=True)
    before = state_of(data)
    lose(data)
    lost = state_of(data)

    kill("restore", config, point)

    if point == "before swap":
        assert state_of(data) == lost
        assert run_restore(settings, snapshot="latest").success
        assert state_of(data) == before
    else:
        run_rollback(settings)  # finishes it first
        assert state_of(data) == lost
        assert run_restore(settings, snapshot="latest").success
        assert state_of(data) == before
    left = [path.name for path in data.parent.iterdir() if ".edms-" in path.name or path.name.endswith(".taking")]
    assert left == []
