"""Restore the intact parts of a damaged snapshot: the survey before, and the lists of losses after."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from edms_tasks.databases.protocol import StagingDatabase
from edms_tasks.files.declared_ids_in_names import measure_file_names
from edms_tasks.keys.checked_keys import CheckedKeys
from edms_tasks.manifest import FileIndex, FileNameState, Manifest, TableEntry
from edms_tasks.migrating.migration_outcome import CodeMigration
from edms_tasks.redaction import Redaction
from edms_tasks.repository import Repository
from edms_tasks.salvage import (
    DanglingList,
    FilesOfLostRows,
    Losses,
    SalvagedFiles,
    SalvagedTable,
    require_schema,
    salvaged_manifest,
    salvaged_rows,
    state_of_salvaged,
    survey_files,
    survey_table,
    write_lost_files,
)
from edms_tasks.scratch.disk_space import require_space
from edms_tasks.scratch.raw_table import RawTable
from edms_tasks.scratch.workspace import Workspace
from flows.restoring.restore_sources import WholeSnapshot
from flows.running.flow_decorators import task
from flows.running.run import Numbered, Run, numbered
from flows.tasks.validate_tasks import tabulate_keys

if TYPE_CHECKING:
    from flows.restoring.open_restore import Opened

WHOLE = "Nothing had to be salvaged: every object of the snapshot was read and is intact."
SALVAGED = "This is a salvage: only the intact parts of the snapshot were restored. The report and the lists beside it name what is lost."
UNMIGRATED = "The EDMS's migrations and its own `check` were not run on what was salvaged."


@dataclass(frozen=True)
class SalvagedSnapshot(WholeSnapshot):
    """What is left of a snapshot, to be restored and validated like a whole one; and what is lost.

    `like`: by table id, the remaining rows of damaged tables.
    """

    of: Manifest | None = None  # the whole snapshot
    lists: Path | None = None  # folder of the lists of what is lost

    @property
    def whole(self) -> Manifest:
        """The undamaged snapshot's manifest."""
        return self.of or self.manifest

    def keep_lists(self, folder: Path) -> None:
        """Put the lists beside the report."""
        for path in sorted(self.lists.iterdir()) if self.lists is not None else ():
            shutil.move(path, folder / path.name)

    def migrate(
        self, run: Run, opened: Opened, staging: StagingDatabase, scratch: Path, notes: list[str]
    ) -> CodeMigration | None:
        """Migrate as for a whole snapshot; but leave a copy (`--into`) as it is, because migrations may fail on missing rows."""
        if opened.target.into is not None:
            notes.append(UNMIGRATED)
            return None
        return super().migrate(run, opened, staging, scratch, notes)


@dataclass(frozen=True)
class RemainingRows:
    """The remaining rows of a table."""

    salvaged: SalvagedTable
    raw: RawTable


require_whole_schema = task(name="check schema", tags=["survey"])(require_schema)


@task(
    name="survey table",
    tags=["survey"],
    task_run_name="survey {entry.item.table.label}",
    weight=lambda entry: entry.item.state.rows * len(entry.item.table.columns),
)
def survey_rows(
    entry: Numbered[TableEntry], repository: Repository, workspace: Workspace, scratch: Path
) -> SalvagedTable:
    """Find the intact chunks of a table."""
    return survey_table(repository, entry.item, workspace, scratch / entry.folder)


@task(name="survey files", tags=["survey"], task_run_name="survey the files of {index.item.root.name}")
def survey_root(
    index: Numbered[FileIndex], run: Run, repository: Repository, created: datetime, scratch: Path
) -> SalvagedFiles:
    """Find the intact files of a root."""
    with run.progress(f"files of {index.item.root.name}", index.item.files, index.item.bytes) as advance:
        return survey_files(
            index.item,
            repository,
            scratch / f"files-{index.folder}",
            made_up_at_ns=int(created.timestamp()) * 1_000_000_000,
            progress=advance,
            jobs=run.settings.jobs,
        )


@task(
    name="read what is left",
    tags=["survey"],
    task_run_name="read what is left of {table.item.entry.table.label}",
    weight=lambda table: table.item.entry.state.rows * len(table.item.entry.table.columns),
)
def read_salvaged_rows(
    table: Numbered[SalvagedTable], repository: Repository, workspace: Workspace, scratch: Path
) -> RemainingRows:
    """Fetch the remaining rows of a table into the working folder."""
    raw = salvaged_rows(repository, table.item.entry, workspace, scratch / table.folder)
    return RemainingRows(table.item, raw)


@task(
    name="measure what is left",
    tags=["survey"],
    task_run_name="measure what is left of {left.salvaged.entry.table.label}",
)
def measure_salvaged_rows(left: RemainingRows, keys: CheckedKeys) -> TableEntry:
    """Count and digest the remaining rows, which the restore must reach."""
    return state_of_salvaged(left.salvaged, left.raw, keys)


@task(name="list losses", tags=["survey"], task_run_name="list what points at what is lost")
def list_losses(
    losses: Losses,
    entries: Sequence[TableEntry],
    files: Sequence[SalvagedFiles],
    raws: Mapping[str, RawTable],
    keys: CheckedKeys,
    workspace: Workspace,
    redaction: Redaction,
    folder: Path,
) -> Losses:
    """Write lists of the rows that refer to lost rows and files into `folder`."""
    return _listed(redaction, losses, entries, files, raws, keys, workspace, folder)


def salvage(run: Run, repository: Repository, snapshot_id: str, manifest: Manifest, scratch: Path) -> WholeSnapshot:
    """Read every object of the snapshot, and make a snapshot of the intact ones that can be restored.

    Raises:
        DamagedRepository: the schema is lost, so nothing can be restored.
    """
    scratch.mkdir()
    overlaid = repository.with_overlay(scratch / "repository")
    run.call(require_whole_schema, overlaid, snapshot_id, manifest)
    with run.workspace(scratch / "workspace") as workspace:
        tables = run.map(survey_rows, numbered(manifest.tables), overlaid, workspace, scratch / "survey")
        files = [
            run.call(survey_root, index, run, overlaid, manifest.created, scratch) for index in numbered(manifest.files)
        ]
        if not any(table.loss for table in tables) and not any(root.loss for root in files):
            return WholeSnapshot(manifest, repository, (WHOLE,))
        return _salvaged(run, overlaid, manifest, tables, files, workspace, scratch)


def _salvaged(
    run: Run,
    repository: Repository,
    manifest: Manifest,
    tables: Sequence[SalvagedTable],
    files: Sequence[SalvagedFiles],
    workspace: Workspace,
    scratch: Path,
) -> SalvagedSnapshot:
    """Measure what is left, and list what refers to lost rows and files."""
    # The salvaged rows are in the working folder, less compressed than in the repository, until the validation is done.
    require_space(scratch, sum(table.entry.stored_bytes for table in tables) * 8, "the rows that are left")
    left = run.map(read_salvaged_rows, numbered(tables), repository, workspace, scratch / "rows")
    raws = {one.salvaged.entry.table.id: one.raw for one in left}
    keys = run.call(tabulate_keys, manifest, [table.entry.table for table in tables], raws, workspace)
    entries = run.map(measure_salvaged_rows, left, keys)
    indexes = {root.index.root.name: root.index for root in files}
    names = measure_file_names([state.reference for state in manifest.file_names], indexes, repository, keys, scratch)
    losses = Losses(
        tables=tuple(table.loss for table in tables if table.loss),
        files=tuple(root.loss for root in files if root.loss),
        named_files=_named_files(manifest.file_names, names),
    )
    lists = scratch / "lists"
    lists.mkdir()
    redaction = Redaction.of_entries(run.settings.validate_.sensitive, manifest.tables)
    losses = run.call(list_losses, losses, entries, files, raws, keys, workspace, redaction, lists)
    return SalvagedSnapshot(
        manifest=salvaged_manifest(manifest, entries, indexes, names),
        repository=repository,
        notes=(SALVAGED,),
        like={loss.table_id: raws[loss.table_id] for loss in losses.tables if raws[loss.table_id].files},
        losses=losses,
        of=manifest,
        lists=lists,
    )


def _named_files(before: Sequence[FileNameState], now: Sequence[FileNameState]) -> tuple[FilesOfLostRows, ...]:
    """Files that are left and whose names contain ids of lost rows."""
    return tuple(
        FilesOfLostRows(is_.reference.root, is_.reference.pattern, is_.dangling - was.dangling)
        for was, is_ in zip(before, now, strict=True)
        if is_.dangling > was.dangling
    )


def _listed(
    redaction: Redaction,
    losses: Losses,
    entries: Sequence[TableEntry],
    files: Sequence[SalvagedFiles],
    raws: Mapping[str, RawTable],
    keys: CheckedKeys,
    workspace: Workspace,
    folder: Path,
) -> Losses:
    dangling = DanglingList(workspace, redaction)
    for entry in entries:
        dangling.add_references(entry.table, raws[entry.table.id], keys)
        for salvaged in files:
            if salvaged.lost is not None:
                dangling.add_files(
                    entry.table, raws[entry.table.id], salvaged.index.root, salvaged.lost, salvaged.present
                )
    lines, named = dangling.write(folder / "dangling.csv", folder / "lost-rows.csv")
    lists = {"dangling.csv": lines, "lost-rows.csv": named}
    lost_files = {salvaged.index.root.name: salvaged.lost for salvaged in files if salvaged.lost is not None}
    if lost_files:
        lists["lost-files.csv"] = write_lost_files(workspace, lost_files, folder / "lost-files.csv")
    for name in [name for name, count in lists.items() if not count]:
        (folder / name).unlink()
        del lists[name]
    return replace(losses, dangling=dangling.summary(), lists=lists)
