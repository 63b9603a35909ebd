"""The sources of a restore: a whole snapshot, a salvaged one, a masked one, or one converted to another engine.

The stages of a restore are the same for all; these provide what differs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from edms_tasks.conversion.left_out import LeftOutTable
from edms_tasks.databases.protocol import CapturedSchema, StagingDatabase
from edms_tasks.inventory.model import Table
from edms_tasks.manifest import Manifest
from edms_tasks.masking.masking_facts import MaskingFacts
from edms_tasks.migrating.migration_outcome import CodeMigration
from edms_tasks.repository import Repository
from edms_tasks.restore import fetch_schema, load_table
from edms_tasks.salvage import Losses
from edms_tasks.scratch.raw_table import RawTable
from flows.restoring.migrate_to_code import Validated, migrate_to_code
from flows.running.run import Run
from flows.tasks.restore_tasks import Load

if TYPE_CHECKING:
    from flows.restoring.open_restore import Opened


class RestoreSource(Protocol):
    """The source of a restore."""

    @property
    def manifest(self) -> Manifest:
        """The manifest that the restored data must match, in the snapshot's own form."""

    @property
    def staged_manifest(self) -> Manifest:
        """The same in the form of the staging database."""

    @property
    def whole(self) -> Manifest:
        """The manifest of the whole snapshot, with which the report compares."""

    @property
    def repository(self) -> Repository:
        """The repository with its objects."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences for the administrator."""

    @property
    def like(self) -> Mapping[str, RawTable]:
        """By table id, rows whose column forms are used for the rows that are read back."""

    @property
    def losses(self) -> Losses | None:
        """The losses of a damaged snapshot; None if nothing is lost."""

    @property
    def left_out(self) -> tuple[LeftOutTable, ...]:
        """The tables that a change of engine leaves out, because they can be made again."""

    @property
    def load(self) -> Load:
        """The function that loads a table."""

    def schema(self, folder: Path) -> CapturedSchema:
        """The schema of the staging database, fetched into `folder`."""

    def bring_back(
        self, run: Run, tables: Sequence[Table], raws: Mapping[str, RawTable], folder: Path
    ) -> tuple[Sequence[Table], Mapping[str, RawTable]]:
        """Convert tables and rows that were read back into the snapshot's own form."""

    def examine(
        self, run: Run, tables: Sequence[Table], raws: Mapping[str, RawTable], scratch: Path
    ) -> MaskingFacts | None:
        """Search what was read back for what must not be there; None if nothing was masked."""

    def keep_lists(self, folder: Path) -> None:
        """Put further lists beside the report."""

    def migrate(
        self, run: Run, opened: Opened, staging: StagingDatabase, scratch: Path, notes: list[str]
    ) -> CodeMigration | None:
        """Migrate the validated database to the EDMS's code; None if nothing had to be done. Adds to `notes`."""


@dataclass(frozen=True)
class WholeSnapshot:
    """An undamaged snapshot, restored within one engine. `indexed`: ids of the tables of search indexes that come back empty."""

    manifest: Manifest
    repository: Repository
    notes: tuple[str, ...] = ()
    like: Mapping[str, RawTable] = field(default_factory=dict)
    losses: Losses | None = None
    left_out: tuple[LeftOutTable, ...] = ()
    indexed: frozenset[str] = frozenset()

    @property
    def staged_manifest(self) -> Manifest:
        """The snapshot's manifest: nothing is converted."""
        return self.manifest

    @property
    def whole(self) -> Manifest:
        """The snapshot's manifest: nothing is lost."""
        return self.manifest

    @property
    def load(self) -> Load:
        """Fetch, verify and load a table."""
        return load_table

    def schema(self, folder: Path) -> CapturedSchema:
        """The snapshot's own schema."""
        return fetch_schema(self.repository, self.manifest.native_schema, folder)

    def bring_back(
        self, run: Run, tables: Sequence[Table], raws: Mapping[str, RawTable], folder: Path
    ) -> tuple[Sequence[Table], Mapping[str, RawTable]]:
        """Tables and rows without those of search indexes that come back empty."""
        kept = [table for table in tables if table.id not in self.indexed]
        return kept, {table.id: raws[table.id] for table in kept}

    def examine(
        self, run: Run, tables: Sequence[Table], raws: Mapping[str, RawTable], scratch: Path
    ) -> MaskingFacts | None:
        """None: nothing is masked."""
        return None

    def keep_lists(self, folder: Path) -> None:
        """Nothing to write: a whole snapshot has no lists of losses."""

    def migrate(
        self, run: Run, opened: Opened, staging: StagingDatabase, scratch: Path, notes: list[str]
    ) -> CodeMigration | None:
        """Run the EDMS's newer migrations, or drop what its code does not know; then run its `check`."""
        notes += opened.version_plan.notes
        validated = Validated(run, self.manifest, staging, scratch, self.like)
        return migrate_to_code(validated, opened.target.report, opened.version_plan, notes)
