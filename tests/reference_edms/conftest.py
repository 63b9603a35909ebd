"""A reference EDMS in a folder of its own, driven as an administrator drives it: by its commands."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.warm_python import edms_python

PROJECT = Path(__file__).resolve().parents[2] / "reference_edms"


@dataclass(frozen=True)
class Edms:
    """One installation: its database file, its files, its commands."""

    folder: Path

    @property
    def database(self) -> Path:
        return self.folder / "edms.sqlite3"

    @property
    def media(self) -> Path:
        return self.folder / "media"

    def run(self, *arguments: str, code: str | None = None, expect: int = 0) -> str:
        """Run a management command (or Python code in the shell) and return what it printed."""
        environment = {
            **os.environ,
            "REFERENCE_EDMS_DATABASE": f"sqlite:///{self.database}",
            "REFERENCE_EDMS_MEDIA": str(self.media),
        }
        command = [edms_python(), str(PROJECT / "manage.py"), *arguments]
        done = subprocess.run(
            command, env=environment, input=code or "", capture_output=True, text=True, cwd=self.folder
        )
        assert done.returncode == expect, done.stdout + done.stderr
        return done.stdout + done.stderr

    def python(self, code: str) -> str:
        """Run code inside the EDMS; an exception fails the test."""
        return self.run("shell", "-c", code)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Read straight from the database file."""
        with self.connection() as connection:
            return connection.execute(query).fetchall()

    @contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        """Open the database without Django."""
        with closing(sqlite3.connect(self.database)) as connection, connection:
            yield connection

    def tables(self) -> list[str]:
        """Name every table that holds rows of a model."""
        found = self.rows("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        return [name for (name,) in found if not name.startswith("sqlite_")]


@pytest.fixture(scope="session")
def fresh_template(tmp_path_factory: pytest.TempPathFactory) -> Edms:
    """An installation with default rows, made once to be copied."""
    edms = Edms(tmp_path_factory.mktemp("fresh"))
    edms.run("reinit")
    return edms


@pytest.fixture(scope="session")
def populated_template(fresh_template: Edms, tmp_path_factory: pytest.TempPathFactory) -> Edms:
    """An installation with sixty documents, made once to be copied."""
    edms = _copy(fresh_template, tmp_path_factory.mktemp("populated"))
    edms.run("populate", "--documents", "60", "--seed", "7")
    return edms


@pytest.fixture
def fresh_edms(fresh_template: Edms, tmp_path: Path) -> Edms:
    """An installation with its default rows only."""
    return _copy(fresh_template, tmp_path)


@pytest.fixture
def other_fresh_edms(fresh_template: Edms, tmp_path: Path) -> Edms:
    """A second installation that was set up just like the first."""
    return _copy(fresh_template, tmp_path / "other")


@pytest.fixture
def populated_edms(populated_template: Edms, tmp_path: Path) -> Edms:
    """An installation with sixty documents."""
    return _copy(populated_template, tmp_path)


@pytest.fixture
def second_edms(tmp_path: Path) -> Edms:
    """Another installation, whose default rows have other ids."""
    folder = tmp_path / "second"
    folder.mkdir()
    edms = Edms(folder)
    edms.run("reinit", "--offset-ids")
    return edms


def _copy(template: Edms, folder: Path) -> Edms:
    shutil.copytree(template.folder, folder, dirs_exist_ok=True)
    return Edms(folder)
