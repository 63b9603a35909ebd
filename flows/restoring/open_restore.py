"""Open a restore: choose snapshot, database and folders, and check that nothing prevents it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from edms_tasks.errors import CommandError
from edms_tasks.lineage.snapshot_source import open_source
from edms_tasks.manifest import Manifest
from edms_tasks.promotion import Journal, Patience
from edms_tasks.promotion.target_locks import HeldLocks
from edms_tasks.repository import Repository
from edms_tasks.scratch.raw_table import RawTable
from edms_tasks.validate import preload_great_expectations
from flows.live.live_target import journal_of
from flows.requests import RestoreRequest
from flows.restoring.conversion_requirements import (
    require_another_engine,
    require_compatible_code,
    require_within_one_engine,
)
from flows.restoring.conversion_target import engine_address
from flows.restoring.promoting import lock_of, prepare_target, require_first_time
from flows.restoring.target import Target, ask_edms, find_target
from flows.restoring.version_plan import VersionPlan, plan_version
from flows.running.flow_decorators import task
from flows.running.run import Run
from flows.tasks.open_tasks import keep_while_reading, open_a_damaged_snapshot, open_the_snapshot
from flows.tasks.validate_tasks import check_suites

find_the_target = task(name="find target", tags=["open"])(find_target)


@dataclass(frozen=True)
class Opened:
    """The snapshot, target and checks of a restore that may begin."""

    snapshot_id: str
    manifest: Manifest
    repository: Repository
    target: Target
    version_plan: VersionPlan
    held: HeldLocks
    journal: Journal
    patience: Patience
    # By table id, rows in whose form a table is read back, because rows of it were erased (RestoreSource.like).
    like: Mapping[str, RawTable] = field(default_factory=dict)
    indexed: frozenset[str] = frozenset()  # ids of the tables of search indexes that come back empty


def open_restore(
    run: Run, request: RestoreRequest, notes: list[str], cleanup: ExitStack, *, throwaway: bool = False
) -> Opened:
    """Find snapshot and target, lock the target, and check everything that could stop the restore later. Adds to `notes`.

    With `throwaway` the copy is removed at the end, and the snapshot must fit the EDMS's code as if it were to be promoted.
    """
    settings = run.settings
    _require_sense(request)
    journal, patience = journal_of(settings), Patience(run.say, waits=request.wait)
    if request.into is None:
        require_first_time(journal, run.runner.run_id)
    repository, name = open_source(settings, request.snapshot)
    report = ask_edms(run, notes)
    find = open_a_damaged_snapshot if request.salvage else open_the_snapshot
    chosen = run.call(find, settings, repository, name, report)
    if run.approved is not None:
        run.approved.require(chosen.snapshot_id)
    unprotected = keep_while_reading(repository, [chosen.snapshot_id], "restore", cleanup)
    for note in (*chosen.notes, *unprotected):
        run.say(note)
    notes += (*chosen.notes, *unprotected)
    preload_great_expectations()
    require_usable_suites(run, chosen.manifest)
    target = run.call(find_the_target, settings, chosen.manifest, request.into, request.into_files, notes, report)
    if throwaway:
        target = _as_throwaway(target)
    version_plan = plan_version(
        chosen.manifest, target.report, into=None if throwaway else target.into, drop_unknown=request.drop_unknown
    )
    for note in version_plan.notes:
        run.say(note)
    if target.converts:
        require_compatible_code(version_plan, request.schema)
    held = cleanup.enter_context(lock_of(settings, target).working("restore"))
    prepare_target(settings, chosen.manifest, target, journal, patience, notes)
    if target.into is None:
        require_first_time(journal, run.runner.run_id, target.database)
    return Opened(chosen.snapshot_id, chosen.manifest, repository, target, version_plan, held, journal, patience)


def _as_throwaway(target: Target) -> Target:
    """The target of a drill, which names a path: on a database server, the path's last part is the database's name."""
    assert target.into is not None  # a drill names it
    into = target.into if target.database.address.is_file else Path(target.into).name
    return replace(target, into=into, throwaway=True)


def require_usable_suites(run: Run, manifest: Manifest) -> None:
    """Check that the owner's suites fit the tables of this snapshot; raises UnusableSuite."""
    if run.settings.validate_.suites is not None:
        run.call(check_suites, run.settings.validate_.suites, [entry.table for entry in manifest.tables])


def _require_sense(request: RestoreRequest) -> None:
    if request.salvage:
        _require_leave_to_salvage(request)
    if request.mask is not None:
        _require_a_copy_to_mask(request)
    if request.salvage or request.drop_unknown:
        require_within_one_engine(request.into)
    require_another_engine(request.schema, request.into)


def _require_a_copy_to_mask(request: RestoreRequest) -> None:
    """Refuse to mask the live system, what is left of a damaged snapshot, or a database of the other engine; raises CommandError."""
    if request.into is None:
        raise CommandError(
            "--mask needs --into: the live system is never masked.",
            fix="Name a database for the masked copy with --into NAME.",
        )
    if request.salvage:
        raise CommandError(
            "--mask and --salvage cannot be combined: it would not be clear what was lost and what was masked.",
            fix="Mask an undamaged snapshot.",
        )
    if engine_address(request.into) is not None:
        raise CommandError(
            "--mask cannot change the engine, too.",
            where="--into",
            fix="Name a database of the snapshot's engine: --into NAME.",
        )


def _require_leave_to_salvage(request: RestoreRequest) -> None:
    """Require `--promote-salvaged` for a salvage of the live system, and refuse `--drop-unknown`; raises CommandError."""
    if request.drop_unknown:
        raise CommandError(
            "--salvage and --drop-unknown cannot be combined: it would not be clear what was lost and what was dropped.",
            fix="Salvage with --into and without --drop-unknown; or restore an undamaged snapshot.",
        )
    if request.into is None and not request.promote_salvaged:
        raise CommandError(
            "A salvaged copy may lack rows and files, so it does not replace the live system unless you say so.",
            fix="Add --into NAME to keep it beside the live system, or --promote-salvaged to replace the live system.",
        )
