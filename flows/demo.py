"""The demo: fill a real EDMS, back it up, destroy it, and restore it proved equal, in a folder of its own.

It runs the same flows as the commands. Only the reference EDMS's own `manage.py` creates and destroys.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import tomlkit
from sqlalchemy import create_engine, text

from edms_tasks.databases import DatabaseAddress
from edms_tasks.durable import write_durably
from edms_tasks.errors import CommandError, TerminalError
from edms_tasks.repository.encrypted_repository import make_encrypted
from edms_tasks.settings import Settings, load_settings
from flows.backing_up.backup_result import BackupResult
from flows.backup import backup
from flows.inspection import inspect
from flows.requests import BackupRequest, InspectRequest, RestoreRequest
from flows.restore import restore
from flows.restoring.restore_result import RestoreResult
from flows.running.flow_decorators import task
from flows.running.run import Run
from flows.running.threads import ThreadRunner

if TYPE_CHECKING:
    from rich.console import Console

# Rows that every installation creates: queries of their names and ids.
_DEFAULT_ROWS = {
    "users.Role": "SELECT name, id FROM users_role",
    "documents.DocumentType": "SELECT code, id FROM documents_documenttype",
    "contenttypes.ContentType": "SELECT app_label || '.' || model, id FROM django_content_type",
}


@dataclass(frozen=True)
class ModelRowCounts:
    """The number of a model's rows before the loss, after it, and after the restore."""

    model: str
    before: int
    lost: int
    restored: int

    def as_json(self) -> dict[str, Any]:
        """The result for `--json`."""
        return {
            "model": self.model,
            "rows_before": self.before,
            "rows_after_loss": self.lost,
            "rows_restored": self.restored,
        }


@dataclass(frozen=True)
class DemoResult:
    """The result of the demo: rows before the loss and after the restore, and the evidence."""

    models: tuple[ModelRowCounts, ...]
    files: tuple[int, int, int]  # before, after the loss, restored
    changed_ids: dict[str, int]  # model -> number of default rows that got another id after the loss
    restored_ids: dict[str, int]  # model -> number of those that have their former id again
    backup: BackupResult
    restore: RestoreResult
    seconds: dict[str, float]
    folder: Path
    kept: bool

    @property
    def proved(self) -> bool:
        """Whether the backup is verified, the restore is proved and live, and all counts and ids are as before."""
        return (
            self.backup.verified
            and self.restore.success
            and self.restore.promoted
            and all(model.before == model.restored for model in self.models)
            and self.files[0] == self.files[2]
            and self.changed_ids == self.restored_ids
        )

    def as_json(self) -> dict[str, Any]:
        """The result for `--json`."""
        return {
            "proved": self.proved,
            "models": [model.as_json() for model in self.models],
            "files": dict(zip(("before", "after_loss", "restored"), self.files, strict=True)),
            "changed_ids": self.changed_ids,
            "restored_ids": self.restored_ids,
            "backup": self.backup.as_json(),
            "restore": self.restore.as_json(),
            "seconds": self.seconds,
            "folder": str(self.folder),
            "kept": self.kept,
        }


def run_demo(
    *, keep: bool = False, postgres: str | None = None, documents: int = 1000, console: Console | None = None
) -> DemoResult:
    """Run the demo. The reports stay in the folder; with `keep`, so do EDMS, repository and settings."""
    folder = Path(tempfile.mkdtemp(prefix="edms-backup-demo-"))
    try:
        with _database(postgres, folder, keep=keep) as url:
            result = _tell_the_story(folder, url, documents, console, keep=keep)
    except BaseException:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)
        raise
    if not keep:
        _remove_all_but_reports(folder)
    return result


def _tell_the_story(folder: Path, url: str, documents: int, console: Console | None, *, keep: bool) -> DemoResult:
    edms = _Edms(folder, url)
    runner = ThreadRunner(console)
    with runner.stage("create the EDMS"):
        runner.call(manage, "migrate", edms, "migrate", "--verbosity", "0")
        how_many = ("--documents", str(documents), "--seed", "1")
        runner.call(manage, f"create {documents:,} documents", edms, "populate", *how_many)
    settings = load_settings(edms.write_settings())
    make_encrypted(settings.repository, "demo")  # as `edms-backup init` makes it
    ids_before, files_before = edms.default_ids(), edms.file_count()

    runner.say("now the backup")
    made = backup.fn(Run(settings, ThreadRunner(console)), BackupRequest(tag="demo"))
    before = {entry.table.label: entry.state.rows for entry in made.manifest.tables}

    with runner.stage("destroy"):
        runner.call(manage, "re-initialise", edms, "reinit", "--offset-ids", "--noinput")
    lost, files_lost, ids_lost = _rows(settings), edms.file_count(), edms.default_ids()

    runner.say("now the restore")
    done = restore.fn(Run(settings, ThreadRunner(console)), RestoreRequest(snapshot="demo", confirm=True))
    restored, ids_restored = _rows(settings), edms.default_ids()

    changed = {
        model: {name for name, key in ids.items() if ids_lost[model].get(name, key) != key}
        for model, ids in ids_before.items()
    }
    return DemoResult(
        models=tuple(
            ModelRowCounts(model, before.get(model, 0), lost.get(model, 0), restored.get(model, 0))
            for model in sorted(before | lost | restored)
        ),
        files=(files_before, files_lost, edms.file_count()),
        changed_ids={model: len(names) for model, names in changed.items()},
        restored_ids={
            model: sum(ids_restored[model].get(name) == ids_before[model][name] for name in names)
            for model, names in changed.items()
        },
        backup=made,
        restore=done,
        seconds={
            **runner.seconds,
            **{f"backup: {stage}": taken for stage, taken in made.seconds.items()},
            **{f"restore: {stage}": taken for stage, taken in done.seconds.items()},
        },
        folder=folder,
        kept=keep,
    )


@task(name="manage", tags=["demo"], task_run_name="{purpose}")
def manage(purpose: str, edms: _Edms, *arguments: str) -> None:
    """Run a management command of the demo's EDMS."""
    edms.manage(*arguments)


class _Edms:
    """An installation of the reference EDMS in the demo's folder."""

    def __init__(self, folder: Path, url: str) -> None:
        found = find_spec("reference_edms")
        if found is None or found.origin is None:
            raise TerminalError("The reference EDMS is not installed.", fix="Install edms-backup again.")
        self.project = Path(found.origin).parent
        self.folder = folder
        self.media = folder / "media"
        self.media.mkdir()
        self.url = url
        self.env = {
            "REFERENCE_EDMS_DATABASE": url,
            "REFERENCE_EDMS_MEDIA": str(self.media),
            "REFERENCE_EDMS_SECRET_KEY": secrets.token_urlsafe(32),
        }

    def manage(self, *arguments: str) -> None:
        """Run a management command."""
        inherited = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "DJANGO_SETTINGS_MODULE")}
        done = subprocess.run(
            [sys.executable, str(self.project / "manage.py"), *arguments],
            env=inherited | self.env,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise TerminalError(
                f"`manage.py {arguments[0]}` of the reference EDMS failed.",
                where=str(self.folder),
                why="\n".join(done.stderr.strip().splitlines()[-3:]),
                fix="Run the demo again with --keep to look into its folder.",
            )

    def write_settings(self) -> Path:
        """Write the settings file that the backup and the restore read."""
        settings = {
            "workdir": str(self.folder / "work"),
            "repository": {
                "url": str(self.folder / "repository"),
                "write_key": str(self.folder / "edms-backup.write-key"),
                "identity": str(self.folder / "edms-backup.recovery-key"),
            },
            "edms": {
                "project": str(self.project),
                "settings": "config.settings",
                "python": sys.executable,
                "env": dict(self.env),
            },
        }
        path = self.folder / "edms-backup.toml"
        write_durably(path, tomlkit.dumps(settings))
        return path

    def default_ids(self) -> dict[str, dict[str, int]]:
        """Model -> name of a default row -> its present id."""
        engine = create_engine(DatabaseAddress.from_url(self.url).sqlalchemy_url())
        try:
            with engine.connect() as connection:
                return {
                    model: {str(name): int(key) for name, key in connection.execute(text(query))}
                    for model, query in _DEFAULT_ROWS.items()
                }
        finally:
            engine.dispose()

    def file_count(self) -> int:
        """The number of files in the media folder."""
        return sum(len(files) for _, _, files in os.walk(self.media))


def _rows(settings: Settings) -> dict[str, int]:
    inspection = inspect.fn(Run(settings), InspectRequest())
    return {table.label: inspection.rows[table.id] for table in inspection.inventory.tables}


@contextmanager
def _database(postgres: str | None, folder: Path, *, keep: bool) -> Iterator[str]:
    """The URL of the demo's own database. On PostgreSQL it is dropped afterwards, with the databases made beside it."""
    if postgres is None:
        yield f"sqlite:///{quote(str(folder / 'edms.sqlite3'))}"
        return
    server = DatabaseAddress.from_url(postgres)
    if server.is_file:
        raise CommandError(
            "--postgres needs the URL of a PostgreSQL server.", fix="postgresql://user:password@host:port/postgres"
        )
    name = f"edms_backup_demo_{secrets.token_hex(4)}"
    _on_server(server, lambda run: run(f"CREATE DATABASE \"{name}\" TEMPLATE template0 ENCODING 'UTF8'"))
    try:
        yield server.renamed(name).url()
    finally:
        if not keep:
            _on_server(server, lambda run: _drop_all(run, name))


def _drop_all(run: Callable[[str], list[str]], prefix: str) -> None:
    # Databases that a restore makes have names that begin with the database's name, which is random here.
    for name in run("SELECT datname FROM pg_database"):
        if name.startswith(prefix):
            run('DROP DATABASE "{}" WITH (FORCE)'.format(name.replace('"', '""')))


def _on_server(server: DatabaseAddress, work: Callable[[Callable[[str], list[str]]], object]) -> None:
    from edms_tasks.databases.postgresql.connection import connected

    with connected(server) as connection:

        def run(statement: str) -> list[str]:
            cursor = connection.execute(statement.encode())
            return [str(row[0]) for row in cursor.fetchall()] if cursor.description else []

        work(run)


def _remove_all_but_reports(folder: Path) -> None:
    work = folder / "work"
    for path in (*folder.iterdir(), *work.iterdir()):
        if path in (work, work / "reports"):
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
