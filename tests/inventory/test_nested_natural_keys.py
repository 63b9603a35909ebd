"""Natural keys that hold other rows' natural keys as tuples inside their own, as Mayan EDMS's do."""

from __future__ import annotations

from pathlib import Path

from edms_tasks.inventory.probe_report import ProbeModel, ProbeReport
from edms_tasks.inventory.run_probe import run_probe
from edms_tasks.settings import Settings
from tests.inventory.small_project import small_project

MODELS = """
class Document(models.Model):
    uuid = models.CharField(max_length=9, unique=True)
    def natural_key(self): return (self.uuid,)
class File(models.Model):
    document = models.ForeignKey(Document, models.CASCADE)
    checksum = models.CharField(max_length=9)
    def natural_key(self): return (self.checksum, self.document.natural_key())
class Page(models.Model):
    file = models.ForeignKey(File, models.CASCADE)
    number = models.IntegerField()
    def natural_key(self): return (self.number, self.file.natural_key())
"""
ROWS = """
for n in 'ab':
    file = File.objects.create(document=Document.objects.create(uuid=n), checksum='c' + n)
    for number in (1, 2): Page.objects.create(file=file, number=number)
"""


def _project(folder: Path, models: str = MODELS, rows: str = ROWS) -> Settings:
    return small_project(folder, models, rows)


def _model(report: ProbeReport, label: str) -> ProbeModel:
    return next(model for model in report.models if model.label == label)


def test_a_key_inside_a_key_is_followed_to_its_columns(tmp_path: Path) -> None:
    report = run_probe(_project(tmp_path))

    key = _model(report, "small.File").natural_key
    assert key is not None and key.problem is None
    assert key.paths == (("checksum",), ("document_id", "uuid"))


def test_a_deeply_nested_key_is_followed_to_its_columns(tmp_path: Path) -> None:
    report = run_probe(_project(tmp_path))

    key = _model(report, "small.Page").natural_key
    assert key is not None and key.problem is None
    assert key.paths == (("number",), ("file_id", "checksum"), ("file_id", "document_id", "uuid"))


def test_the_rows_that_a_key_passes_through_are_read_together(tmp_path: Path) -> None:
    alone = "    def natural_key(self): return (self.number, self.file.natural_key())\n"
    asked = (
        "    def natural_key(self):\n"
        "        if self.pk > 1: assert Page.file.is_cached(self) and File.document.is_cached(self.file), 'asked for each row'\n"
        "        return (self.number, self.file.natural_key())\n"
    )
    report = run_probe(_project(tmp_path, MODELS.replace(alone, asked)))

    key = _model(report, "small.Page").natural_key
    assert key is not None and key.problem is None
    assert (key.compared_rows, len(key.paths or ())) == (4, 3)


def test_a_key_through_a_reference_to_no_row_fails_as_it_does_for_one_row_alone(tmp_path: Path) -> None:
    models = MODELS.replace("File, models.CASCADE", "File, models.CASCADE, null=True, db_constraint=False").replace(
        "self.file.natural_key())", "self.file.natural_key() if self.file else ())"
    )
    report = run_probe(_project(tmp_path, models, ROWS + "Page.objects.create(file_id=99, number=7)"))

    key = _model(report, "small.Page").natural_key
    assert key is not None and key.paths is None
    assert "raised DoesNotExist" in str(key.problem)


def test_a_key_whose_inner_key_is_longer_on_some_rows_is_named(tmp_path: Path) -> None:
    models = MODELS + (
        "class Note(models.Model):\n"
        "    text = models.CharField(max_length=9)\n"
        "    def natural_key(self): return (self.text, ('x',) * self.pk)\n"
    )
    report = run_probe(_project(tmp_path, models, "for n in 'ab': Note.objects.create(text=n)"))

    key = _model(report, "small.Note").natural_key
    assert key is not None and key.paths is None
    assert "different lengths" in str(key.problem)
