"""Our own commands, run like a user runs them, and the results from their JSON. A run that is not proved is not measured."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.installation import ROOT, environment
from benchmarks.measured import Measured, run_measured
from edms_tasks.repository import Repository
from edms_tasks.settings import RepositorySettings
from tests.reference_system import ReferenceEdms

COMMAND = [sys.executable, "-m", "flows.cli.app"]

# Asking the EDMS for its models starts its Python; reading all back is the verification: pg_dump does neither, nor files.
_NOT_DATABASE = ("inspect", "files", "verify")


@dataclass(frozen=True)
class Backup:
    """One run of `edms-backup backup`."""

    snapshot: str
    rows: int
    files: int
    seconds: Mapping[str, float]  # by stage
    whole: Measured
    table_bytes: int  # the tables' chunks and the schema, as stored
    repository_bytes: int  # all that the repository holds after it

    @property
    def database_seconds(self) -> float:
        """The seconds without asking the EDMS, storing files and reading back."""
        return sum(seconds for stage, seconds in self.seconds.items() if stage not in _NOT_DATABASE)

    @property
    def verified_seconds(self) -> float:
        """The same, with every object read back and checked."""
        return self.database_seconds + self.seconds["verify"]

    @property
    def file_seconds(self) -> float:
        """Storing the files and matching them with the rows that name them."""
        return self.seconds["files"]


@dataclass(frozen=True)
class Restore:
    """One run of `edms-backup restore --into`."""

    rows: int
    seconds: Mapping[str, float]
    whole: Measured

    @property
    def restored_seconds(self) -> float:
        """The seconds until the database has its rows, indexes and constraints."""
        return self.seconds["stage"] + self.seconds["restore"]

    @property
    def proved_seconds(self) -> float:
        """The seconds until it is validated and in its final place."""
        return sum(seconds for stage, seconds in self.seconds.items() if stage != "open")


@dataclass(frozen=True)
class Protected:
    """An EDMS with settings in `folder`, and a repository of its own there, or at `url`; `extra` is TOML for the settings."""

    edms: ReferenceEdms
    folder: Path
    url: str = ""
    extra: str = ""

    @property
    def config(self) -> Path:
        """The settings file, written on first use."""
        path = self.folder / "edms-backup.toml"
        if not path.exists():
            self.edms.settings_file(path, self.url or self.repository, extra=self.extra)
        return path

    @property
    def repository(self) -> Path:
        """The repository's folder."""
        return self.folder / "repository"

    def backup(self, *options: str, env: Mapping[str, str] | None = None) -> Backup:
        """Back up; raises RuntimeError where the snapshot is not verified."""
        whole = self.run("backup", *options, env=env)
        said = json.loads(whole.output)
        if not said["verified"] or said["problems"]:
            raise RuntimeError(f"the backup is not verified: {said['problems']}")
        manifest = Repository.open(RepositorySettings(url=str(self.repository))).read_manifest(said["snapshot"])
        return Backup(
            snapshot=said["snapshot"],
            rows=said["rows"],
            files=said["files"],
            seconds=said["seconds"],
            whole=whole,
            table_bytes=sum(table.stored_bytes for table in manifest.tables) + manifest.native_schema.object.size,
            repository_bytes=sum(path.stat().st_size for path in self.repository.rglob("*") if path.is_file()),
        )

    def restore(self, backup: Backup, into: str) -> Restore:
        """Restore beside the live database; raises RuntimeError where it is not proved, or has other rows."""
        files = self.folder / "restored-files"
        shutil.rmtree(files, ignore_errors=True)
        whole = self.run("restore", backup.snapshot, "--into", into, "--into-files", str(files), "--yes")
        said = json.loads(whole.output)
        if not said["success"] or said["failures"] or (said["rows"], said["files"]) != (backup.rows, backup.files):
            raise RuntimeError(f"the restore is not proved: {said['rows']} rows, {said['failures']}")
        return Restore(rows=said["rows"], seconds=said["seconds"], whole=whole)

    def forget(self) -> None:
        """Remove settings, repository and whatever the runs left beside them."""
        shutil.rmtree(self.folder)

    def run(self, *arguments: str, env: Mapping[str, str] | None = None) -> Measured:
        """Run a command on it; the output is JSON. Raises RuntimeError where it fails."""
        command = [*COMMAND, *arguments, "--config", str(self.config), "--json"]
        return run_measured(command, {**environment(), **(env or {})}, ROOT)
