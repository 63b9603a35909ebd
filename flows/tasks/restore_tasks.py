"""Restore: create and load a staging database, and restore files into staged folders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edms_tasks.databases import Database
from edms_tasks.databases.elsewhere import LoadedElsewhere
from edms_tasks.databases.protocol import CapturedSchema, StagingDatabase
from edms_tasks.files import restore_files
from edms_tasks.files.live_stores import LiveStores, StagedStore
from edms_tasks.manifest import FileIndex, SequencePosition, TableEntry
from edms_tasks.repository import Repository
from edms_tasks.restore import load_table
from edms_tasks.scratch.own_folder import own_folder
from flows.running.flow_decorators import task
from flows.running.run import Numbered, Run, numbered

Load = Callable[[StagingDatabase, Repository, TableEntry, Path], int]
"""Fetches, verifies and loads one table; returns its rows."""


@dataclass(frozen=True)
class LoadedTable:
    """A table that is loaded into the staging database."""

    table_id: str
    rows: int


@dataclass(frozen=True)
class RestoredRoot:
    """The restored files of a root in a staged folder, or as objects of a store."""

    index: FileIndex
    place: Path | StagedStore


@task(name="create staging database", tags=["stage"])
def create_staging_database(database: Database, schema: CapturedSchema, into: str | None, jobs: int) -> StagingDatabase:
    """Create the staging database with the snapshot's empty tables."""
    return database.stage(schema, into, jobs)


def _is_loaded_anywhere(
    entry: Numbered[TableEntry], load: Load, staging: StagingDatabase, repository: Repository, folder: Path
) -> bool:
    """Whether the table can be loaded by a worker: not if its rows are salvaged, masked or converted on the way."""
    return load is load_table and not (isinstance(staging, LoadedElsewhere) and staging.needs_this_process(entry.item))


@task(
    name="load table",
    tags=["restore"],
    task_run_name="load {entry.item.table.label}",
    weight=lambda entry: entry.item.state.rows * len(entry.item.table.columns),
    anywhere=_is_loaded_anywhere,
)
def load_rows(
    entry: Numbered[TableEntry], load: Load, staging: StagingDatabase, repository: Repository, folder: Path
) -> LoadedTable:
    """Fetch, verify and load a table."""
    rows = load(staging, repository, entry.item, own_folder(folder / entry.folder))
    return LoadedTable(entry.item.table.id, rows)


@task(name="build indexes", tags=["restore"], task_run_name="build indexes and constraints")
def build_indexes_and_constraints(
    staging: StagingDatabase,
    tables: Sequence[TableEntry],
    sequences: Sequence[SequencePosition],
    loaded: Sequence[LoadedTable],
) -> StagingDatabase:
    """Build indexes and constraints after the rows are loaded, and set the sequences."""
    assert len(loaded) == len(tables)  # all tables are loaded first
    staging.finish(tables, sequences)
    return staging


@task(name="restore files", tags=["files"], task_run_name="restore the files of {index.root.name}")
def restore_root(run: Run, index: FileIndex, repository: Repository, folder: Path, scratch: Path) -> RestoredRoot:
    """Restore the files of a root into a staged folder."""
    with run.progress(f"files of {index.root.name}", index.files, index.bytes) as advance:
        restore_files(index, repository, folder, progress=advance, scratch=scratch)
    return RestoredRoot(index, folder)


@task(name="restore objects", tags=["files"], task_run_name="restore the objects of {index.root.name}")
def restore_objects(
    run: Run, index: FileIndex, repository: Repository, store: StagedStore, scratch: Path
) -> RestoredRoot:
    """Restore the files of a root as objects of a store, beside the live ones."""
    from edms_tasks.files.store_restore import restore_to_store  # botocore is an extra

    stores = LiveStores.of(run.settings)
    live, staged = (stores.place(url, store.live) for url in (store.live, store.staged))
    with run.progress(f"files of {index.root.name}", index.files, index.bytes) as advance:
        restore_to_store(index, repository, staged, live, progress=advance, scratch=scratch)
    return RestoredRoot(index, store)


@task(name="gather statistics", tags=["restore"])
def gather_statistics(staging: StagingDatabase) -> None:
    """Gather the planner's statistics (ANALYZE)."""
    staging.gather_statistics()


def load_tables(
    run: Run,
    entries: Sequence[TableEntry],
    load: Load,
    staging: StagingDatabase,
    repository: Repository,
    folder: Path,
) -> list[LoadedTable]:
    """Load all tables, a few at a time."""
    return run.with_jobs(run.settings.restore.jobs).map(load_rows, numbered(entries), load, staging, repository, folder)
