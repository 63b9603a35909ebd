"""What a merge would take for ids because of a name is said before the first backup; what only values suggest comes after it."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from edms_tasks.doctor.settings_file import add_to_settings
from edms_tasks.settings import settings_from
from tests.inventory.small_project import small_project
from tests.running import run_doctor

MODELS = """
class Device(models.Model):
    name = models.CharField(max_length=30, unique=True)
class Case(models.Model):
    number = models.CharField(max_length=30, unique=True)
    shelf_mark = models.IntegerField()     # by chance all are ids of entries
    stock = models.IntegerField()          # counts
class Exam(models.Model):
    label = models.CharField(max_length=30, unique=True)
    device = models.IntegerField()         # few, but named
    running_id = models.IntegerField()     # repeats the primary key
class Entry(models.Model):
    table_name = models.CharField(max_length=20)
    row_id = models.IntegerField()
    text = models.CharField(max_length=40)
"""
ROWS = """
for n in range(1, 10): Device.objects.create(id=n, name=f"d{n}")
for n in range(1, 121): Case.objects.create(id=n + 500, number=f"c{n}", shelf_mark=n * 37 % 240 + 1, stock=n * 7 % 120 + 501)
for n in range(1, 61): Exam.objects.create(id=n, label=f"e{n}", device=n % 9 + 1, running_id=n)
for n in range(1, 241):
    kind, row = (("small_case", 501 + n * 13 % 120) if n % 3 else ("small_device", n // 3 % 9 + 1))
    Entry.objects.create(id=n, table_name=kind, row_id=row, text=f"on device #{n % 9 + 1}")
"""


@pytest.mark.long
def test_named_values_come_first_and_each_kind_of_row_has_its_model(tmp_path: Path) -> None:
    examined = run_doctor(small_project(tmp_path / "edms", MODELS, ROWS))

    said = {one.subject: one for one in examined.diagnosis.assessments if one.code == "soft-reference"}
    assert list(said)[-1] == "small.Case.shelf_mark" and said["small.Case.shelf_mark"].by_values_alone
    assert set(said) == {"small.Case.shelf_mark", "small.Entry.row_id", "small.Entry.text", "small.Exam.device"}
    assert 'target = "small.Device"' in said["small.Exam.device"].fix
    poly = said["small.Entry.row_id"].fix
    assert 'target = "small.Case"\nwhere = { table_name = "small_case" }' in poly
    assert 'target = "small.Device"\nwhere = { table_name = "small_device" }' in poly
    assert 'pattern = "device #%d"' in said["small.Entry.text"].fix
    assert [one.subject for one in examined.suggestions][-1] == "small.Case.shelf_mark"


def test_what_is_suggested_can_be_pasted_whatever_the_column_and_its_values_are_called(tmp_path: Path) -> None:
    models = MODELS.replace("max_length=20)", 'max_length=20, db_column="table of row")')
    kinds = {"small_case": 'case "old"\\n', "small_device": "device\\\\2"}
    rows = ROWS
    for kind, hostile in kinds.items():
        rows = rows.replace(f'"{kind}"', f"'{hostile}'")

    examined = run_doctor(small_project(tmp_path / "edms", models, rows))

    (found,) = [one for one in examined.diagnosis.assessments if one.subject == "small.Entry.row_id"]
    pasted = tomllib.loads(found.fix[found.fix.index("[[") :])["soft_references"]
    assert {one["target"]: one["where"] for one in pasted} == {
        "small.Case": {"table of row": 'case "old"\n'},
        "small.Device": {"table of row": "device\\2"},
    }


@pytest.mark.long
def test_ids_of_several_models_are_one_suggestion_that_can_be_written(tmp_path: Path) -> None:
    settings = small_project(tmp_path / "edms", MODELS, ROWS)
    config = tmp_path / "edms-backup.toml"
    edms = "".join(
        f"{key} = {json.dumps(str(value))}\n"
        for key, value in settings.edms.model_dump().items()
        if key in ("project", "settings", "python")
    )
    config.write_text(f"[edms]\n{edms}", encoding="utf-8")
    (suggestion,) = [one for one in run_doctor(settings).suggestions if one.name == "small.Entry.row_id"]

    add_to_settings(config, [suggestion.settings_fix])

    written = tomllib.loads(config.read_text(encoding="utf-8"))
    assert {one["target"]: one["where"] for one in written["soft_references"]} == {
        "small.Case": {"table_name": "small_case"},
        "small.Device": {"table_name": "small_device"},
    }
    again = run_doctor(settings_from(written, where=config))
    assert "small.Entry.row_id" not in [one.subject for one in again.diagnosis.assessments]
