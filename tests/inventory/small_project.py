"""Throw-away Django projects: one app, models as text, a migrated SQLite database."""

from __future__ import annotations

import functools
import subprocess
import tempfile
from pathlib import Path

from edms_tasks.settings import Settings, settings_from
from tests.warm_python import edms_python

_SETTINGS = """
import pathlib
BASE = pathlib.Path(__file__).parent
SECRET_KEY = "a key for tests"
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "small"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE / "db.sqlite3"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
print("EDMS code prints what it likes")
"""
_MIGRATE = "from django.core.management import call_command; call_command('migrate', '--run-syncdb', verbosity=0)"
# With settings of these, Django's own apps have other tables, or have them elsewhere.
_OTHER_TABLES = ("DATABASE", "INSTALLED_APPS", "MIGRATION_MODULES", "AUTH_USER_MODEL")


def small_project(folder: Path, models: str, rows: str = "", *, settings: str = "") -> Settings:
    """Write the project, make its tables, run `rows` (Python that finds the models imported), return our settings."""
    _write_project(folder, models, settings)
    if not any(name in settings for name in _OTHER_TABLES):
        (folder / "db.sqlite3").write_bytes(_migrated())
    run_python(folder, f"{_MIGRATE}\n{rows}")
    return settings_from(
        {"edms": {"project": str(folder), "settings": "small_settings", "python": edms_python()}},
        where=folder / "edms-backup.toml",
    )


def small_system(folder: Path, models: str, rows: str = "", *, settings: str = "", **sections: object) -> Settings:
    """The same in `folder/project`, with a repository and work folder beside it; `sections` are further settings of ours."""
    edms = small_project(folder / "project", models, rows, settings=settings)
    own = {
        "edms": edms.edms.model_dump(),
        "repository": {"url": str(folder / "repository")},
        "workdir": str(folder / "work"),
        "validate": {"django_check": False},
    }
    return settings_from(own | sections, where=folder / "edms-backup.toml")


@functools.cache
def _migrated() -> bytes:
    """The database of a project without models, for all projects to begin with: a dozen migrations take longer than a table or two."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "edms"
        _write_project(folder, "", "")
        run_python(folder, _MIGRATE)
        return (folder / "db.sqlite3").read_bytes()


def _write_project(folder: Path, models: str, settings: str) -> None:
    app = folder / "small"
    app.mkdir(parents=True)
    (folder / "small_settings.py").write_text(f"{_SETTINGS}\n{settings}\n", encoding="utf-8")
    (app / "__init__.py").write_text("", encoding="utf-8")
    (app / "models.py").write_text(f"from django.db import models\n{models}\n", encoding="utf-8")


def run_python(folder: Path, rows: str) -> str:
    """Run `rows` in the project, where the models are imported; returns what it prints."""
    script = (
        "import os, sys; sys.path.insert(0, '.'); os.environ['DJANGO_SETTINGS_MODULE'] = 'small_settings'\n"
        f"import django; django.setup()\nfrom django.conf import settings\nfrom small.models import *\n{rows}\n"
    )
    return subprocess.run([edms_python(), "-c", script], cwd=folder, check=True, capture_output=True, text=True).stdout
