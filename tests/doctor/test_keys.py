"""Natural keys, assessed: what the settings declare, what a damaged index lets in, and which key is suggested instead."""

from __future__ import annotations

import sqlite3
import tomllib
from contextlib import closing
from pathlib import Path

import pytest

from edms_tasks.doctor import Diagnosis
from edms_tasks.settings import Settings, settings_from
from flows.doctor import Examined
from tests.inventory.small_project import small_project
from tests.running import run_doctor

MODELS = """
class Folder(models.Model):
    name = models.CharField(max_length=20, unique=True)
class Sheet(models.Model):
    folder = models.ForeignKey(Folder, models.CASCADE)
    number = models.IntegerField()
    title = models.CharField(max_length=20)
    price = models.FloatField(default=1.5)
class Stamp(models.Model):
    code = models.CharField(max_length=20, unique=True)
"""
ROWS = """
for name in "ab":
    folder = Folder.objects.create(name=name)
    for n in range(1, 6): Sheet.objects.create(folder=folder, number=n, title="same")
for n in range(3): Stamp.objects.create(code=f"S{n}")
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return small_project(tmp_path_factory.mktemp("keys") / "project", MODELS, ROWS)


def _examined(project: Settings, folder: Path, **more: object) -> Examined:
    given = {"edms": project.edms.model_dump(), "workdir": str(folder / "work"), **more}
    return run_doctor(settings_from(given, where=folder / "edms-backup.toml"))


def _said(diagnosis: Diagnosis, subject: str) -> dict[str, tuple[str, int]]:
    return {one.code: (one.severity, one.count) for one in diagnosis.assessments if one.subject == subject}


@pytest.mark.long  # suggestions that are written are asked in test_writing
def test_a_suggested_key_is_accepted_by_a_backup(project: Settings, tmp_path: Path) -> None:
    before = _examined(project, tmp_path)
    suggested = tomllib.loads(before.settings)

    after = _examined(project, tmp_path, **suggested)

    assert suggested == {"natural_keys": {"small.Sheet": ["number", "folder"]}}
    key = next(verdict.key for verdict in after.diagnosis.keys if verdict.model == "small.Sheet")
    assert key is not None
    assert (key.source, key.paths) == ("settings", (("number",), ("folder_id",)))
    assert after.settings == ""


def test_a_declared_key_that_rows_share_is_an_error(project: Settings, tmp_path: Path) -> None:
    diagnosis = _examined(project, tmp_path, natural_keys={"small.Sheet": ["folder.name", "title"]}).diagnosis

    assert not diagnosis.healthy
    # Two folders of five sheets each: four beyond the first in both.
    assert _said(diagnosis, "small.Sheet") == {"natural-key-duplicates": ("error", 8)}


def test_a_declared_key_without_a_constraint_is_a_warning_with_the_constraint_to_add(
    project: Settings, tmp_path: Path
) -> None:
    diagnosis = _examined(project, tmp_path, natural_keys={"small.Sheet": ["folder.name", "number"]}).diagnosis

    assert _said(diagnosis, "small.Sheet") == {"natural-key-unconstrained": ("warning", 1)}
    fix = next(one.fix for one in diagnosis.assessments if one.subject == "small.Sheet")
    assert 'UniqueConstraint(fields=["folder", "number"], name="small_sheet_natural_key")' in fix


def test_rows_that_a_damaged_index_let_in_are_an_error(tmp_path: Path) -> None:
    project = small_project(tmp_path / "project", MODELS, ROWS)
    with closing(sqlite3.connect(tmp_path / "project" / "db.sqlite3")) as connection, connection:
        connection.execute("PRAGMA writable_schema = ON")
        # The constraint is taken away, the rows are doubled, and it is put back without a look at them.
        connection.execute("UPDATE sqlite_master SET sql = replace(sql, ' UNIQUE', '') WHERE name = 'small_stamp'")
        connection.execute("DELETE FROM sqlite_master WHERE name = 'sqlite_autoindex_small_stamp_1'")
        connection.execute("PRAGMA writable_schema = RESET")
        connection.execute("UPDATE small_stamp SET code = 'S0'")
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            "UPDATE sqlite_master SET sql = replace(sql, 'varchar(20) NOT NULL', 'varchar(20) NOT NULL UNIQUE') "
            "WHERE name = 'small_stamp'"
        )

    diagnosis = _examined(project, tmp_path).diagnosis

    assert _said(diagnosis, "small.Stamp") == {"natural-key-duplicates": ("error", 2)}


def test_an_excluded_table_is_not_assessed_and_what_points_at_it_does_not_dangle(
    project: Settings, tmp_path: Path
) -> None:
    examined = _examined(project, tmp_path, exclude={"tables": ["small.Folder"]})

    assert examined.excluded == ("small.Folder",)
    assert "small.Folder" not in {verdict.model for verdict in examined.diagnosis.keys}
    assert not [one for one in examined.diagnosis.assessments if one.code == "dangling-reference"]
