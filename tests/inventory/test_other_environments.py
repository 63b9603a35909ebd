"""An EDMS with another Python, another Django and none of our packages: backed up, lost, restored, the same again."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from edms_tasks.inventory.probe_report import Surroundings
from edms_tasks.inventory.run_probe import run_probe
from edms_tasks.settings import Settings, settings_from
from tests.independent_comparison import differences, picture_of_files, picture_of_postgres, picture_of_sqlite
from tests.inventory.environments import ENVIRONMENTS, Environment, make_environment
from tests.running import run_backup, run_restore

# `make other-pythons` is for this.
pytestmark = [pytest.mark.slow, pytest.mark.long]

PROJECT = Path(__file__).with_name("archive_project")
OURS = (
    "edms_tasks",
    "flows",
    "expectations",
    "prefect",
    "great_expectations",
    "duckdb",
    "pyarrow",
    "pydantic",
    "pandas",
)


@pytest.fixture(scope="module", params=[pytest.param(environment, id=str(environment)) for environment in ENVIRONMENTS])
def environment(request: pytest.FixtureRequest) -> Environment:
    found: Environment = request.param
    return found


@pytest.fixture(scope="module")
def python(environment: Environment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The EDMS's own interpreter."""
    return make_environment(environment, tmp_path_factory.mktemp("environment") / "venv")


@dataclass(frozen=True)
class Archive:
    """An installation of the small project in an environment of its own."""

    python: Path
    folder: Path
    url: str

    @property
    def media(self) -> Path:
        return self.folder / "media"

    @property
    def env(self) -> dict[str, str]:
        parts = urlsplit(self.url)
        postgres = parts.scheme == "postgresql"
        return {
            "ARCHIVE_ENGINE": "postgresql" if postgres else "sqlite3",
            "ARCHIVE_NAME": parts.path[1:],
            "ARCHIVE_USER": parts.username or "",
            "ARCHIVE_PASSWORD": parts.password or "",
            "ARCHIVE_HOST": parts.hostname or "",
            "ARCHIVE_PORT": str(parts.port or ""),
            "ARCHIVE_MEDIA": str(self.media),
        }

    def run(self, *words: str) -> str:
        """Run the EDMS's interpreter in its project, with nothing of our environment."""
        environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "DJANGO_SETTINGS_MODULE": "archive_settings"}
        done = subprocess.run(
            [str(self.python), *words],
            cwd=self.folder / "project",
            env=environment | self.env | {"PYTHONPATH": str(self.folder / "project")},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def set_up(self, seed: int) -> None:
        """Make the tables, fill them."""
        self.media.mkdir(exist_ok=True)
        self.run("-m", "django", "migrate", "--verbosity", "0")
        self.run("fill.py", "fill", str(seed))

    def lose(self) -> None:
        """Nothing is left."""
        shutil.rmtree(self.media)
        if self.url.startswith("sqlite"):
            Path(urlsplit(self.url).path[1:]).unlink()
        else:
            script = "from django.db import connection as c\nimport django; django.setup()\n"
            self.run("-c", f"{script}c.cursor().execute('DROP SCHEMA public CASCADE; CREATE SCHEMA public')")

    def told(self) -> object:
        """What the EDMS itself says it holds."""
        path = self.folder / "told.json"
        self.run("fill.py", "tell", str(path))
        return json.loads(path.read_text(encoding="utf-8"))

    def picture(self) -> dict[str, object]:
        """All that is there, read by others than the product."""
        sqlite = self.url.startswith("sqlite")
        rows = picture_of_sqlite(Path(urlsplit(self.url).path[1:])) if sqlite else picture_of_postgres(self.url)
        return {**rows, "files": picture_of_files(self.media)}

    def settings(self) -> Settings:
        edms = {
            "project": str(self.folder / "project"),
            "settings": "archive_settings",
            "python": str(self.python),
            "env": self.env,
        }
        repository = {"url": str(self.folder / "repository")}
        return settings_from(
            {"edms": edms, "repository": repository, "workdir": str(self.folder / "work")}, where=self.folder / "x"
        )


@pytest.fixture
def archive_on(python: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Callable[[str], Archive]:
    """An installation on an engine, with migrations that its own Django wrote."""

    def make(engine: str) -> Archive:
        shutil.copytree(PROJECT, tmp_path / "project", ignore=shutil.ignore_patterns("__pycache__"))
        sqlite = f"sqlite:///{tmp_path / 'archive.sqlite3'}"
        archive = Archive(
            python, tmp_path, sqlite if engine == "sqlite" else request.getfixturevalue("postgres_database")
        )
        archive.run("-m", "django", "makemigrations", "archive")
        return archive

    return make


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_lost_rows_are_restored(engine: str, archive_on: Callable[[str], Archive], environment: Environment) -> None:
    archive = archive_on(engine)
    archive.set_up(seed=1)
    before, told_before = archive.picture(), archive.told()

    snapshot = run_backup(archive.settings())
    archive.lose()
    archive.set_up(seed=2)
    reinitialised = archive.picture()
    result = run_restore(archive.settings(), snapshot="latest")

    assert snapshot.verified and snapshot.problems == ()
    assert snapshot.manifest.edms.python.startswith(f"{environment.python}.")
    assert len(differences(before, reinitialised)) > 5
    assert (result.success, result.promoted, result.failures) == (True, True, ())
    assert differences(before, archive.picture()) == []
    assert archive.told() == told_before
    assert "The EDMS's own `check` passed on the restored database." in result.notes
    archive.run("-m", "django", "migrate", "--check")
    archive.run("-m", "django", "makemigrations", "--check", "--dry-run")


def test_the_probe_reports_the_same_in_every_environment(
    archive_on: Callable[[str], Archive], environment: Environment
) -> None:
    archive = archive_on("sqlite")
    archive.set_up(seed=1)

    report = run_probe(archive.settings(), lookups=True)

    models = {model.label: model for model in report.models}
    document = models["archive.Document"]
    assert report.python.startswith(f"{environment.python}.")
    assert report.django.startswith(environment.packages[0].partition("==")[2].rstrip("*"))
    assert (report.database_error, report.migrations_unapplied, report.findings) == (None, (), ())
    assert document.natural_key is not None and document.natural_key.paths == (("shelf_id", "code"), ("number",))
    assert [unique.columns for unique in document.uniques] == [("shelf_id", "number")]
    assert [field.file_root for field in document.fields if field.name == "file"] == ["media"]
    assert [generic.declared for generic in models["archive.Remark"].generics] == [True]
    assert models["archive.Contract"].parents == ("archive_document",)
    assert models["archive.Document_labels"].auto_created and not models["archive.Reading"].auto_created
    assert {field.name: field.reference_table for field in models["archive.Shelf"].fields}["inside"] == "archive_shelf"
    assert [(root.name, root.path) for root in report.file_roots] == [("media", str(archive.media))]


def test_the_probe_reports_the_same_through_a_command(archive_on: Callable[[str], Archive], python: Path) -> None:
    archive = archive_on("sqlite")
    archive.set_up(seed=1)
    settings = archive.settings()
    edms = settings.edms.model_dump() | {"python": None, "command": (str(python),), "database_url": archive.url}
    through = settings_from({"edms": edms, "files": {"roots": {"media": archive.media}}}, where=archive.folder / "x")

    here = run_probe(settings)
    elsewhere = Surroundings(urls=here.surroundings.urls)  # its folders may be on another machine
    roots = tuple(root.model_copy(update={"path_there": root.path}) for root in here.file_roots)
    assert run_probe(through) == here.model_copy(update={"surroundings": elsewhere, "file_roots": roots})


def test_no_package_of_ours_is_installed_there(python: Path) -> None:
    script = f"import importlib.util as u; print([name for name in {OURS} if u.find_spec(name)])"

    found = subprocess.run([python, "-c", script], cwd=python.parent, capture_output=True, text=True, check=True)

    assert found.stdout.strip() == "[]"
