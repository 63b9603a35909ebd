"""Files in a store of objects instead of a folder: what is not backed up is an error, wherever the EDMS names the store."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from edms_tasks.inventory.build_inventory import build_inventory
from edms_tasks.inventory.model import Finding
from edms_tasks.inventory.run_probe import run_probe
from edms_tasks.settings import Settings
from tests.inventory.small_project import small_project
from tests.running import run_backup, run_doctor

STORE = """
from django.core.files.storage import Storage

class S3Storage(Storage):
    bucket_name, location, endpoint_url, region_name = "plant-media", "edms/", "https://s3.example.org", None
    access_key, secret_key = "AKIA", "top secret"
"""
WHERE = {
    "a field": (
        "from stores import S3Storage\nclass Scan(models.Model):\n    file = models.FileField(storage=S3Storage())\n",
        "",
    ),
    "the default": ("class Scan(models.Model):\n    file = models.FileField()\n", "default"),
    "the default, without a field": (
        "class Scan(models.Model):\n    key = models.CharField(max_length=9)\n",
        "default",
    ),
    "another alias": ("class Scan(models.Model):\n    key = models.CharField(max_length=9)\n", "archive"),
    "a name in code": ("from stores import S3Storage\narchive = S3Storage()\n", ""),
}


def project(tmp_path: Path, models: str, alias: str, store: str = STORE) -> Settings:
    (tmp_path / "edms").mkdir(parents=True)
    (tmp_path / "edms/stores.py").write_text(store, encoding="utf-8")
    storages = {
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }
    if alias:
        storages[alias] = {"BACKEND": "stores.S3Storage"}
    return small_project(tmp_path / "edms", models, settings=f"STORAGES = {storages!r}")


def findings_on(settings: Settings) -> list[Finding]:
    return stores_of(build_inventory(run_probe(settings), (), settings, "sqlite").findings)


def stores_of(findings: Iterable[Finding]) -> list[Finding]:
    return [one for one in findings if one.code.startswith("storage")]


@pytest.mark.parametrize("where", list(WHERE))
def test_files_in_an_object_store_are_an_error(where: str, tmp_path: Path) -> None:
    (found,) = findings_on(project(tmp_path, *WHERE[where]))
    assert (found.severity, found.code, found.subject) == ("error", "storage-not-a-folder", "s3://plant-media/edms")
    assert found.examples
    assert "top secret" not in found.model_dump_json()


def test_backup_and_doctor_say_so(tmp_path: Path) -> None:
    settings = project(tmp_path, *WHERE["the default"])
    made = run_backup(settings, create_repository=True)
    assert [one.severity for one in stores_of(made.manifest.findings)] == ["error"]
    examined = run_doctor(settings)
    assert [(one.code, one.severity) for one in examined.diagnosis.assessments if "s3://" in one.subject] == [
        ("storage-not-a-folder", "error")
    ]


@pytest.mark.parametrize("named", ["s3://plant-media/edms", "STORAGES['archive']"])
def test_a_store_without_documents_can_be_excluded(named: str, tmp_path: Path) -> None:
    settings = project(tmp_path, *WHERE["another alias"])
    exclude = settings.exclude.model_copy(update={"storages": (named,)})
    (found,) = findings_on(settings.model_copy(update={"exclude": exclude}))
    assert (found.code, found.severity) == ("storage-excluded", "info")


@pytest.mark.parametrize(
    ("excluded", "left"),
    [
        (("small.Scan.file",), ("small.Letter.file",)),
        (("small.Scan.file", "small.Letter.file"), ()),
        (("s3://plant-media/edms",), ()),
    ],
)
def test_a_field_that_is_excluded_does_not_excuse_others_in_its_store(
    excluded: tuple[str, ...], left: tuple[str, ...], tmp_path: Path
) -> None:
    models, _ = WHERE["a field"]
    letter = "class Letter(models.Model):\n    file = models.FileField(storage=S3Storage())\n"
    settings = project(tmp_path, models + letter, "")
    exclude = settings.exclude.model_copy(update={"storages": excluded})
    (found,) = findings_on(settings.model_copy(update={"exclude": exclude}))
    assert (found.code, found.examples) == ("storage-not-a-folder" if left else "storage-excluded", left)


@pytest.mark.parametrize(
    ("body", "subject"),
    [
        ("bucket_name = 'scans'", "S3Storage"),  # of another kind than the name says, or not made to its end
        ("def path(self, name): raise RuntimeError('top secret')", "S3Storage"),
        ("def __init__(self): raise RuntimeError('top secret')", "a storage that cannot be made (RuntimeError)"),
    ],
)
def test_a_storage_of_any_kind_is_named_and_stops_nothing(body: str, subject: str, tmp_path: Path) -> None:
    store = f"from django.core.files.storage import Storage\nclass S3Storage(Storage):\n    {body}\n"
    (found,) = findings_on(project(tmp_path, *WHERE["another alias"], store=store))
    assert (found.subject, found.severity, found.examples) == (subject, "error", ("STORAGES['archive']",))
    assert "top secret" not in found.model_dump_json()


def test_a_store_of_another_provider_is_named_by_its_class_and_place(tmp_path: Path) -> None:
    store = STORE.replace("S3Storage", "GoogleCloudStorage") + "S3Storage = GoogleCloudStorage\n"
    (found,) = findings_on(project(tmp_path, *WHERE["the default"], store=store))
    assert found.subject == "GoogleCloudStorage plant-media edms/"


def test_files_in_memory_are_nowhere_and_static_files_no_documents(tmp_path: Path) -> None:
    store = "from django.core.files.storage import InMemoryStorage\nclass S3Storage(InMemoryStorage): pass\n"
    (found,) = findings_on(project(tmp_path, *WHERE["the default"], store=store))
    assert (found.severity, found.subject.split()[0]) == ("error", "S3Storage")
    static = STORE.replace("S3Storage", "S3StaticStorage") + "S3Storage = S3StaticStorage\n"
    assert findings_on(project(tmp_path / "static", *WHERE["another alias"], store=static)) == []


def test_folders_are_no_stores(tmp_path: Path) -> None:
    store = "from django.core.files.storage import FileSystemStorage\nclass S3Storage(FileSystemStorage): pass\n"
    assert findings_on(project(tmp_path, *WHERE["another alias"], store=store)) == []
