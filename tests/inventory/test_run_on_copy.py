"""Commands on a copy: whatever an EDMS's code holds on to, they reach the copy's database and folders, and nothing live."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from edms_tasks.inventory.remote_probe import Answer
from edms_tasks.inventory.run_probe import EdmsCopy, run_on_copy
from edms_tasks.settings import Settings, settings_from
from tests.warm_python import edms_python

_SETTINGS = """
from pathlib import Path
BASE_DIR = Path(__file__).resolve().parent.parent
SECRET_KEY = "x"
INSTALLED_APPS = ["django.contrib.contenttypes", "papers"]
DATABASES = {
    "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "live.sqlite3"},
    "reports": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "live.sqlite3"},
    "billing": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "billing.sqlite3"},
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
MEDIA_ROOT = BASE_DIR / "media"
THUMBNAIL_DIR = str(MEDIA_ROOT / "thumbnails")
ARCHIVE = {"BACKEND": "x", "OPTIONS": {"location": str(BASE_DIR / "archive" / "deep"), "others": [BASE_DIR / "archive"]}}
INNER_DIR = MEDIA_ROOT / "inner" / "here"
SCANS_DIR = BASE_DIR / "archived"   # begins like a root, and is another folder
CACHES = {"default": {"BACKEND": "django.core.cache.backends.filebased.FileBasedCache", "LOCATION": str(BASE_DIR / "cache")}}
STORAGES = {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}  # as Mayan EDMS: no default
MEDIA_URL = str(MEDIA_ROOT) + "/"   # as with a root /media and a URL /media/
CELERY_BROKER_URL = "redis://live:6379/0"
EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
"""
_MODELS = """
from pathlib import Path
from django.core.files.storage import FileSystemStorage
from django.db import models

HERE = Path(__file__).resolve().parent.parent
vault = FileSystemStorage(location=str(HERE / "archive"))   # a fixed folder, made by code


class Paper(models.Model):
    title = models.CharField(max_length=50)
    file = models.FileField(storage=FileSystemStorage(location=str(HERE / "linked")))
"""
_APPS = """
from django.apps import AppConfig


class PapersConfig(AppConfig):
    name = "papers"

    def ready(self):
        from papers.models import Paper
        Paper.objects.create(title="made when the EDMS started")
"""


@dataclass(frozen=True)
class Edms:
    folder: Path
    settings: Settings
    copy: EdmsCopy

    def run(self, *words: str, seconds: float = 60) -> Answer:
        return run_on_copy(self.settings, words, self.copy, seconds=seconds)

    def asked(self, expression: str) -> Any:
        """The value of an expression in the EDMS, on the copy."""
        answer = self.run(
            "-c", f"import json\nfrom django.conf import settings\nprint(json.dumps({expression}, default=str))"
        )
        assert answer.returncode == 0, answer.stderr
        return json.loads(answer.stdout)

    def titles(self, name: str) -> list[str]:
        with closing(sqlite3.connect(self.folder / name)) as connection:
            return [title for (title,) in connection.execute("SELECT title FROM papers_paper")]


@pytest.fixture(scope="module")
def edms(tmp_path_factory: pytest.TempPathFactory) -> Edms:
    folder = tmp_path_factory.mktemp("copied")
    for name, text in {
        "site_/settings.py": _SETTINGS,
        "papers/__init__.py": "",
        "papers/models.py": _MODELS,
        "papers/apps.py": _APPS,
        "smoke.py": "import sys\nfrom papers.models import Paper\nprint('smoke', sys.argv, Paper.objects.count())\n",
    }.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    for name in ("media", "archive", "archived", "really"):
        (folder / name).mkdir()
        shutil.copytree(folder / name, folder / "copy" / name)
    (folder / "linked").symlink_to(folder / "really")
    for name in ("live.sqlite3", "billing.sqlite3"):
        with closing(sqlite3.connect(folder / name)) as connection:
            connection.execute("CREATE TABLE papers_paper (id integer PRIMARY KEY, title text, file text)")
    shutil.copy(folder / "live.sqlite3", folder / "copy.sqlite3")
    values = {"edms": {"project": str(folder), "settings": "site_.settings", "python": edms_python()}}
    # The roots as a backup knows them: links resolved or not.
    folders = [(str(folder / name), str(folder / "copy" / name)) for name in ("media", "archive", "really")]
    folders.append((str(folder / "media" / "inner"), str(folder / "copy" / "inner")))  # a root in a root
    copy = EdmsCopy(str(folder / "copy.sqlite3"), tuple(folders))
    return Edms(folder, settings_from(values, where=folder / "edms-backup.toml"), copy)


def test_settings_that_name_folders_name_those_of_the_copy(edms: Edms) -> None:
    there = f"{edms.folder}/copy"
    found = edms.asked(
        "[settings.MEDIA_ROOT, settings.THUMBNAIL_DIR, settings.ARCHIVE['OPTIONS'], settings.SCANS_DIR, settings.MEDIA_URL,"
        " settings.INNER_DIR]"
    )

    assert found == [
        f"{there}/media",
        f"{there}/media/thumbnails",
        {"location": f"{there}/archive/deep", "others": [f"{there}/archive"]},
        f"{edms.folder}/archived",
        f"{edms.folder}/media/",
        f"{there}/inner/here",
    ]


def test_what_the_edms_writes_as_it_starts_is_in_the_copy(edms: Edms) -> None:
    assert edms.run("check").returncode == 0

    assert "made when the EDMS started" in edms.titles("copy.sqlite3")
    assert edms.titles("live.sqlite3") == []


def test_storages_that_code_made_with_fixed_folders_write_to_the_copy(edms: Edms) -> None:
    program = (
        "from django.core.files.base import ContentFile\nfrom papers.models import Paper, vault\n"
        "vault.save('sealed.txt', ContentFile(b'x'))\nPaper(title='t').file.save('paper.txt', ContentFile(b'x'))"
    )

    answer = edms.run("-c", program)

    assert answer.returncode == 0, answer.stderr
    assert (edms.folder / "copy/archive/sealed.txt").exists()
    assert (edms.folder / "copy/really/paper.txt").exists()
    assert [*(edms.folder / "archive").iterdir(), *(edms.folder / "really").iterdir()] == []


def test_an_alias_of_the_same_database_is_the_copy_and_another_can_only_be_read(edms: Edms) -> None:
    assert edms.asked("__import__('papers.models').models.Paper.objects.using('billing').count()") == 0
    assert edms.asked("__import__('papers.models').models.Paper.objects.using('reports').create(title='report').pk")

    refused = edms.run("-c", "from papers.models import Paper\nPaper.objects.using('billing').create(title='bill')")

    assert refused.returncode != 0
    assert "readonly database" in refused.stderr
    assert "report" in edms.titles("copy.sqlite3")
    assert edms.titles("billing.sqlite3") == edms.titles("live.sqlite3") == []


def test_caches_mail_and_queues_are_in_memory(edms: Edms) -> None:
    found = edms.asked("[settings.CACHES['default']['BACKEND'], settings.EMAIL_BACKEND, settings.CELERY_BROKER_URL]")

    assert [one.split(".")[-2:] for one in found[:2]] == [["locmem", "LocMemCache"], ["locmem", "EmailBackend"]]
    assert found[2] == "memory://"
    edms.asked("__import__('django.core.cache').core.cache.cache.set('a', 1)")
    assert not (edms.folder / "cache").exists()


@pytest.mark.parametrize("words", [("smoke.py", "now", "--", "-x"), ("python3", "smoke.py", "now", "--", "-x")])
def test_a_script_runs_with_its_arguments(edms: Edms, words: tuple[str, ...]) -> None:
    answer = edms.run(*words)

    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.startswith("smoke ['smoke.py', 'now', '--', '-x']")


@pytest.mark.parametrize("words", [("check",), ("manage.py", "check"), ("/usr/bin/python", "/srv/manage.py", "check")])
def test_a_management_command_may_be_written_as_at_a_prompt(edms: Edms, words: tuple[str, ...]) -> None:
    assert edms.run(*words).returncode == 0


def test_a_copy_that_is_not_there_is_an_error_and_not_an_empty_database(edms: Edms) -> None:
    lost = EdmsCopy(str(edms.folder / "lost.sqlite3"), edms.copy.folders)

    answer = run_on_copy(edms.settings, ["check"], lost, seconds=60)

    assert answer.returncode != 0
    assert edms.titles("live.sqlite3") == []


@pytest.mark.long
def test_a_command_that_takes_too_long_is_ended_with_what_it_said(edms: Edms) -> None:
    answer = _ended_late(edms)

    assert answer.problem == "no-answer"
    assert "begun" in answer.stdout


@pytest.mark.long
def test_through_a_command_as_in_a_container_it_is_the_same(edms: Edms) -> None:
    values = {
        "edms": {"project": str(edms.folder), "settings": "site_.settings", "command": [edms_python()]},
    }
    elsewhere = Edms(edms.folder, settings_from(values, where=edms.folder / "x"), edms.copy)

    assert elsewhere.asked("settings.MEDIA_ROOT") == f"{edms.folder}/copy/media"
    late = _ended_late(elsewhere)

    assert (late.problem, late.stdout) == ("no-answer", "begun\n")


def _ended_late(edms: Edms) -> Answer:
    """The answer of a program that begins and does not end; a busy machine is given more time until it begins."""
    for seconds in (3, 30, 300):
        answer = edms.run("-c", "print('begun', flush=True)\nimport time\ntime.sleep(3600)", seconds=seconds)
        if answer.stdout:
            break
    return answer
