"""The zoo of one engine: opened, backed up, restored into a fresh database, and both halves grown by a day in copies."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edms_tasks.manifest import Manifest
from edms_tasks.settings import Settings, settings_from
from flows.restoring.restore_result import RestoreResult
from tests.postgres_server import PostgresServer
from tests.reference_system import Engine
from tests.running import run_backup, run_restore
from tests.warm_python import edms_python

PROJECT = Path(__file__).with_name("project")
EXTENSIONS = ("citext", "hstore")


@dataclass(frozen=True)
class Belongings:
    """The relations of one trait, by the name Django calls them; with the label of their model where they have one."""

    tables: dict[str, str | None]
    views: dict[str, str | None]
    references: dict[str, dict[str, str]]  # model's label -> column -> label of the model it points at


@dataclass(frozen=True)
class Zoo:
    """What was, what the backup says of it, and what came back."""

    traits: dict[str, Belongings]
    settings: Settings
    source: str  # URLs
    restored: str
    manifest: Manifest
    result: RestoreResult
    grown_source: str  # copies in which each trait got new rows
    grown_restored: str
    growing_pains: dict[str, str]  # trait -> what kept the restored one from growing, "" for nothing


def trait_names(engine: Engine) -> list[str]:
    """The traits of an engine: the names of the files that describe them."""
    apps = ["zoo"] if engine == "sqlite" else ["zoo", "zoo_postgresql"]
    return sorted(path.stem for app in apps for path in (PROJECT / app / "traits").glob("[!_]*.py"))


def open_zoo(engine: Engine, folder: Path, server: PostgresServer | None, name: str) -> Zoo:
    """Fill the zoo, back it up, restore it with `--into`; on PostgreSQL the databases' names begin with `name`."""
    place = _Place(folder, server, name)
    source = place.create("source")
    environment = {"ZOO_DATABASE": source, "ZOO_EXTENSIONS": ",".join(place.create_extensions())}
    traits = {trait: Belongings(**found) for trait, found in ask_keeper("fill", environment).items()}
    settings = settings_from(
        {
            "edms": {"project": str(PROJECT), "settings": "zoo_settings", "python": edms_python(), "env": environment},
            "repository": {"url": str(folder / "repository")},
            "workdir": str(folder / "work"),
            "chunk_rows": 3,  # forces every boundary
        },
        where=folder / "edms-backup.toml",
    )
    backup = run_backup(settings)
    result = run_restore(settings, snapshot=backup.snapshot_id, into=place.target("restored"))
    assert result.success, result.failures
    grown = [place.copy(half, f"grown_{half}") for half in ("source", "restored")]
    pains = [ask_keeper("grow", environment | {"ZOO_DATABASE": url}) for url in grown]
    assert not any(pains[0].values()), pains[0]
    return Zoo(traits, settings, source, place.url("restored"), backup.manifest, result, *grown, growing_pains=pains[1])


@dataclass(frozen=True)
class _Place:
    """Where databases stand: files in a folder, or on a server under names with one beginning."""

    folder: Path
    server: PostgresServer | None
    name: str

    def target(self, half: str) -> str:
        return str(self.folder / f"{half}.sqlite3") if self.server is None else f"{self.name}_{half}"

    def url(self, half: str) -> str:
        return f"sqlite:///{self.target(half)}" if self.server is None else self.server.url(self.target(half))

    def create(self, half: str) -> str:
        return self.url(half) if self.server is None else self.server.create_database(self.target(half))

    def copy(self, half: str, to: str) -> str:
        if self.server is None:
            shutil.copyfile(self.target(half), self.target(to))
            return self.url(to)
        return self.server.create_database(self.target(to), template=self.target(half))

    def create_extensions(self) -> list[str]:
        """Those of `EXTENSIONS` that the server offers; the traits of the others are left out."""
        if self.server is None:
            return []
        with self.server.connect(self.target("source")) as connection:
            rows = connection.execute("SELECT name FROM pg_available_extensions").fetchall()
            found = [extension for extension in EXTENSIONS if (extension,) in rows]
            for extension in found:
                connection.execute(f"CREATE EXTENSION {extension}".encode())
        return found


def ask_keeper(mode: str, environment: dict[str, str]) -> dict[str, Any]:
    """What the zoo's own program says, run in a process of its own."""
    kept = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "DJANGO_SETTINGS_MODULE")}
    done = subprocess.run(
        [edms_python(), str(PROJECT / "keeper.py"), mode],
        env=kept | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-6000:]
    said: dict[str, Any] = json.loads(done.stdout)
    return said
