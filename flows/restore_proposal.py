"""What a restore would change in the live system, for its approval."""

from __future__ import annotations

from dataclasses import replace

from rich.filesize import decimal

from edms_tasks.errors import CommandError
from edms_tasks.lineage.snapshot_source import is_package, open_source
from flows.approval.proposal import Proposal
from flows.live.live_target import journal_of
from flows.requests import RestorePlanRequest, RestoreRequest
from flows.restore_plan import RestorePlan, plan_restore
from flows.restoring.promoting import require_first_time
from flows.restoring.target import ask_edms
from flows.running.run import Run
from flows.tasks.open_tasks import open_a_damaged_snapshot


def propose_restore(run: Run, request: RestoreRequest) -> Proposal | None:
    """The plan of a restore of the live system; None for one that leaves it alone, or that was not confirmed.

    Raises:
        AlreadyPromoted: this run has promoted a restore before.
        NoSpace, MigrationsDiverged, …: what would prevent the restore.
    """
    if request.into is not None or not request.confirm:
        return None
    require_first_time(journal_of(run.settings), run.runner.run_id)
    if request.salvage:
        return _of_salvage(run, request)
    plan = plan_restore.fn(
        run,
        RestorePlanRequest(snapshot=request.snapshot, drop_unknown=request.drop_unknown, schema=request.schema),
    )
    stops = _stopping_hooks(run) if plan.in_use else ""
    return _pinned(
        request,
        Proposal(
            subject=plan.snapshot_id,
            pinned={},
            title=f"Snapshot {plan.snapshot_id[:12]} would replace the live database and files; the present ones are kept for a rollback.",
            facts=_facts(plan),
            changes=_changes(plan),
            obstacles=[plan.in_use] if plan.in_use and not stops else [],
            notes=[*plan.notes, *([f"{plan.in_use} Commands of [hooks] {stops} run before that."] if stops else [])],
        ),
    )


def _stopping_hooks(run: Run) -> str:
    """The hooks that may stop the EDMS before the restore needs it, by name."""
    hooks = run.settings.hooks
    return " and ".join(f"before_{verb}" for verb in ("restore", "promote") if hooks.of("before", verb))


def _pinned(request: RestoreRequest, proposal: Proposal) -> Proposal:
    """A package stays the file that it is; that it still holds this snapshot is checked when it is opened."""
    return proposal if is_package(request.snapshot) else replace(proposal, pinned={"snapshot": proposal.subject})


def _facts(plan: RestorePlan) -> list[tuple[str, object]]:
    counted = {
        name: sum(getattr(one, name) for one in plan.difference.tables) for name in ("removed", "added", "changed")
    }
    return [
        ("Snapshot", plan.snapshot_id),
        ("Made", f"{plan.created:%Y-%m-%d %H:%M:%S} UTC"),
        ("Live now", plan.target),
        ("Rows that go", f"{counted['removed']:,}"),
        ("Rows that come back", f"{counted['added']:,}"),
        ("Rows that change back", f"{counted['changed']:,}"),
        ("Files and folders that differ", f"{sum(one.differences for one in plan.difference.files):,}"),
        ("Room it needs", "; ".join(f"{decimal(one.bytes)} below {one.folder} for {one.what}" for one in plan.room)),
        (
            "The last restore took",
            f"{plan.last_took:,.0f} s" if plan.last_took is not None else "not known: there was none",
        ),
    ]


def _changes(plan: RestorePlan) -> list[str]:
    """A line for each model and folder that would change, the most changed first."""
    tables = sorted((one for one in plan.difference.tables if one.differences), key=lambda one: -one.differences)
    return [
        *(
            f"{one.model}: {one.removed:,} rows go, {one.added:,} come back, {one.changed:,} change back"
            for one in tables
        ),
        *(
            f"files of {one.root}: {one.removed:,} go, {one.added:,} come back, {one.changed:,} change back"
            for one in plan.difference.files
            if one.differences
        ),
    ]


def _of_salvage(run: Run, request: RestoreRequest) -> Proposal:
    """A salvage cannot be compared ahead: which rows are intact shows when they are read."""
    if not request.promote_salvaged:
        raise CommandError(
            "A salvaged copy may lack rows and files, so it does not replace the live system unless you say so.",
            fix="Name a database in `Into`, or turn `Promote salvaged` on.",
        )
    repository, name = open_source(run.settings, request.snapshot)
    chosen = run.call(open_a_damaged_snapshot, run.settings, repository, name, ask_edms(run, []))
    manifest = chosen.manifest
    proposal = Proposal(
        subject=chosen.snapshot_id,
        pinned={},
        title=f"The intact part of the damaged snapshot {chosen.snapshot_id[:12]} would replace the live database and files.",
        facts=[
            ("Snapshot", chosen.snapshot_id),
            ("Made", f"{manifest.created:%Y-%m-%d %H:%M:%S} UTC"),
            ("Held when it was whole", f"{manifest.rows:,} rows"),
        ],
        obstacles=["Rows and files that are lost will be missing from the live system. How many shows in the restore."],
        notes=chosen.notes,
    )
    return _pinned(request, proposal)
