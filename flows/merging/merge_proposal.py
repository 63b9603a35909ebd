"""What a merge would change in the live system, for its approval."""

from __future__ import annotations

from edms_tasks.merging.planning import MergePlan
from flows.approval.proposal import Proposal


def proposal_of(plan: MergePlan, notes: tuple[str, ...]) -> Proposal:
    """The plan of a merge, for people; it holds no values of rows."""
    counted = {name: sum(getattr(one, name) for one in plan.models) for name in ("insert", "update", "keep")}
    files = {name: sum(getattr(one, name) for one in plan.files) for name in ("add", "replace", "bytes")}
    return Proposal(
        subject=plan.snapshot_id,
        pinned={"snapshot": plan.snapshot_id},
        title=f"Snapshot {plan.snapshot_id[:12]} would be merged into the live system, after a safety snapshot of it.",
        facts=[
            ("Snapshot", plan.snapshot_id),
            ("Live now", plan.target),
            ("New rows", f"{counted['insert']:,}"),
            ("Rows that would be overwritten", f"{counted['update']:,}"),
            ("Rows that differ and stay", f"{counted['keep']:,}"),
            ("Files", f"{files['add']:,} new, {files['replace']:,} overwritten, {files['bytes']:,} bytes"),
        ],
        changes=[
            *(
                f"{one.model}: {one.insert:,} new, {one.update:,} overwritten, {one.keep:,} differ and stay"
                for one in plan.models
                if one.insert or one.update or one.keep
            ),
            *(
                f"files of {one.root}: {one.add:,} new, {one.replace:,} overwritten"
                for one in plan.files
                if one.add or one.replace
            ),
        ],
        obstacles=[f"{one.model}: {one.message}" for one in plan.conflicts],
        notes=notes,
    )
