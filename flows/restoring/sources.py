"""The sources of a restore: a whole snapshot, a salvaged one, or one converted to another engine.

The way of a restore is the same for all; what differs is asked of these.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from edms_tasks.databases.protocol import CapturedSchema, StagingDatabase
from edms_tasks.inventory.model import Table
from edms_tasks.manifest import Manifest
from edms_tasks.migrating.outcome import CodeMigration
from edms_tasks.repository import Repository
from edms_tasks.restore import fetch_schema, load_table
from edms_tasks.salvage import Losses
from edms_tasks.scratch.raw_table import RawTable
from flows.restoring.migrate_to_code import Validated, migrate_to_code
from flows.restoring.target import Target
from flows.running.run import Run
from flows.tasks.restore import Load

if TYPE_CHECKING:
    from flows.restoring.opening import Opened


class Restorable(Protocol):
    """What a restore restores."""

    @property
    def manifest(self) -> Manifest:
        """What must come back, in the snapshot's own form."""

    @property
    def staged_manifest(self) -> Manifest:
        """The same as it stands in the staging database."""

    @property
    def whole(self) -> Manifest:
        """What the report compares with: the whole snapshot."""

    @property
    def repository(self) -> Repository:
        """Where its objects are."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What an administrator should know of it."""

    @property
    def like(self) -> Mapping[str, RawTable]:
        """By table id, rows as which those that are read back are to be carried."""

    @property
    def losses(self) -> Losses | None:
        """What of the snapshot is lost."""

    @property
    def load(self) -> Load:
        """Loads one of its tables."""

    def schema(self, folder: Path) -> CapturedSchema:
        """The schema of the staging database, brought into `folder`."""

    def folders(self, target: Target) -> Target:
        """The target, with the lists of the files that come back."""

    def bring_back(
        self, run: Run, tables: Sequence[Table], raws: Mapping[str, RawTable], folder: Path
    ) -> tuple[Sequence[Table], Mapping[str, RawTable]]:
        """Tables and rows that were read back, in the snapshot's own form."""

    def keep_lists(self, folder: Path) -> None:
        """Put what else there is to show beside the report."""

    def migrate(
        self, run: Run, opened: Opened, staging: StagingDatabase, scratch: Path, notes: list[str]
    ) -> CodeMigration | None:
        """Bring the validated database to the EDMS's code; None where nothing had to be done. Adds to `notes`."""


@dataclass(frozen=True)
class WholeSnapshot:
    """A snapshot as it is."""

    manifest: Manifest
    repository: Repository
    notes: tuple[str, ...] = ()
    like: Mapping[str, RawTable] = field(default_factory=dict)
    losses: Losses | None = None

    @property
    def staged_manifest(self) -> Manifest:
        """The same: within one engine nothing is converted."""
        return self.manifest

    @property
    def whole(self) -> Manifest:
        """The same: nothing is lost."""
        return self.manifest

    @property
    def load(self) -> Load:
        """Fetch, verify, and load as it is."""
        return load_table

    def schema(self, folder: Path) -> CapturedSchema:
        """The snapshot's own schema."""
        return fetch_schema(self.repository, self.manifest.native_schema, folder)

    def folders(self, target: Target) -> Target:
        """As they are."""
        return target

    def bring_back(
        self, run: Run, tables: Sequence[Table], raws: Mapping[str, RawTable], folder: Path
    ) -> tuple[Sequence[Table], Mapping[str, RawTable]]:
        """As they were read."""
        return tables, raws

    def keep_lists(self, folder: Path) -> None:
        """There are none."""

    def migrate(
        self, run: Run, opened: Opened, staging: StagingDatabase, scratch: Path, notes: list[str]
    ) -> CodeMigration | None:
        """Let the EDMS's newer migrations run, or drop what its code does not know; then let it check itself."""
        notes += opened.version_plan.notes
        validated = Validated(run, self.manifest, staging, scratch, self.like)
        return migrate_to_code(validated, opened.target.report, opened.version_plan, notes)
