"""The proof of a restore: everything read back, held against the snapshot, judged by the expectation suites."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edms_tasks.databases import open_database
from edms_tasks.databases.protocol import CapturedSchema, StagingDatabase
from edms_tasks.digests.measured import MeasuredTable
from edms_tasks.digests.row_differences import explain
from edms_tasks.durable import private_folder
from edms_tasks.extract import RawTable
from edms_tasks.files import FileCheck, check_files
from edms_tasks.files.ids_in_names import measure_file_names
from edms_tasks.inventory.model import Table
from edms_tasks.manifest import FileIndex, FileNameState, Manifest
from edms_tasks.package import fetch_chunks
from edms_tasks.repository import Repository
from edms_tasks.restore import keys_as_recorded, measure_restored, measure_rows
from edms_tasks.scratch.workspace import Workspace, open_workspace
from edms_tasks.settings import Settings
from edms_tasks.structure.structure_check import check_structure
from edms_tasks.validate import validate_restored
from edms_tasks.validation_result import ValidationResult
from flows.restoring.engine_conversion import EngineConversion
from flows.running.runner import Steps
from flows.tasks.extract_tables import read_tables


@dataclass(frozen=True)
class Evidence:
    """What was found, and where it is written."""

    folder: Path
    states: dict[str, MeasuredTable]
    files: tuple[FileCheck, ...]
    validation: ValidationResult
    differences: dict[str, tuple[str, ...]]
    notes: tuple[str, ...]

    def failures(self) -> tuple[str, ...]:
        """Every failed check in one line, with the rows that explain it."""
        lines = [str(failure) for failure in self.validation.failures]
        for table_id, sentences in sorted(self.differences.items()):
            lines += [f"{table_id}: {sentence}" for sentence in sentences]
        return tuple(lines)


@dataclass(frozen=True)
class _Measured:
    states: dict[str, MeasuredTable]
    file_names: tuple[FileNameState, ...] | None  # None: not looked up again, since rows and files are the snapshot's
    differences: dict[str, tuple[str, ...]]


def prove(
    settings: Settings,
    steps: Steps,
    repository: Repository,
    manifest: Manifest,
    staging: StagingDatabase,
    schema: CapturedSchema,
    roots: Sequence[tuple[FileIndex, Path]],
    scratch: Path,
    left: Mapping[str, RawTable] | None = None,
    conversion: EngineConversion | None = None,
) -> Evidence:
    """Read a restored database and its files back, and hold all of it against the snapshot.

    Args:
        roots: file indexes, each with the folder that its files were restored into.
        scratch: folder for temporary files.
        left: where the manifest is of what is left of a snapshot: by table id, the rows of tables that are not whole.
        crossing: where the database is of another engine than the snapshot.
    """
    there = conversion.manifest if conversion else manifest
    (scratch / "view").mkdir()
    with open_database(staging.address).view(scratch / "view", settings.jobs) as view:
        view.read_like(there.tables)
        restored = view.tables()
        raws = read_tables(settings, steps, view, restored, scratch / "back", "read back", left or {})
        structure = steps.run(
            "check the structure",
            lambda: check_structure(
                there, schema, view, open_database(staging.address), scratch / "schema-back", staging.left_out
            ),
        )
    if conversion:
        restored, raws = conversion.bring_back(steps, restored, raws, scratch / "returned", jobs=settings.jobs)
    files = tuple(
        steps.run(
            f"check the files of {index.root.name}",
            lambda i=index, s=staged: check_files(i, repository, s, scratch=scratch, jobs=settings.jobs),
        )
        for index, staged in roots
    )
    with open_workspace(
        scratch / "workspace", memory_limit_mb=settings.memory_limit_mb, threads=settings.jobs
    ) as workspace:
        measured = _measure(settings, steps, repository, manifest, restored, raws, files, workspace, scratch)
    folder = Path(tempfile.mkdtemp(prefix="restore-", dir=reports(settings)))
    validation = steps.run(
        "run the expectation suites",
        lambda: validate_restored(
            there,
            measured.states,
            files,
            database_url=open_database(staging.address).sqlalchemy_url(),
            reports=folder,
            structure=structure.checks,
            file_names=measured.file_names,
            sensitive=settings.validate_.sensitive,
            jobs=settings.restore.jobs,
        ),
    )
    notes = (*structure.notes, *(check.note for check in files if check.note))
    return Evidence(folder, measured.states, files, validation, measured.differences, notes)


def reports(settings: Settings) -> Path:
    """The folder that keeps the evidence."""
    private_folder(settings.workdir)
    folder = private_folder(settings.workdir / "reports")
    folder.chmod(0o700)  # an earlier release made it for all to read
    return folder


def _measure(
    settings: Settings,
    steps: Steps,
    repository: Repository,
    manifest: Manifest,
    restored: Sequence[Table],
    raws: Mapping[str, RawTable],
    files: Sequence[FileCheck],
    workspace: Workspace,
    scratch: Path,
) -> _Measured:
    entries = {entry.table.id: entry for entry in manifest.tables}
    if {table.id for table in restored} == set(entries) and all(check.success for check in files):
        found = steps.map(
            lambda entry: f"digest {entry.table.label}",
            lambda entry: measure_rows(entry, raws[entry.table.id], workspace),
            manifest.tables,
            jobs=settings.jobs,
            weight=lambda entry: entry.state.rows,
        )
        if all(measured.equals(entry.state) for entry, measured in zip(manifest.tables, found, strict=True)):
            # All else that the manifest says of rows and names of files follows from these, and is claimed by nobody.
            return _Measured(dict(zip(entries, found, strict=True)), None, {})
    return _explain(settings, steps, repository, manifest, restored, raws, workspace, scratch)


def _explain(
    settings: Settings,
    steps: Steps,
    repository: Repository,
    manifest: Manifest,
    restored: Sequence[Table],
    raws: Mapping[str, RawTable],
    workspace: Workspace,
    scratch: Path,
) -> _Measured:
    """Measure all that a snapshot says of its tables, and name the rows that differ."""
    entries = {entry.table.id: entry for entry in manifest.tables}
    tables = [entries[table.id].table for table in restored if table.id in entries]
    keys = steps.run("tabulate the natural keys", lambda: keys_as_recorded(manifest, tables, raws, workspace))
    found = steps.map(
        lambda table: f"measure {table.label}",
        lambda table: measure_restored(entries[table.id], raws[table.id], keys),
        tables,
        jobs=settings.jobs,
    )
    computed = {table.id: state for table, state in zip(tables, found, strict=True)}
    states = {table_id: MeasuredTable.whole(state) for table_id, state in computed.items()}
    for table in restored:  # a table the snapshot does not know is a failure the validation names
        if table.id not in entries:
            states[table.id] = MeasuredTable(raws[table.id].rows, None)
    differences: dict[str, tuple[str, ...]] = {}
    for table_id, state in computed.items():
        if state != entries[table_id].state:
            folder = scratch / "differences"
            shutil.rmtree(folder, ignore_errors=True)
            chunks = fetch_chunks(repository, entries[table_id], folder)
            differences[entries[table_id].table.label] = explain(
                entries[table_id], chunks, raws[table_id], workspace, sensitive=settings.validate_.sensitive
            )
    file_names = steps.run(
        "look up the ids in names of files",
        lambda: measure_file_names(
            [state.reference for state in manifest.file_names],
            {index.root.name: index for index in manifest.files},
            repository,
            keys,
            scratch,
        ),
    )
    return _Measured(states, tuple(file_names), differences)
