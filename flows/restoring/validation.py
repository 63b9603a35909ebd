"""Validate a restore: read everything back, compare it with the snapshot, and run the expectation suites."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edms_tasks.chunks.stored_chunks import fetch_chunks
from edms_tasks.databases import open_database
from edms_tasks.databases.omissions import write_script
from edms_tasks.digests.row_differences import explain
from edms_tasks.files import FileCheck
from edms_tasks.inventory.model import Table
from edms_tasks.manifest import FileNameState, TableEntry
from edms_tasks.masking.masking_facts import MaskingFacts
from edms_tasks.proof.measured_table import MeasuredTable
from edms_tasks.redaction import Redaction
from edms_tasks.report import Verdict
from edms_tasks.salvage import Losses
from edms_tasks.scratch.raw_table import RawTable
from edms_tasks.scratch.workspace import Workspace
from edms_tasks.validation_result import ValidationResult
from flows.restoring.restore_sources import RestoreSource
from flows.restoring.staging_area import StagingArea
from flows.running.run import Run
from flows.tasks.extract_tasks import extract_tables
from flows.tasks.package_tasks import look_up_file_names
from flows.tasks.restore_tasks import RestoredRoot
from flows.tasks.validate_tasks import (
    RowsReadBack,
    check_root,
    check_structure,
    digest_table,
    measure_restored_table,
    run_suites,
    tabulate_keys,
)


@dataclass(frozen=True)
class ValidationEvidence:
    """The results of a validation, and the paths of its evidence."""

    folder: Path
    states: dict[str, MeasuredTable]
    files: tuple[FileCheck, ...]
    validation: ValidationResult
    differences: dict[str, tuple[str, ...]]
    notes: tuple[str, ...]
    losses: Losses | None = None
    masking: MaskingFacts | None = None

    @property
    def success(self) -> bool:
        """Whether everything that was restored is as it must be, and holds no value that was masked."""
        return self.validation.success and (self.masking is None or not self.masking.hits)

    @property
    def verdict(self) -> Verdict:
        """The verdict in one word."""
        if not self.success:
            return "failed"
        if self.masking is not None:
            return "masked"
        return "proved" if self.losses is None else "salvaged"

    def failures(self) -> tuple[str, ...]:
        """Each failed check in one line, with the rows that explain it."""
        lines = [str(failure) for failure in self.validation.failures]
        lines += self.masking.failures if self.masking is not None else ()
        for table_id, sentences in sorted(self.differences.items()):
            lines += [f"{table_id}: {sentence}" for sentence in sentences]
        return tuple(lines)


@dataclass(frozen=True)
class _Measured:
    states: dict[str, MeasuredTable]
    file_names: tuple[FileNameState, ...] | None  # None: not measured again: rows and files equal the snapshot's
    differences: dict[str, tuple[str, ...]]


def validate(
    run: Run, source: RestoreSource, staged: StagingArea, roots: Sequence[RestoredRoot], scratch: Path, folder: Path
) -> ValidationEvidence:
    """Read a restored database and its files back, and compare all of it with the snapshot.

    `scratch` is for temporary files, `folder` for the evidence.
    """
    there, settings = source.staged_manifest, run.settings
    (scratch / "view").mkdir()
    with open_database(staged.database.address).view(scratch / "view", settings.jobs) as view:
        view.read_like(there.tables)
        tables = view.tables()
        read = extract_tables(run, view, tables, scratch / "back", source.like)
        structure = run.call(check_structure, there, staged.schema, view, staged.database, scratch / "schema-back")
    masking = source.examine(run, tables, read, scratch / "searched")
    restored, raws = source.bring_back(run, tables, read, scratch / "returned")
    files = [run.call(check_root, run, root, source.repository, scratch) for root in roots]
    with run.workspace(scratch / "workspace", rows=there.rows) as workspace:
        measured = _measure(run, source, restored, raws, files, workspace, scratch)
    validation = run.call(
        run_suites,
        there,
        measured.states,
        files,
        database_url=open_database(staged.database.address).sqlalchemy_url(),
        reports=folder,
        structure=structure.checks,
        file_names=measured.file_names,
        sensitive=settings.validate_.sensitive,
        suites_folder=settings.validate_.suites,
        jobs=settings.restore.jobs,
    )
    source.keep_lists(folder)
    write_script(staged.database.left_out, folder)
    notes = (*structure.notes, *(check.note for check in files if check.note))
    return ValidationEvidence(
        folder, measured.states, tuple(files), validation, measured.differences, notes, source.losses, masking
    )


def _measure(
    run: Run,
    source: RestoreSource,
    restored: Sequence[Table],
    raws: Mapping[str, RawTable],
    files: Sequence[FileCheck],
    workspace: Workspace,
    scratch: Path,
) -> _Measured:
    entries = {entry.table.id: entry for entry in source.manifest.tables}
    if {table.id for table in restored} == set(entries) and all(check.success for check in files):
        read = [RowsReadBack(entry, raws[table_id]) for table_id, entry in entries.items()]
        found = run.map(digest_table, read, workspace)
        if all(measured.equals(entry.state) for entry, measured in zip(entries.values(), found, strict=True)):
            # Everything else in the manifest about rows and names of files follows from these; it is not claimed separately.
            return _Measured(dict(zip(entries, found, strict=True)), None, {})
    return _explain(run, source, restored, raws, workspace, scratch)


def _explain(
    run: Run,
    source: RestoreSource,
    restored: Sequence[Table],
    raws: Mapping[str, RawTable],
    workspace: Workspace,
    scratch: Path,
) -> _Measured:
    """Measure everything that a manifest records of tables, and name the rows that differ."""
    manifest = source.manifest
    entries = {entry.table.id: entry for entry in manifest.tables}
    tables = [entries[table.id].table for table in restored if table.id in entries]
    keys = run.call(tabulate_keys, manifest, tables, raws, workspace)
    read = [RowsReadBack(entries[table.id], raws[table.id]) for table in tables]
    found = run.map(measure_restored_table, read, keys)
    states = {table.id: state for table, state in zip(tables, found, strict=True)}
    differences = {
        entries[table_id].table.label: _rows_that_differ(
            run, source, entries[table_id], raws[table_id], state, workspace, scratch
        )
        for table_id, state in states.items()
        if not state.has_everything_of(entries[table_id].state)
    }
    for table in restored:  # a table that the snapshot lacks is reported by the validation
        if table.id not in entries:
            states[table.id] = MeasuredTable(raws[table.id].rows, None)
    named = [state.reference for state in manifest.file_names]
    indexes = {index.root.name: index for index in manifest.files}
    file_names = run.call(look_up_file_names, named, indexes, source.repository, keys, scratch)
    return _Measured(states, tuple(file_names), differences)


def _rows_that_differ(
    run: Run,
    source: RestoreSource,
    entry: TableEntry,
    raw: RawTable,
    found: MeasuredTable,
    workspace: Workspace,
    scratch: Path,
) -> tuple[str, ...]:
    folder = scratch / "differences"
    shutil.rmtree(folder, ignore_errors=True)
    chunks = fetch_chunks(source.repository, entry, folder)
    redaction = Redaction.of_entries(run.settings.validate_.sensitive, source.manifest.tables)
    return explain(entry, chunks, raw, workspace, redaction=redaction, columns=found.different_columns)
