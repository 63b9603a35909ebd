"""Reference EDMS installations for tests: a database, a media folder and the commands that manage them.

Populating takes seconds, so each distinct population is made once a session as a *template* and copied for each test;
the copies share nothing with it, since tests damage what they are given. Templates serve all processes of a session:
SQLite's as they are; PostgreSQL's as dumps, since each process has a server of its own.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from tests.postgres_server import PostgresServer
from tests.warm_python import edms_python

Engine = Literal["sqlite", "postgresql"]

PROJECT = Path(__file__).resolve().parent.parent / "reference_edms"
SECRET_KEY = "a secret key that only tests use"


@dataclass(frozen=True)
class ReferenceEdms:
    """One installation of the reference EDMS, to be read, damaged and destroyed as a test likes."""

    engine: Engine
    database_url: str
    media: Path
    project: Path = PROJECT
    secret_key: str = field(default=SECRET_KEY, repr=False)

    @property
    def env(self) -> dict[str, str]:
        """The variables that the EDMS reads its settings from."""
        return {
            "REFERENCE_EDMS_DATABASE": self.database_url,
            "REFERENCE_EDMS_MEDIA": str(self.media),
            "REFERENCE_EDMS_SECRET_KEY": self.secret_key,
        }

    @property
    def database_path(self) -> Path:
        """The file of an SQLite database."""
        if self.engine != "sqlite":
            raise ValueError(f"a {self.engine} database is no file")
        return Path(self.database_url.removeprefix("sqlite:///"))

    @property
    def database_name(self) -> str:
        """The name of a PostgreSQL database on its server."""
        if self.engine != "postgresql":
            raise ValueError(f"a {self.engine} database has no name")
        return urlsplit(self.database_url).path.removeprefix("/")

    def manage(self, *args: str, check: bool = True, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run a management command; with `check`, a failure shows what the command said."""
        done = subprocess.run(
            [edms_python(), str(self.project / "manage.py"), *args],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            env=self._process_environment(),
        )
        if check and done.returncode:
            said = f"{done.stdout[-4000:]}\n{done.stderr[-8000:]}"
            raise AssertionError(f"manage.py {' '.join(args)} exited with {done.returncode}\n{said}")
        return done

    def settings_file(
        self, path: Path, repository: Path | str, *, workdir: Path | str | None = None, extra: str = ""
    ) -> Path:
        """Write an `edms-backup.toml` for this installation; `extra` is TOML that is put at its end."""
        top = {"workdir": str(workdir or path.parent / "work")}
        edms = {"project": str(self.project), "settings": "config.settings", "python": edms_python()}
        sections: dict[str, Mapping[str, str]] = {
            "edms": edms,
            "edms.env": self.env,
            "repository": {"url": str(repository)},
        }
        text = _assignments(top)
        text += "".join(f"\n[{name}]\n{_assignments(values)}" for name, values in sections.items())
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + (f"\n{extra}\n" if extra else ""), encoding="utf-8")
        return path

    def _process_environment(self) -> dict[str, str]:
        # PYTHONPATH and settings of whoever runs the tests must not decide which EDMS is loaded.
        dropped = {"PYTHONPATH", "DJANGO_SETTINGS_MODULE"}
        return {key: value for key, value in os.environ.items() if key not in dropped} | self.env


class ReferenceEdmsFactory:
    """Gives installations of the reference EDMS: `factory("sqlite", documents=20, seed=1)`."""

    def __init__(self, templates: EdmsTemplates, folder: Path, postgres_name: str) -> None:
        self._templates = templates
        self._folder = folder
        self._postgres_name = postgres_name
        self._made = 0

    def __call__(self, engine: Engine, *, documents: int = 20, seed: int = 1, populate: bool = True) -> ReferenceEdms:
        """Return a new, populated installation; with `populate=False` it is only migrated."""
        self._made += 1
        template = self._templates.get(engine, documents if populate else None, seed)
        folder = self._folder / f"edms-{self._made}"
        name = f"{self._postgres_name}_edms{self._made}"
        return self._templates.copy(template, folder, name)

    @property
    def postgres_name(self) -> str:
        """What the names of all PostgreSQL databases of this test begin with."""
        return self._postgres_name


class EdmsTemplates:
    """The populated installations of a session, each made when it is first asked for.

    Args:
        folder: of this process alone.
        shared: of all processes of the session; by default, this process is the only one.
    """

    def __init__(self, folder: Path, postgres: LazyPostgres, shared: Path | None = None) -> None:
        self._folder = folder
        self._shared = shared or folder
        self._shared.mkdir(parents=True, exist_ok=True)
        self._postgres = postgres
        self._made: dict[tuple[Engine, int | None, int], ReferenceEdms] = {}

    def get(self, engine: Engine, documents: int | None, seed: int) -> ReferenceEdms:
        """Return the template with so many documents; None stands for one that was migrated, not populated."""
        key = (engine, documents, seed if documents is not None else 0)
        if key not in self._made:
            self._made[key] = self._make(*key)
        return self._made[key]

    def copy(self, template: ReferenceEdms, folder: Path, postgres_name: str) -> ReferenceEdms:
        """Copy a template's database and files to an installation of its own."""
        folder.mkdir(parents=True)
        media = folder / "media"
        # Copies, not links: a test that flips a byte in a file must not reach the template.
        shutil.copytree(template.media, media, symlinks=True)
        if template.engine == "sqlite":
            target = folder / "edms.sqlite3"
            # The backup API and not a file copy: what is still in a write-ahead log comes along.
            with sqlite3.connect(template.database_path) as source, sqlite3.connect(target) as destination:
                source.backup(destination)
            source.close()
            destination.close()
            url = f"sqlite:///{target}"
        else:
            url = self._postgres.server.create_database(postgres_name, template=template.database_name)
        return ReferenceEdms(engine=template.engine, database_url=url, media=media)

    def _make(self, engine: Engine, documents: int | None, seed: int) -> ReferenceEdms:
        label = f"{engine}_{'empty' if documents is None else documents}_{seed}"
        folder, name = self._shared / label, f"template_{label}"
        dump = folder / "database.dump"
        with one_at_a_time(self._shared / f"{label}.lock"):
            if not folder.exists():
                unfinished = folder.with_name(f"{label}.part")
                made = self._populated(engine, unfinished, name, documents, seed)
                if engine == "postgresql":
                    self._run_program("pg_dump", "-Fc", "-f", unfinished / dump.name, made.database_url)
                unfinished.rename(folder)
                if engine == "postgresql":
                    return ReferenceEdms(engine, made.database_url, folder / "media")
        if engine == "sqlite":
            return ReferenceEdms(engine, f"sqlite:///{folder / 'edms.sqlite3'}", folder / "media")
        url = self._postgres.server.create_database(name)
        self._run_program("pg_restore", "--exit-on-error", "-d", url, dump)
        return ReferenceEdms(engine, url, folder / "media")

    def _run_program(self, name: str, *words: str | Path) -> None:
        subprocess.run([self._postgres.server.bin_dir / name, *words], check=True, capture_output=True)

    def _populated(self, engine: Engine, folder: Path, name: str, documents: int | None, seed: int) -> ReferenceEdms:
        if documents is not None:
            edms = self.copy(self.get(engine, None, 0), folder, name)
            edms.manage("populate", "--documents", str(documents), "--seed", str(seed))
            return edms
        (folder / "media").mkdir(parents=True)
        url = (
            f"sqlite:///{folder / 'edms.sqlite3'}"
            if engine == "sqlite"
            else self._postgres.server.create_database(name)
        )
        edms = ReferenceEdms(engine=engine, database_url=url, media=folder / "media")
        edms.manage("migrate", "--verbosity", "0")
        return edms


@contextmanager
def one_at_a_time(lock: Path) -> Iterator[None]:
    """What one process of the session does at a time."""
    with lock.open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


class LazyPostgres:
    """A PostgreSQL server that is started when it is first needed: SQLite's tests do without."""

    def __init__(self) -> None:
        self._server: PostgresServer | None = None

    @property
    def server(self) -> PostgresServer:
        """The running server; its programs are from now on the first in the PATH."""
        if self._server is None:
            self._server = PostgresServer(in_memory=True).__enter__()
            # pg_dump refuses a server newer than itself; the programs and the server must be of one version.
            os.environ["PATH"] = f"{self._server.bin_dir}{os.pathsep}{os.environ.get('PATH', '')}"
        return self._server

    @property
    def started(self) -> bool:
        """Whether anything needed the server so far."""
        return self._server is not None

    def stop(self) -> None:
        """Stop the server, if it was ever started."""
        if self._server is not None:
            self._server.stop()


def _assignments(values: Mapping[str, str]) -> str:
    # A JSON string is a TOML string, with the exception of characters that no path here has.
    return "".join(f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in values.items())
