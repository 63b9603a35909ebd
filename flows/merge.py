"""Merge: open → safety snapshot → read → match → plan → write → validate → commit, in one transaction of the live database.

Rows are matched by natural key, new rows get free ids, every reference follows. Nothing is committed that was not validated.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from edms_tasks.databases import Database, open_database
from edms_tasks.databases.merge_transaction import MergeTransaction
from edms_tasks.errors import CommandError, EvidenceNotWritten, MergeRefused
from edms_tasks.evidence.body import Gathered
from edms_tasks.inventory.model import Table
from edms_tasks.inventory.probe_report import ProbeReport
from edms_tasks.lineage.owner import identity_of
from edms_tasks.lineage.snapshot_source import open_source
from edms_tasks.lineage.snapshot_tags import BEFORE_MERGE
from edms_tasks.manifest import Manifest
from edms_tasks.merging.derived_columns import derived_columns
from edms_tasks.merging.ids_of_other_databases import other_databases_of
from edms_tasks.merging.later_declarations import names_as_declared
from edms_tasks.merging.matching_keys import keys_for_merge
from edms_tasks.merging.planning import MergePlan
from edms_tasks.merging.validated_rows import MergedTable
from edms_tasks.promotion import LiveTarget, Patience
from edms_tasks.promotion.target_locks import HeldLocks
from edms_tasks.redaction import Redaction
from edms_tasks.repository import Repository
from edms_tasks.restore import check_engine
from edms_tasks.scratch.run_folder import run_folder
from edms_tasks.settings import Settings
from flows.approval.approving import after_approval
from flows.approval.proposal import CHANGES_SHOWN, Proposal
from flows.backing_up.backup_result import BackupResult
from flows.backup import make_snapshot
from flows.evidence.repository_log import LogFacts, logged
from flows.evidence.run_end import conclude
from flows.hooks.with_hooks import with_hooks
from flows.live.live_target import finish_interrupted_promotions, journal_of, live_target
from flows.live.rebuild_derived_tables import rebuild_derived
from flows.merging.common_tables import common_tables
from flows.merging.live_roots import live_files
from flows.merging.merge_erasures import without_erased
from flows.merging.merge_inputs import MergeInputs
from flows.merging.merge_options import MergeChoices
from flows.merging.merge_proposal import proposal_of
from flows.merging.merge_report import report_merge
from flows.merging.merge_stages import MergeStages
from flows.requests import BackupRequest, MergeRequest
from flows.restoring.target import address_of, ask_edms
from flows.running.flow_decorators import Shortfall, flow
from flows.running.printable import error_text
from flows.running.run import Run
from flows.running.stopping import when_stopped
from flows.tasks.inspect_tasks import check_database
from flows.tasks.merge_tasks import commit
from flows.tasks.open_tasks import keep_while_reading, open_the_snapshot


@dataclass(frozen=True)
class MergeResult:
    """The result of a merge, or of its plan (`--dry-run`)."""

    plan: MergePlan
    done: bool
    safety_snapshot: str | None
    tables: tuple[MergedTable, ...]
    notes: tuple[str, ...]
    seconds: dict[str, float]
    report: Path | None = None  # the page; merge.json lies beside it
    not_rebuilt: tuple[str, ...] = ()  # commands that should have rebuilt derived tables, and failed

    @property
    def success(self) -> bool:
        """Whether a plan has no conflicts, or a merge was validated, committed, and its derived tables were rebuilt."""
        return not self.plan.conflicts and not self.not_rebuilt

    def shortfall(self) -> Shortfall | None:
        """Why the merge counts as failed: its conflicts. None if there are none."""
        if self.success:
            return None
        if self.not_rebuilt:
            return Shortfall(
                "The snapshot was merged and proved, but derived tables were not rebuilt.", self.not_rebuilt
            )
        conflicts = tuple(f"{conflict.model}: {conflict.message}" for conflict in self.plan.conflicts)
        return Shortfall("The snapshot cannot be merged; nothing was changed.", conflicts)

    def log_facts(self) -> LogFacts | None:
        """What the repository's log says of it; None for a plan."""
        if not self.done:
            return None
        facts = {"safety_snapshot": self.safety_snapshot}
        return LogFacts(self.success, snapshot=self.plan.snapshot_id, facts=facts)

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "success": self.success,
            "done": self.done,
            "plan": self.plan.model_dump(mode="json"),
            "safety_snapshot": self.safety_snapshot,
            "tables": [table.model_dump(mode="json") for table in self.tables],
            "notes": list(self.notes),
            "not_rebuilt": list(self.not_rebuilt),
            "seconds": self.seconds,
            "report": str(self.report) if self.report else None,
        }


def _propose(run: Run, request: MergeRequest) -> Proposal | None:
    """The plan, for the approval of a merge that would write."""
    if request.dry_run or not request.confirm:
        return None
    planned = merge.fn(run, replace(request, dry_run=True))
    return proposal_of(planned.plan, planned.notes)


@flow(
    name="edms-merge",
    flow_run_name="merge {snapshot}",
    description="Merges a snapshot into the EDMS's database: rows are matched by natural key, and rows of the EDMS only stay.",
    approve=after_approval("merge", _propose),
)
@with_hooks("merge")
@logged("merge")
def merge(run: Run, request: MergeRequest) -> MergeResult:
    """Merge a snapshot into the live system, or plan to. If anything fails, the live system is unchanged.

    Raises:
        CommandError, SettingsError: it was not confirmed, or a declared natural key cannot be used.
        MergeRefused, CheckFailed, TargetLocked, TargetInUse, DamagedRepository, …: nothing was changed.
        EvidenceNotWritten: the merge was committed, and the report on it could not be written.
    """
    if not request.dry_run and not request.confirm:
        raise CommandError(
            "This merge would write to the EDMS's database, and was not confirmed.",
            where=f"snapshot {request.snapshot}",
            fix="Turn `Confirm` on, or leave `Dry run` on.",
        )
    wanted, notes = MergeChoices.of(request, run.settings), list[str]()
    with ExitStack() as cleanup:
        with run.stage("open"):
            opened = _open(run, request, notes, cleanup)
        scratch = cleanup.enter_context(run_folder(run.settings.workdir, "merge"))
        left = without_erased(run, request, opened, scratch, notes)
        its = _inputs(run, request, wanted, left, scratch, notes, cleanup)
        safety = None if request.dry_run else _safety_snapshot(run, opened)
        stages = MergeStages(run, its, notes)
        with run.stage("read the snapshot"):
            stages.read_snapshot()
        if request.dry_run:
            with opened.database.view(scratch, run.settings.jobs) as view:
                stages.read_target(view)
            plan = stages.plan(opened.snapshot_id, opened.database.address.display, notes)
            return report_merge(run, opened.repository, MergeResult(plan, False, None, (), tuple(notes), run.seconds))
        when_stopped(
            f"The live database is unchanged. Snapshot {safety[:12] if safety else ''} of it was made before; staged files were removed."
        )
        plan, proved = _merge(run, opened, stages, its, notes, cleanup)
        not_rebuilt = () if plan.conflicts else _rebuild(run, opened, plan, notes)
    done = MergeResult(plan, not plan.conflicts, safety, proved, tuple(notes), run.seconds, not_rebuilt=not_rebuilt)
    if not done.done:
        return report_merge(run, opened.repository, done)
    with _committed_whatever_fails(done, run.settings):
        return report_merge(run, opened.repository, done)


@dataclass(frozen=True)
class _Opened:
    """A merge that may begin."""

    snapshot_id: str
    manifest: Manifest
    repository: Repository
    report: ProbeReport | None
    database: Database
    live: LiveTarget
    patience: Patience
    held: HeldLocks | None  # None: nothing is written


def _open(run: Run, request: MergeRequest, notes: list[str], cleanup: ExitStack) -> _Opened:
    """Find snapshot and target, and take the target's lock where it will be written to."""
    settings = run.settings
    repository, name = open_source(settings, request.snapshot)
    report = ask_edms(run, notes)
    # `latest` is never a safety snapshot: merging that would undo the last merge.
    chosen = run.call(open_the_snapshot, settings, repository, name, report, passing_over=BEFORE_MERGE)
    if run.approved is not None:
        run.approved.require(chosen.snapshot_id)
    unprotected = keep_while_reading(repository, [chosen.snapshot_id], "merge", cleanup)
    for note in (*chosen.notes, *unprotected):
        run.say(note)
    notes += (*chosen.notes, *unprotected)
    database = open_database(address_of(settings, report))
    check_engine(chosen.manifest, database)
    run.call(check_database, database)
    live, patience = live_target(settings, database, report), Patience(run.say, waits=request.wait)
    held = None
    if not request.dry_run:
        held = cleanup.enter_context(live.working("merge"))
        notes += finish_interrupted_promotions(live, journal_of(settings), patience)
    elif busy := live.worked_on_by():
        raise busy
    return _Opened(chosen.snapshot_id, chosen.manifest, repository, report, database, live, patience, held)


def _inputs(
    run: Run,
    request: MergeRequest,
    wanted: MergeChoices,
    opened: _Opened,
    scratch: Path,
    notes: list[str],
    cleanup: ExitStack,
) -> MergeInputs:
    """Settle what is merged, and by which keys, before anything is written."""
    tables = common_tables(run.settings, opened.database, opened.manifest, scratch, notes)
    names = names_as_declared(opened.manifest, run.settings.soft_references, notes)
    wanted.policies.require_known(tables)
    keys = keys_for_merge(opened.manifest, run.settings.natural_keys, request.keys, notes)
    known = [entry.table for entry in opened.manifest.tables]
    own_edms = _is_own(run.settings, opened)
    return MergeInputs(
        repository=opened.repository,
        manifest=opened.manifest,
        workspace=cleanup.enter_context(run.workspace(scratch / "workspace", rows=opened.manifest.rows)),
        scratch=scratch,
        tables=tables,
        live=live_files(run.settings, opened.report, opened.manifest),
        names=names,
        keys=keys,
        derived=derived_columns(run.settings.derived.columns, tables, keys, known, notes),
        own_edms=own_edms,
        others=other_databases_of(opened.report, tables, own_edms=own_edms),
        needed=_needed(tables, opened.report),
        wanted=wanted,
        redaction=Redaction(run.settings.validate_.sensitive, {table.id: table for table in known}, keys),
    )


def _needed(tables: Sequence[Table], report: ProbeReport | None) -> dict[str, frozenset[str]]:
    """The columns of references, by table id, whose rows Django deletes with what they refer to, or that keep it from being deleted."""
    together = {"CASCADE", "PROTECT", "RESTRICT", "DB_CASCADE"}
    fields = {model.label: model.fields for model in report.models} if report is not None else {}
    return {
        table.id: frozenset(field.column for field in fields.get(table.label, ()) if field.on_delete in together)
        for table in tables
    }


def _rebuild(run: Run, opened: _Opened, plan: MergePlan, notes: list[str]) -> tuple[str, ...]:
    """Let the EDMS rebuild its derived tables, if a row or file was written; returns the commands that failed."""
    if not run.settings.derived.rebuild:
        return ()
    if not plan.writes:
        notes.append("The merge wrote nothing, so derived tables were left as they are.")
        return ()
    when_stopped(
        "The merge is committed. Derived tables were being rebuilt: run the commands of [derived] in the EDMS."
    )
    with run.stage("rebuild"):
        return rebuild_derived(run, opened.database.address.name, notes)


def _is_own(settings: Settings, opened: _Opened) -> bool:
    """Whether the snapshot is of the EDMS that it is merged into."""
    recorded = opened.manifest.identity
    known = identity_of(settings, opened.report).id if opened.report is not None else settings.edms.id
    return recorded is not None and recorded.id == known


def _safety_snapshot(run: Run, opened: _Opened) -> str:
    """Back the target up, before it is written to; returns the snapshot's id. Raises MergeRefused if it cannot be relied on."""

    def known(settings: Settings) -> ProbeReport:
        return opened.report or run.ask(settings)

    tag = f"{BEFORE_MERGE}{opened.snapshot_id[:12]}"
    safety = replace(run, ask=known, evidence=Gathered())
    made = make_snapshot(safety, BackupRequest(tag=tag))
    conclude(safety, "backup", "success" if made.log_facts().success else "failed", made.log_facts())
    require_reliable(made)
    return made.snapshot_id


def require_reliable(safety: BackupResult) -> None:
    """Require that a safety snapshot was read back and is right: it is the way back. Raises MergeRefused."""
    if short := safety.shortfall():
        raise MergeRefused(
            "The safety snapshot could not be verified, so nothing was merged.",
            where=f"snapshot {safety.snapshot_id[:12]}",
            why="; ".join(short.problems[:5]),
            fix=f"Check the repository's disk or server: `edms-backup verify {safety.snapshot_id[:12]}`. Then merge again.",
        )


def _merge(
    run: Run,
    opened: _Opened,
    stages: MergeStages,
    its: MergeInputs,
    notes: list[str],
    cleanup: ExitStack,
) -> tuple[MergePlan, tuple[MergedTable, ...]]:
    """Read, plan, write and validate in one transaction, and commit it where nothing stands in the way."""
    assert opened.held is not None  # it is not a dry run
    database = opened.database
    # Wait for a running backup before the transaction, which makes other writers wait.
    beginning = database.merging(its.scratch, its.tables, its.redaction)
    with opened.live.still("merge", opened.patience) as still, beginning as transaction:
        stages.read_target(transaction.view())
        plan = stages.plan(opened.snapshot_id, database.address.display, notes)
        if plan.conflicts:
            return plan, ()
        if run.approved is not None and plan.writes:  # after a retry, what was approved may be done
            run.approved.require_plan(proposal_of(plan, ()).lines(CHANGES_SHOWN))
        cleanup.callback(stages.files.remove_staged)
        proved = stages.carry_out(transaction)
        aside = run.settings.workdir / "replaced-by-merges" / f"{datetime.now(UTC):%Y%m%dT%H%M%S}"
        with run.stage("commit"):
            opened.held.require_held()
            still.require_held()
            when_stopped("The merge was being committed. `edms-backup merge SNAPSHOT --dry-run` shows whether it was.")
            _commit(run, stages, transaction, aside)
        if aside.exists():
            notes.append(f"Files that were replaced are kept in {aside}.")
    return plan, proved


@contextmanager
def _committed_whatever_fails(done: MergeResult, settings: Settings) -> Iterator[None]:
    """If the report cannot be written after the commit, raise EvidenceNotWritten, which says what was merged."""
    try:
        yield
    except Exception as error:
        written = sum(model.insert + model.update for model in done.plan.models)
        raise EvidenceNotWritten(
            f"Snapshot {done.plan.snapshot_id[:12]} was merged and proved ({written:,} rows written), but its report could not be "
            f"written: {done.plan.target}.",
            where=str(settings.workdir),
            why=error_text(error),
            fix="You need not merge again: a second merge writes nothing. "
            + (f"The state before is snapshot {done.safety_snapshot[:12]}. " if done.safety_snapshot else "")
            + "Free some space, or fix the folder's permissions.",
        ) from error


def _commit(run: Run, stages: MergeStages, transaction: MergeTransaction, aside: Path) -> None:
    """Move the files in, then commit: a file without its row does no harm, and the next merge recognises it as equal.

    So the files are taken back only if the rows are certainly not committed.
    """
    try:
        stages.files.move_in(aside)
        run.call(commit, transaction)
    except BaseException:
        if not (transaction.committed or transaction.undecided):
            stages.files.take_back()
        raise
