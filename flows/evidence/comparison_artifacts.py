"""What comparisons leave as evidence in Prefect: what a restore would do, and how two states differ."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edms_tasks.evidence.body import Body, Paragraph, Sheet
from flows.evidence.artifacts import on_the_disk
from flows.running.run import Run

if TYPE_CHECKING:
    from edms_tasks.comparing.comparison_result import Difference
    from flows.diff import DiffResult
    from flows.restore_plan import RestorePlan


def leave_restore_plan(run: Run, plan: RestorePlan) -> None:
    """Record what a restore would do now, and what would stop it."""
    names = {"model": "model", "added": "comes back", "removed": "goes", "changed": "changes back", "same": "the same"}
    models = _models(
        "restore-plan-tables",
        "Models that a restore would change",
        plan.difference,
        names,
        f"Snapshot {plan.snapshot_id}",
    )
    run.leave(
        "restore-plan-verdict",
        Body(
            "A restore would be refused now" if plan.in_use else "Nothing prevents a restore",
            (("Snapshot", plan.snapshot_id), ("In the way", plan.in_use or ""), *_counts(plan.difference)),
            (
                Paragraph("Migrations that would run after validation", tuple(plan.migrate)),
                Paragraph("Notes", tuple(plan.notes)),
                on_the_disk(("Report", plan.report)),
            ),
            (models,),
            tuple(plan.findings),
            plain="Nothing was changed.",
        ),
    )


def leave_diff(run: Run, result: DiffResult) -> None:
    """Record what differs between two states, by model and folder."""
    names = {name: name.replace("_", " ") for name in ("model", "added", "removed", "changed", "same", "other_ids")}
    difference = result.difference
    models = _models(
        "diff-tables", "Models that differ", difference, names, f"{difference.first} · {difference.second}"
    )
    columns = tuple(f"{one.model}.{one.column}: {one.first_type} → {one.second_type}" for one in difference.columns)
    run.leave(
        "diff-verdict",
        Body(
            "No difference" if difference.equal else "They differ",
            (("First", difference.first), ("Second", difference.second), *_counts(difference)),
            (
                Paragraph(
                    "Only in the first", tuple(f"table {one.model}, {one.rows:,} rows" for one in difference.only_first)
                ),
                Paragraph(
                    "Only in the second",
                    tuple(f"table {one.model}, {one.rows:,} rows" for one in difference.only_second),
                ),
                Paragraph("Columns", columns),
                Paragraph("Notes", tuple(difference.notes)),
                on_the_disk(("Report", result.out)),
            ),
            (models,),
        ),
    )


def _models(key: str, title: str, difference: Difference, names: dict[str, str], description: str) -> Sheet:
    rows = [
        {shown: getattr(table, name) for name, shown in names.items()}
        for table in difference.tables
        if table.differences
    ]
    return Sheet(key, title, description, rows)


def _counts(difference: Difference) -> tuple[tuple[str, object], ...]:
    counts = [
        f"{sum(getattr(one, name) for one in difference.tables):,} {name}" for name in ("removed", "added", "changed")
    ]
    return ("Rows", ", ".join(counts)), (
        "Files and folders that differ",
        f"{sum(one.differences for one in difference.files):,}",
    )
