"""Validate: read back a restored database and its files, measure them, and run the expectation suites."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edms_tasks.databases import open_database
from edms_tasks.databases.protocol import CapturedSchema, StagingDatabase, View
from edms_tasks.files import FileCheck, check_files
from edms_tasks.files.live_stores import LiveStores
from edms_tasks.keys.checked_keys import CheckedKeys
from edms_tasks.manifest import Manifest, TableEntry
from edms_tasks.proof.measured_table import MeasuredTable
from edms_tasks.repository import Repository
from edms_tasks.restore import keys_as_recorded, measure_restored, measure_rows
from edms_tasks.scratch.large_values import naming_the_largest_column
from edms_tasks.scratch.raw_table import RawTable
from edms_tasks.scratch.workspace import Workspace
from edms_tasks.structure.structure_check import Structure
from edms_tasks.structure.structure_check import check_structure as compare_structure
from edms_tasks.validate import require_suites, suite_problems, validate_restored
from flows.running.flow_decorators import always, task
from flows.running.run import Run
from flows.tasks.restore_tasks import RestoredRoot


@task(name="check structure", tags=["validate"])
def check_structure(
    expected: Manifest, schema: CapturedSchema, view: View, staging: StagingDatabase, folder: Path
) -> Structure:
    """Compare every definition of the database with the snapshot's, both ways."""
    return compare_structure(expected, schema, view, open_database(staging.address), folder, staging.left_out)


@task(name="check files", tags=["validate"], task_run_name="check the files of {root.index.root.name}")
def check_root(run: Run, root: RestoredRoot, repository: Repository, scratch: Path) -> FileCheck:
    """Read every restored file of a root, and compare it with the snapshot's list."""
    with run.progress(f"files of {root.index.root.name}", root.index.files, root.index.bytes) as advance:
        if isinstance(root.place, Path):
            return check_files(
                root.index, repository, root.place, scratch=scratch, progress=advance, jobs=run.settings.jobs
            )
        from edms_tasks.files.store_restore import check_store  # botocore is an extra

        staged = LiveStores.of(run.settings).place(root.place.staged, root.place.live)
        return check_store(root.index, repository, staged, scratch=scratch, progress=advance, jobs=run.settings.jobs)


@dataclass(frozen=True)
class RowsReadBack:
    """A table's entry in the snapshot, and its rows as they were read back."""

    entry: TableEntry
    raw: RawTable


@task(
    name="digest table",
    tags=["validate"],
    task_run_name="digest {read.entry.table.label}",
    weight=lambda read: read.entry.state.rows,
    anywhere=always,
)
def digest_table(read: RowsReadBack, workspace: Workspace) -> MeasuredTable:
    """Count and digest the rows of a table that were read back."""
    with naming_the_largest_column(read.raw):
        return measure_rows(read.entry, read.raw, workspace)


tabulate_keys = task(name="tabulate keys", tags=["validate"], task_run_name="tabulate the natural keys")(
    keys_as_recorded
)


@task(name="measure table", tags=["validate"], task_run_name="measure {read.entry.table.label}")
def measure_restored_table(read: RowsReadBack, keys: CheckedKeys) -> MeasuredTable:
    """Compute everything that a manifest records of a table: count, proof, state of keys and references."""
    return measure_restored(read.entry, read.raw, keys)


check_suites = task(name="check suites", tags=["open"], task_run_name="check the owner's suites")(require_suites)

find_unusable_suites = task(name="check suites", tags=["assess"], task_run_name="check the owner's suites")(
    suite_problems
)

run_suites = task(name="validate", tags=["validate"], task_run_name="run the expectation suites")(validate_restored)
