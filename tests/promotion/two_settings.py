"""A small EDMS with two settings files of their own work folders, and steps at each of which another command can be tried."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg

from edms_tasks.settings import Settings, settings_from
from flows.backup import BackupResult
from flows.restoring.restore_result import RestoreResult
from flows.running.flow_decorators import Task
from flows.running.threads import ThreadRunner
from tests.inventory.small_project import small_project
from tests.running import run_backup, run_restore
from tests.warm_python import edms_python

MODELS = "class Document(models.Model):\n    number = models.CharField(max_length=40, unique=True)\n    file = models.FileField()\n"


class Trying(ThreadRunner):
    """A runner that calls `attempt` with the name of each stage and step before it begins, and not from within an attempt."""

    def __init__(self, attempt: Callable[[str], None]) -> None:
        super().__init__()
        self.points: list[str] = []
        self.said: list[str] = []
        self._attempt_at = attempt
        self._mapping = False

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        self._try(f"stage {name}")
        with super().stage(name):
            yield

    def call(self, task: Task[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        if not self._mapping:
            self._try(task.title(*args, **kwargs))
        return super().call(task, *args, **kwargs)

    def map(self, jobs: int, task: Task[..., Any], items: Sequence[Any], /, *args: Any, **kwargs: Any) -> Any:
        if items:
            self._try(task.title(items[0], *args, **kwargs))
        self._mapping = True
        try:
            return super().map(jobs, task, items, *args, **kwargs)
        finally:
            self._mapping = False

    def say(self, line: str) -> None:
        self.said.append(line)

    def _try(self, point: str) -> None:
        self.points.append(point)
        self._attempt_at(point)


@dataclass(frozen=True)
class SmallEdms:
    """The EDMS, and its settings twice: another work folder, another repository file, the same target."""

    folder: Path
    first: Settings
    second: Settings
    url: str | None = None  # of the database, on PostgreSQL

    def backup(self, settings: Settings | None = None) -> BackupResult:
        return run_backup(settings or self.first)

    def restore(self, settings: Settings | None = None, **options: Any) -> RestoreResult:
        return run_restore(settings or self.first, snapshot="latest", **options)

    def set_to(self, state: str) -> None:
        """Make rows and files say the same word."""
        (self.folder / "media" / "a.txt").write_text(state, encoding="utf-8")
        with self._connected() as connection:
            connection.execute("DELETE FROM small_document")
            connection.execute(f"INSERT INTO small_document (number, file) VALUES ('{state}', 'a.txt')")

    def lose_the_database(self) -> None:
        """Leave no live database to set aside."""
        if self.url is None:
            (self.folder / "db.sqlite3").unlink()
            return
        server, _, name = self.url.rpartition("/")
        with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{name}"'.encode())

    def state(self) -> tuple[str, str]:
        """What rows and files say, asked of the database itself."""
        with self._connected() as connection:
            rows = connection.execute("SELECT number FROM small_document").fetchall()
        return ",".join(number for (number,) in rows), (self.folder / "media" / "a.txt").read_text(encoding="utf-8")

    @contextmanager
    def _connected(self) -> Iterator[Any]:
        if self.url is not None:
            with psycopg.connect(self.url) as postgres:
                yield postgres
        else:
            with closing(sqlite3.connect(self.folder / "db.sqlite3")) as sqlite, sqlite:
                yield sqlite


def small_edms(folder: Path, url: str | None = None) -> SmallEdms:
    """Made anew, on SQLite or on an empty PostgreSQL database."""
    project = folder / "project"
    text = "MEDIA_ROOT = str(BASE / 'media')"
    if url is not None:
        parts = urlsplit(url)
        text += (
            f"\nDATABASES = {{'default': {{'ENGINE': 'django.db.backends.postgresql', 'NAME': {parts.path[1:]!r}, "
            f"'HOST': {parts.hostname!r}, 'PORT': '{parts.port}', 'USER': {parts.username!r}, 'PASSWORD': {parts.password or ''!r}}}}}"
        )
    small_project(project, MODELS, settings=text)
    (project / "media").mkdir()
    values = {
        "edms": {"project": str(project), "settings": "small_settings", "python": edms_python()},
        "repository": {"url": str(folder / "repository")},
        "validate": {"django_check": False},
    }
    first, second = (
        settings_from({**values, "workdir": str(folder / name)}, where=folder / f"{name}.toml")
        for name in ("first", "second")
    )
    return SmallEdms(project, first, second, url)
