"""Restore: open → stage → restore → validate → promote.

Nothing of the live system changes before `promote`. If the run ends before that, what was staged is removed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from edms_tasks.databases.protocol import StagingDatabase
from edms_tasks.errors import CommandError
from edms_tasks.promotion import Promotion
from edms_tasks.scratch.run_folder import run_folder
from flows.approval.approving import after_approval
from flows.evidence.reports import restore_report_folder
from flows.evidence.repository_log import logged
from flows.hooks.with_hooks import with_hooks
from flows.live.rebuild_derived_tables import rebuild_derived
from flows.requests import RestoreRequest
from flows.restore_proposal import propose_restore
from flows.restoring.choosing_source import choose_source
from flows.restoring.conversion_target import require_no_password
from flows.restoring.edms_indexes import build_indexes_in_the_edms
from flows.restoring.erasing import without_erased
from flows.restoring.open_restore import open_restore
from flows.restoring.promoting import Candidate, promote_and_record
from flows.restoring.reporting import report_restore
from flows.restoring.restore_result import RestoreResult
from flows.restoring.restore_sources import RestoreSource
from flows.restoring.staging_area import stage
from flows.restoring.target import Target
from flows.restoring.throwaway_copy import Trial, copy_of
from flows.restoring.validation import validate
from flows.running.flow_decorators import flow
from flows.running.run import Run
from flows.running.with_workers import with_workers
from flows.tasks.restore_tasks import (
    RestoredRoot,
    build_indexes_and_constraints,
    gather_statistics,
    load_tables,
    restore_objects,
    restore_root,
)

BeforeValidation = Callable[[StagingDatabase, Sequence[Path]], None]


@flow(
    name="edms-restore",
    flow_run_name="restore {snapshot}",
    description="Builds a staging database from a snapshot, validates it and, only if it is proved equal, promotes it.",
    may_be_recorded=require_no_password,
    approve=after_approval("restore", propose_restore),
)
@with_hooks("restore")
@logged("restore")
@with_workers
def restore(run: Run, request: RestoreRequest) -> RestoreResult:
    """Restore a snapshot; fails, with the EDMS untouched, if the restored data is not proved equal.

    Raises:
        AlreadyPromoted: this run has promoted a restore before; nothing was done.
        EvidenceNotWritten: the restored system is in its place, but the report on it could not be written.
        CommandError: it was not confirmed, or a salvage may not replace the live system without `promote_salvaged`.
        DamagedRepository, TargetLocked, TargetInUse, TargetChanged, MayNotCreateDatabases, SnapshotNewerThanCode,
            MigrationsDiverged, NoSpace, …: the live system is untouched.
    """
    if request.into is None and not request.confirm:
        raise CommandError(
            "This restore would replace the EDMS's database and files, and was not confirmed.",
            where=f"snapshot {request.snapshot}",
            fix="Turn `Confirm` on, or name a database in `Into`.",
        )
    return restore_snapshot(run, request)


def restore_snapshot(
    run: Run,
    request: RestoreRequest,
    before_validation: BeforeValidation = lambda staging, folders: None,
    trial: Trial | None = None,
) -> RestoreResult:
    """Restore a snapshot. `before_validation` gets the finished staging database and folders; tests damage them there.

    A `trial` tries the restored copy, which is then removed; `request` names a database that does not exist.
    """
    notes: list[str] = []
    with ExitStack() as until_reported, ExitStack() as cleanup:
        with run.stage("open"):
            opened = open_restore(run, request, notes, cleanup, throwaway=trial is not None)
        scratch = cleanup.enter_context(run_folder(run.settings.scratch, "restore"))
        erased, left = without_erased(run, request, opened, scratch, notes)
        source = choose_source(run, request, left, scratch, cleanup)
        notes += source.notes
        target = opened.target.with_files_of(source.manifest)
        cleanup.enter_context(run.runner.tagged(target.database.address.engine))

        with run.stage("stage"):
            staged = stage(run, opened, target, source.schema(scratch / "schema"), cleanup)
        with run.stage("restore"):
            tables = source.manifest.tables
            loaded = load_tables(run, tables, source.load, staged.database, source.repository, scratch / "chunks")
            there = source.staged_manifest
            run.call(build_indexes_and_constraints, staged.database, there.tables, there.sequences, loaded)
            build_indexes_in_the_edms(run, staged.database)
        with run.stage("files"):
            roots = _restore_files(run, source, target, scratch)
        with run.stage("statistics"):
            run.call(gather_statistics, staged.database)
        before_validation(staged.database, staged.folders)

        candidate = Candidate(run.settings, target, staged.database)
        with run.stage("validate"):
            folder = until_reported.enter_context(restore_report_folder(run.settings))
            evidence = validate(run, source, staged, roots, scratch, folder)
            if evidence.success:
                candidate.seal()
        notes += [*staged.database.notes, *evidence.notes]

        promotion = code_migration = drill = None
        not_rebuilt: tuple[str, ...] = ()
        if evidence.success:
            candidate.unseal()
            with run.stage("migrate to the code"):
                code_migration = source.migrate(run, opened, staged.database, scratch, notes)
                candidate.seal()
            with run.stage("promote" if target.into is None else "keep"):
                promotion = promote_and_record(run, opened, target, staged, candidate, evidence, notes)
            not_rebuilt = _rebuild(run, target, promotion, notes)
            if trial is not None:
                drill = trial.run(copy_of(run.settings, opened, target, staged), notes)
        cleanup.close()  # what was not promoted is removed, and the target is free again
        return report_restore(
            run, opened, source, evidence, code_migration, promotion, not_rebuilt, notes, drill, erased
        )


def _restore_files(run: Run, source: RestoreSource, target: Target, scratch: Path) -> list[RestoredRoot]:
    folders = [
        run.call(restore_root, run, index, source.repository, folder, scratch) for index, _, folder in target.folders
    ]
    objects = [
        run.call(restore_objects, run, index, source.repository, store, scratch) for index, store in target.stores
    ]
    return [*folders, *objects]


def _rebuild(run: Run, target: Target, promotion: Promotion | None, notes: list[str]) -> tuple[str, ...]:
    """Let the EDMS rebuild its derived tables; returns the commands that failed and whose tables are therefore empty."""
    if not run.settings.derived.rebuild or (promotion is None and not target.converts):
        return ()
    with run.stage("rebuild"):
        if target.into is None or not target.converts:
            rebuild_derived(run, target.database.address.name, notes)
            return ()  # the snapshot's own rows are there
        return rebuild_derived(run, target.database.address.renamed(target.into), notes)
