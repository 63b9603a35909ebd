"""The artifacts of a run in Prefect: the verdict as a text, and the numbers as a table.

Reports are named by path, not linked: no browser follows a link from Prefect's page to a file of the worker.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from flows.running.markdown import bullets, fact_list, page, plain
from flows.running.run import Run

if TYPE_CHECKING:
    from edms_tasks.comparing.comparison_result import Difference
    from edms_tasks.manifest import Manifest
    from edms_tasks.report import RecoveryFacts
    from flows.backing_up.backup_result import BackupResult
    from flows.copy import CopyResult
    from flows.diff import DiffResult
    from flows.doctor import Examined
    from flows.merge import MergeResult
    from flows.prune import PruneResult
    from flows.restore_plan import RestorePlan
    from flows.restoring.restore_result import RestoreResult
    from flows.verify import VerifyResult

_RESTORED = {
    "proved": "PROVED: what was restored equals the snapshot",
    "salvaged": "SALVAGED: some of the snapshot is lost",
    "failed": "FAILED: the live system is untouched",
    "not validated": "NOT VALIDATED",
}


def leave_backup(run: Run, result: BackupResult) -> None:
    """Record the snapshot, whether it is verified, its findings and its tables."""
    manifest = result.manifest
    rows = [
        {
            "model": entry.table.label,
            "rows": entry.state.rows,
            "bytes": entry.stored_bytes,
            "proof": entry.state.fingerprint,
            "natural key": entry.natural_key.readable or entry.natural_key.source if entry.natural_key else "none",
        }
        for entry in manifest.tables
    ]
    run.table("backup-tables", "Models in the snapshot", rows, f"Snapshot {result.snapshot_id}")
    files = sum(index.files for index in manifest.files)
    findings = [f"{one.severity}: {one.subject}: {one.message} ({one.count:,})" for one in manifest.findings]
    run.markdown(
        "backup-verdict",
        page(
            "Backed up"
            if result.verified
            else "Written, and not read back"
            if result.not_read_back
            else "NOT VERIFIED: do not rely on this snapshot",
            fact_list(
                (
                    *_snapshot(result.snapshot_id, manifest),
                    ("Holds", f"{manifest.rows:,} rows in {len(manifest.tables):,} tables, {files:,} files"),
                    ("Stored", f"{result.stored_bytes:,} bytes in all objects of the snapshot"),
                    ("Read again", _read_again(result)),
                )
            ),
            ("What is wrong", bullets(result.problems)),
            ("Notes", bullets(result.notes)),
            ("Findings", bullets(findings) or "None.\n"),
        ),
    )


def leave_verify(run: Run, result: VerifyResult) -> None:
    """Record what was read and what was wrong."""
    verified = {"all": "Verified", "sample": "Structure and a sample verified", "structure": "Structure verified"}
    heading = (
        verified[result.level] if result.success else "DAMAGED" if result.problems else "There is no snapshot to verify"
    )
    run.markdown(
        "verify-verdict",
        page(
            heading,
            fact_list(
                (
                    ("Snapshots", f"{len(result.snapshot_ids):,}"),
                    ("Read again", f"{result.objects:,} objects, {result.bytes:,} bytes"),
                    ("Never read from here", f"{result.ages.never:,} objects"),
                    ("Not read since", f"{result.ages.oldest:%Y-%m-%d}" if result.ages.oldest else ""),
                )
            ),
            ("What is wrong", bullets(result.problems)),
            ("Notes", bullets(result.notes)),
            ("What to do", "`edms-backup restore SNAPSHOT --salvage --into NAME` restores the intact parts.\n")
            if result.problems
            else "",
        ),
    )


def leave_copy(run: Run, result: CopyResult) -> None:
    """Record what was copied, and what could not be."""
    run.markdown(
        "copy-verdict",
        page(
            "Copied" if result.success else "NOT COMPLETE",
            fact_list(
                (
                    ("From", result.source),
                    ("To", result.target),
                    ("New snapshots", f"{len(result.snapshots):,}"),
                    ("Written and read back", f"{result.files:,} files, {result.bytes:,} bytes"),
                )
            ),
            ("What is wrong", bullets(result.problems)),
            ("Notes", bullets(result.notes)),
        ),
    )


def leave_prune(run: Run, result: PruneResult) -> None:
    """Record what became of every snapshot, or would, and why."""
    rows = [
        {
            "snapshot": fate.id,
            "number": fate.number or "",
            "created": f"{fate.created:%Y-%m-%d %H:%M:%S} UTC",
            "tags": ", ".join(fate.tags),
            "kept by": ", ".join(fate.keeps),
            "goes": fate.goes,
            "bytes freed": fate.frees,
        }
        for fate in result.plan.fates
    ]
    run.table("prune-snapshots", "What becomes of each snapshot", rows, f"Kept: {result.rules}. Days of {result.zone}.")
    going = sum(fate.goes for fate in result.plan.fates)
    run.markdown(
        "prune-verdict",
        page(
            "Pruned" if result.done else "A plan: nothing was removed",
            fact_list(
                (
                    (
                        "Removed" if result.done else "Would go",
                        f"{len(result.removed) if result.done else going:,} snapshots",
                    ),
                    ("Stay", f"{len(result.plan.fates) - going:,} snapshots"),
                    ("Freed" if result.done else "Would be freed", f"{_freed(result):,} bytes"),
                )
            ),
            ("Notes", bullets(result.notes)),
        ),
    )


def _freed(result: PruneResult) -> int:
    return result.swept.bytes if result.done else result.plan.frees + result.plan.unneeded


def leave_restore(run: Run, known: RecoveryFacts, result: RestoreResult) -> None:
    """Record the verdict, what is live now, failures, how to roll back, and every table's counts and digests."""
    rows = []
    for entry in known.manifest.tables:
        state = known.states.get(entry.table.id)
        rows.append(
            {
                "model": entry.table.label,
                "rows expected": entry.state.rows,
                "rows found": state.rows if state else "missing",
                "proof expected": entry.state.fingerprint,
                "proof found": (state.fingerprint or "other columns") if state else "missing",
                "equal": state is not None and state.equals(entry.state),
            }
        )
    run.table("restore-tables", "Models after the restore", rows, "As written in the snapshot, and as read back.")
    files = sum(index.files for index in known.manifest.files)
    checks = known.validation.evaluated if known.validation else 0
    failed = len(known.validation.failures) if known.validation else 0
    run.markdown(
        "restore-verdict",
        page(
            _RESTORED[result.verdict],
            fact_list(
                (
                    *_snapshot(result.snapshot_id, known.manifest),
                    ("Now live" if result.promoted else "Target", result.target),
                    ("Before", f"kept as {result.previous}" if result.previous else ""),
                    ("Rows", f"{result.rows:,} found of {known.manifest.rows:,}"),
                    ("Files", f"{result.files:,} found of {files:,}"),
                    ("Checks", f"{checks:,} made, {failed:,} failed"),
                )
            ),
            ("What failed", bullets(result.failures)),
            ("What is lost", bullets(known.losses.sentences() if known.losses else ())),
            ("The way back", _way_back(result)),
            ("Notes", bullets(result.notes)),
            (
                "On the worker's disk",
                fact_list(
                    (("Report", result.report_html), ("JSON", result.report_json), ("Data Docs", result.data_docs))
                ),
            ),
        ),
    )


def leave_restore_plan(run: Run, plan: RestorePlan) -> None:
    """Record what a restore would do now, and what would stop it."""
    names = {"model": "model", "added": "comes back", "removed": "goes", "changed": "changes back", "same": "the same"}
    _leave_models(
        run,
        "restore-plan-tables",
        "Models that a restore would change",
        plan.difference,
        names,
        f"Snapshot {plan.snapshot_id}",
    )
    run.markdown(
        "restore-plan-verdict",
        page(
            "A restore would be refused now" if plan.in_use else "Nothing prevents a restore",
            "Nothing was changed.\n",
            fact_list((("Snapshot", plan.snapshot_id), ("In the way", plan.in_use or ""), *_counts(plan.difference))),
            ("Migrations that would run after validation", bullets(plan.migrate)),
            ("Findings", bullets([f"{one.severity}: {one.subject}: {one.message}" for one in plan.findings])),
            ("Notes", bullets(plan.notes)),
            ("On the worker's disk", _paths(plan.report)),
        ),
    )


def leave_diff(run: Run, result: DiffResult) -> None:
    """Record what differs between two states, by model and folder."""
    names = {name: name.replace("_", " ") for name in ("model", "added", "removed", "changed", "same", "other_ids")}
    difference = result.difference
    _leave_models(
        run, "diff-tables", "Models that differ", difference, names, f"{difference.first} · {difference.second}"
    )
    columns = [f"{one.model}.{one.column}: {one.first_type} → {one.second_type}" for one in difference.columns]
    run.markdown(
        "diff-verdict",
        page(
            "No difference" if difference.equal else "They differ",
            fact_list((("First", difference.first), ("Second", difference.second), *_counts(difference))),
            ("Only in the first", bullets([f"table {one.model}, {one.rows:,} rows" for one in difference.only_first])),
            (
                "Only in the second",
                bullets([f"table {one.model}, {one.rows:,} rows" for one in difference.only_second]),
            ),
            ("Columns", bullets(columns)),
            ("Notes", bullets(difference.notes)),
            ("On the worker's disk", _paths(result.out)),
        ),
    )


def leave_merge(run: Run, shown: MergeResult) -> None:
    """Record what a merge did or would do, and its conflicts; `shown` holds no sensitive value."""
    plan = shown.plan
    rows = [
        {name: getattr(model, name) for name in ("model", "insert", "update", "keep", "same", "only_in_target")}
        for model in plan.models
    ]
    run.table("merge-tables", "Models in the merge", rows, f"Snapshot {plan.snapshot_id}")
    heading = "NOT MERGED: nothing was changed" if plan.conflicts else "Merged and proved" if shown.done else "A plan"
    conflicts = [f"{one.model}: {one.message} ({one.count:,}). {one.fix}" for one in plan.conflicts]
    run.markdown(
        "merge-verdict",
        page(
            heading,
            fact_list(
                (
                    ("Snapshot", plan.snapshot_id),
                    ("Target", plan.target),
                    ("Written" if shown.done else "Would be written", f"{plan.writes:,} rows and files"),
                    ("Validated", f"{sum(one.snapshot_rows for one in shown.tables):,} rows" if shown.done else ""),
                )
            ),
            ("Conflicts", bullets(conflicts)),
            ("The way back", _back_to(shown.safety_snapshot) if shown.done and shown.safety_snapshot else ""),
            ("Notes", bullets(shown.notes)),
            ("On the worker's disk", _paths(shown.report)),
        ),
    )


def leave_diagnosis(run: Run, result: Examined) -> None:
    """Record the doctor's verdict and findings."""
    found = [
        f"{group.severity}: {', '.join(subject for subject, _ in group.subjects[:12])}: {group.message} {group.fix}"
        for group in result.groups
    ]
    run.markdown(
        "diagnosis",
        page(
            "No errors" if result.diagnosis.healthy else "Errors were found",
            fact_list((("EDMS", result.edms), ("Database", result.database), ("Files", f"{result.files:,}"))),
            ("Findings", bullets(found) or "None.\n"),
        ),
    )


def _leave_models(
    run: Run, key: str, title: str, difference: Difference, names: dict[str, str], description: str
) -> None:
    rows = [
        {shown: getattr(table, name) for name, shown in names.items()}
        for table in difference.tables
        if table.differences
    ]
    run.table(key, title, rows, description)


def _snapshot(snapshot_id: str, manifest: Manifest) -> tuple[tuple[str, object], ...]:
    return (
        ("Snapshot", snapshot_id),
        ("Tag", manifest.tag or ""),
        ("Made", f"{manifest.created:%Y-%m-%d %H:%M:%S} UTC"),
        ("EDMS", manifest.edms.settings_module),
    )


def _read_again(result: BackupResult) -> str:
    if result.not_read_back:
        return f"nothing: {result.not_read_back}"
    unread = f"; {result.objects_unread:,} of earlier backups were not" if result.objects_unread else ""
    return f"{result.objects_read:,} objects{unread}"


def _counts(difference: Difference) -> tuple[tuple[str, object], ...]:
    counts = [
        f"{sum(getattr(one, name) for one in difference.tables):,} {name}" for name in ("removed", "added", "changed")
    ]
    return ("Rows", ", ".join(counts)), (
        "Files and folders that differ",
        f"{sum(one.differences for one in difference.files):,}",
    )


def _way_back(result: RestoreResult) -> str:
    if not result.promoted:
        return "The live system was not touched.\n"
    if not result.previous:
        return "There was nothing to set aside, so there is nothing to go back to.\n"
    return f"`edms-backup rollback` swaps {plain(result.previous)} back.\n"


def _back_to(snapshot_id: str) -> str:
    return f"`edms-backup restore {snapshot_id[:12]}` brings back what was there before.\n"


def _paths(*paths: Path | None) -> str:
    return fact_list(("Report", path) for path in paths if path is not None)
