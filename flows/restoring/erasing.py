"""Apply the ledger of erasures to a snapshot before it is restored or merged.

The erased rows are left out of the snapshot (an overlay of the repository), so they never reach any database; what is left is validated
like any snapshot.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from edms_tasks.conversion.virtual_tables import SearchIndex
from edms_tasks.digests.value_text import text_value
from edms_tasks.erasure.applied_erasures import AppliedErasure
from edms_tasks.erasure.erased_rows import RowEraser
from edms_tasks.erasure.ledger import Erasure, began, read_ledger
from edms_tasks.erasure.left_files import without_files
from edms_tasks.erasure.row_search import count_rows
from edms_tasks.errors import CheckFailed, CommandError, DamagedRepository
from edms_tasks.inventory.probe_report import ProbeReport
from edms_tasks.keys.table_counts import measure_table
from edms_tasks.lineage.find_snapshot import this_edms_of
from edms_tasks.lineage.snapshot_source import is_package
from edms_tasks.manifest import Manifest, TableEntry
from edms_tasks.masking.masked_texts import mask_functions
from edms_tasks.masking.pseudonyms import keyed_cursor, random_key
from edms_tasks.repository import Repository
from edms_tasks.restore import keys_as_recorded
from edms_tasks.salvage.salvaged_rows import salvaged_rows
from edms_tasks.scratch.disk_space import require_space
from edms_tasks.scratch.raw_table import RawTable
from edms_tasks.scratch.workspace import Workspace, column_types, relation
from flows.requests import RestoreRequest
from flows.restoring.full_text import full_text_indexes, shadows_of, without_indexes
from flows.restoring.open_restore import Opened
from flows.running.flow_decorators import task
from flows.running.run import Run

NOT_LOOKED_FOR = "A package has no ledger: erasures that the repository records were not applied again."


@dataclass(frozen=True)
class ErasedSnapshot:
    """A snapshot without what was erased since it was made, and what each erasure did."""

    manifest: Manifest
    repository: Repository
    applied: tuple[AppliedErasure, ...] = ()
    without: str = ""  # why the ledger was not applied
    like: Mapping[str, RawTable] = field(default_factory=dict)  # by table id, what is left of tables with erased rows
    indexes: tuple[SearchIndex, ...] = ()  # that may hold words of erased rows, and come back empty

    @property
    def rows(self) -> int:
        """The number of rows that were deleted or changed."""
        return sum(one.deleted + one.masked + one.unlinked for one in self.applied)

    def facts(self) -> dict[str, object]:
        """What the log says of it: the erasures, and how many rows each changed; no names."""
        return facts_of(self.applied, self.without)


def facts_of(applied: Sequence[AppliedErasure], without: str) -> dict[str, object]:
    """What the log says of erasures that were applied, or of why they were not."""
    rows = {
        one.id[:12]: one.deleted + one.masked + one.unlinked if one.found else "not in the snapshot" for one in applied
    }
    return {**({"erasures": rows} if applied else {}), **({"without_erasures": without} if without else {})}


def without_erased(
    run: Run, request: RestoreRequest, opened: Opened, scratch: Path, notes: list[str]
) -> tuple[ErasedSnapshot, Opened]:
    """What erasures did to the snapshot of a restore, and the restore as opened on what is left of it.

    Raises:
        CommandError: parts of the snapshot may be damaged, so nobody knows whether it holds what was erased.
    """
    erased = apply_ledger(
        run,
        opened.repository,
        opened.manifest,
        opened.target.report,
        scratch / "erased",
        notes,
        snapshot=request.snapshot,
        without=request.without_erasures,
        salvage=request.salvage,
    )
    return erased, replace(
        opened,
        manifest=erased.manifest,
        repository=erased.repository,
        like=erased.like,
        indexed=shadows_of(erased.indexes),
    )


def apply_ledger(
    run: Run,
    repository: Repository,
    manifest: Manifest,
    report: ProbeReport | None,
    scratch: Path,
    notes: list[str],
    *,
    snapshot: str,
    without: str,
    deletes_only: bool = False,
    salvage: bool = False,
) -> ErasedSnapshot:
    """A snapshot without what was erased since it was made; adds what was done to `notes`.

    Args:
        run: the run.
        repository: the snapshot's.
        manifest: the snapshot.
        report: what the EDMS says of itself; None if its code does not run.
        scratch: for temporary files; created if it is needed, and kept until the snapshot is restored.
        notes: sentences for the administrator.
        snapshot: how the user named it.
        without: why the ledger is not applied; "" to apply it.
        salvage: refuse all, because what is damaged cannot be searched for rows.
        deletes_only: refuse erasures that mask columns, because rows are matched by keys that these may be part of.

    Raises:
        CheckFailed: an erasure cannot be applied.
        RepositorySealed, DamagedRepository: the ledger cannot be read.
    """
    if is_package(snapshot):
        notes.append(NOT_LOOKED_FOR)
        return ErasedSnapshot(manifest, repository)
    if without:
        notes.append(f"THE LEDGER OF ERASURES WAS NOT APPLIED: {without}")
        return ErasedSnapshot(manifest, repository, without=without)
    named = _ids(run, repository, manifest, report)
    ledger = read_ledger(repository, run.settings.workdir, named, since=began(manifest))
    if ledger.lost:
        raise DamagedRepository(
            f"The ledger of erasures is not complete: {', '.join(ledger.lost)} is in the log, and not in the ledger.",
            where=repository.display,
            why="What it erased would come back.",
            fix="Put records/ back from a copy of the repository. To restore without the ledger: --without-erasures REASON.",
        )
    if ledger.doubts:
        notes.append(f"It is not certain that the ledger of erasures is complete: {' '.join(ledger.doubts)}")
    due = ledger.before(manifest)
    if (done := ledger.deleted_before(manifest)) and not salvage:
        notes += run.call(find_rows_again, run, repository, manifest, done, scratch)
    if not due:
        return ErasedSnapshot(manifest, repository)
    if salvage:
        raise CommandError(
            "A salvage cannot apply the ledger of erasures.",
            where=", ".join(one.title for one in due),
            why="What is damaged cannot be searched for the rows.",
            fix="Salvage with --into and --without-erasures REASON, erase again in the copy, and use it after that.",
        )
    scratch.mkdir(exist_ok=True)
    require_space(scratch, 2 * sum(entry.room for entry in manifest.tables), "the rows without those that were erased")
    erased = run.call(erase_from_snapshot, run, repository, manifest, due, scratch)
    notes += [str(one) for one in erased.applied]
    if erased.indexes:
        names = ", ".join(index.name for index in erased.indexes)
        notes.append(
            f"Search indexes that may hold words of erased rows come back empty: {names}. Rebuild them from the EDMS."
        )
    masking = [one for one in erased.applied if one.masked]
    if deletes_only and masking:
        raise CheckFailed(
            "The snapshot holds a row whose columns were erased, so it cannot be merged.",
            where=masking[0].title,
            why="A merge matches rows by their natural keys, and the erased columns may be part of one.",
            fix="Restore the snapshot with --into, or merge with --without-erasures REASON and erase again in the EDMS.",
        )
    return erased


def due_erasures(run: Run, repository: Repository, manifest: Manifest, report: ProbeReport | None) -> tuple[str, ...]:
    """What a restore of a snapshot would do about erasures, as sentences; nothing is looked for in the snapshot."""
    named = _ids(run, repository, manifest, report)
    ledger = read_ledger(repository, run.settings.workdir, named, since=began(manifest))
    lost = [f"The ledger of erasures has lost {one}: the restore would be refused." for one in ledger.lost]
    return (*lost, *(f"{one.title} would be applied to {one.erased.label} again." for one in ledger.before(manifest)))


def _ids(run: Run, repository: Repository, manifest: Manifest, report: ProbeReport | None) -> list[str]:
    """The ids of the EDMS: its own, and that of the snapshot."""
    own = this_edms_of(run.settings, repository, report).id
    return [one for one in (own, manifest.identity.id if manifest.identity else None) if one is not None]


@task(name="look for erased rows", tags=["erase"], task_run_name="look for rows that were erased before")
def find_rows_again(
    run: Run, repository: Repository, manifest: Manifest, erasures: Sequence[Erasure], scratch: Path
) -> list[str]:
    """Notes on rows that a snapshot has although they had been erased when it was made: they are restored."""
    scratch.mkdir(exist_ok=True)
    there: set[str] = set()
    with run.workspace(scratch / "again") as workspace, workspace.cursor() as cursor:
        for number, entry in enumerate(manifest.tables):
            if of_table := [one for one in erasures if one.erased.table == entry.table.id]:
                wanted = [one.erased.row for one in of_table]
                counts = count_rows(cursor, repository, entry, wanted, scratch / f"again-{number}")
                there |= {one.id for one, count in zip(of_table, counts, strict=True) if count}
    return [
        f"! {one.title}: the snapshot was made after it and has such a row in {one.erased.label}. It is restored: it is a new "
        "one with the same key, or was not erased in the EDMS. In the second case record the erasure again."
        for one in erasures
        if one.id in there
    ]


@task(name="erase again", tags=["erase"], task_run_name="apply the ledger of erasures")
def erase_from_snapshot(
    run: Run, repository: Repository, manifest: Manifest, erasures: Sequence[Erasure], scratch: Path
) -> ErasedSnapshot:
    """Leave erased rows, and the files that only they name, out of a snapshot."""
    own, key = repository.with_overlay(scratch / "repository"), random_key()
    with run.workspace(scratch / "workspace") as workspace, mask_functions(workspace.engine, key.text):
        with keyed_cursor(workspace, key) as cursor:
            done = RowEraser(cursor, workspace, own, manifest, scratch / "rows").erase(erasures)
        if not done.entries:
            return ErasedSnapshot(manifest, repository, done.applied)
        indexes = _with_words_of(manifest, done.entries, full_text_indexes(repository, manifest, scratch / "schema"))
        manifest = without_indexes(manifest, indexes)
        entries = [done.entries.get(entry.table.id, entry) for entry in manifest.tables]
        left = manifest.model_copy(update={"tables": tuple(entries), "file_names": ()})
        counted, raws = _counted(left, own, workspace, scratch / "left")
        files = []
        for number, index in enumerate(manifest.files):
            names = done.file_names.get(index.root.name, frozenset())
            names -= _still_named(index.root.name, counted, raws, workspace) if names else frozenset()
            files.append(without_files(index, names, own, scratch / f"files-{number}") if names else index)
    changed = left.model_copy(update={"tables": tuple(counted), "files": tuple(files)})
    like = {table_id: raws[table_id] for table_id in done.entries if raws[table_id].files}
    return ErasedSnapshot(changed, own, done.applied, like=like, indexes=indexes)


def _with_words_of(
    manifest: Manifest, changed: Mapping[str, TableEntry], indexes: Sequence[SearchIndex]
) -> tuple[SearchIndex, ...]:
    """The indexes that may hold words of changed tables: all but those over another table alone."""
    unchanged = {entry.table.name.lower() for entry in manifest.tables if entry.table.id not in changed}
    return tuple(index for index in indexes if index.over is None or index.over.lower() not in unchanged)


def _counted(
    manifest: Manifest, repository: Repository, workspace: Workspace, scratch: Path
) -> tuple[list[TableEntry], Mapping[str, RawTable]]:
    """The entries with the counts of keys and references of the rows that are left, and these rows."""
    raws = {
        entry.table.id: salvaged_rows(repository, entry, workspace, scratch / f"{number:04d}")
        for number, entry in enumerate(manifest.tables)
    }
    keys = keys_as_recorded(manifest, [entry.table for entry in manifest.tables], raws, workspace)
    counted = []
    for entry in manifest.tables:
        state = measure_table(entry.table, raws[entry.table.id], keys, digests=False)
        proofs = {"proof": entry.state.proof, "exact_digest": entry.state.exact_digest}
        counted.append(entry.model_copy(update={"state": state.model_copy(update=proofs)}))
    return counted, raws


def _still_named(
    root: str, entries: Sequence[TableEntry], raws: Mapping[str, RawTable], workspace: Workspace
) -> frozenset[str]:
    """The names of a root's files in file columns of the rows that are left."""
    found: set[str] = set()
    with workspace.cursor() as cursor:
        for entry in entries:
            for column, of in entry.table.file_columns:
                source = relation(entry.table, raws[entry.table.id])
                if of == root:
                    kind = column_types(cursor, source)[column]
                    name = text_value(column, kind, entry.encodings.get(column, "native"))
                    rows = cursor.execute(f"SELECT DISTINCT {name} FROM {source}").fetchall()
                    found |= {str(name) for (name,) in rows if name}
    return frozenset(found)
