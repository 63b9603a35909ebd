"""The proof of a restore: everything read back, held against the snapshot, judged by the expectation suites."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edms_tasks.databases import open_database
from edms_tasks.databases.protocol import CapturedSchema, StagingDatabase
from edms_tasks.differences import explain
from edms_tasks.extract import RawTable
from edms_tasks.file_references import measure_file_names
from edms_tasks.files import FileCheck, check_files
from edms_tasks.inventory.model import Table
from edms_tasks.manifest import FileIndex, FileNameState, Manifest, TableState
from edms_tasks.package import fetch_chunks
from edms_tasks.repository import Repository
from edms_tasks.restore import holds_its_rows, keys_as_recorded, measure_restored
from edms_tasks.settings import Settings
from edms_tasks.structure import check_structure
from edms_tasks.table_state import empty_state
from edms_tasks.validate import validate_restored
from edms_tasks.validation_result import ValidationResult
from edms_tasks.workspace import Workspace, open_workspace
from flows.crossing import Crossing
from flows.reading import read_tables
from flows.steps import Steps

_FOLLOWS = (
    "All {tables} tables were read back: their rows are {whose}, by number and exact digest, and so are the files. "
    "The content digests, the health of keys and of references that the manifest holds follow from the rows and were not "
    "computed a second time; the suites ask the database itself for keys and references."
)


@dataclass(frozen=True)
class Evidence:
    """What was found, and where it is written."""

    folder: Path
    states: dict[str, TableState]
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
    states: dict[str, TableState]
    file_names: tuple[FileNameState, ...]
    differences: dict[str, tuple[str, ...]]
    notes: tuple[str, ...] = ()


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
    crossing: Crossing | None = None,
) -> Evidence:
    """Read a restored database and its files back, and hold all of it against the snapshot.

    Args:
        roots: file indexes, each with the folder that its files were restored into.
        scratch: folder for temporary files.
        left: where the manifest is of what is left of a snapshot: by table id, the rows of tables that are not whole.
        crossing: where the database is of another engine than the snapshot.
    """
    there = crossing.manifest if crossing else manifest
    (scratch / "view").mkdir()
    with open_database(staging.address).view(scratch / "view", settings.jobs) as view:
        restored = view.tables()
        raws = read_tables(settings, steps, view, restored, scratch / "back", "read back", left or {})
        structure = steps.run(
            "check the structure", lambda: check_structure(there, schema, view, scratch / "schema-back")
        )
    if crossing:
        restored, raws = crossing.bring_back(steps, restored, raws, scratch / "returned", jobs=settings.jobs)
    files = tuple(
        steps.run(
            f"check the files of {index.root.name}",
            lambda i=index, s=staged: check_files(i, repository, s, spool=scratch, jobs=settings.jobs),
        )
        for index, staged in roots
    )
    with open_workspace(
        scratch / "workspace", memory_limit_mb=settings.memory_limit_mb, threads=settings.jobs
    ) as workspace:
        measured = _measure(
            settings, steps, repository, manifest, restored, raws, files, workspace, scratch, partial=left is not None
        )
    folder = Path(tempfile.mkdtemp(prefix="restore-", dir=reports(settings)))
    folder.chmod(0o755)
    validation = steps.run(
        "run the expectation suites",
        lambda: validate_restored(
            there,
            measured.states,
            files,
            database_url=staging.address.sqlalchemy_url(),
            reports=folder,
            structure=structure,
            file_names=measured.file_names,
            sensitive=settings.validate_.sensitive,
            jobs=settings.restore.jobs,
        ),
    )
    notes = (*measured.notes, *(check.note for check in files if check.note))
    return Evidence(folder, measured.states, files, validation, measured.differences, notes)


def reports(settings: Settings) -> Path:
    """The folder that keeps the evidence."""
    folder = settings.workdir / "reports"
    folder.mkdir(parents=True, exist_ok=True)
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
    *,
    partial: bool,
) -> _Measured:
    entries = {entry.table.id: entry for entry in manifest.tables}
    if {table.id for table in restored} == set(entries) and all(check.success for check in files):
        same = steps.map(
            lambda entry: f"digest {entry.table.label}",
            lambda entry: holds_its_rows(entry, raws[entry.table.id], workspace),
            manifest.tables,
            jobs=settings.jobs,
            weight=lambda entry: entry.state.rows,
        )
        if all(same):
            states = {table_id: entry.state for table_id, entry in entries.items()}
            return _Measured(states, manifest.file_names, {}, (_follows(len(entries), partial),))
    return _explain(settings, steps, repository, manifest, restored, raws, workspace, scratch)


def _follows(tables: int, partial: bool) -> str:
    return _FOLLOWS.format(
        tables=f"{tables:,}", whose="what is left of the snapshot's" if partial else "the snapshot's"
    )


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
    states = {table.id: state for table, state in zip(tables, found, strict=True)}
    for table in restored:  # a table the snapshot does not know is a failure the validation names
        if table.id not in entries:
            states[table.id] = empty_state(table).model_copy(update={"rows": raws[table.id].rows})
    differences: dict[str, tuple[str, ...]] = {}
    for table_id, state in states.items():
        if table_id in entries and state != entries[table_id].state:
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
