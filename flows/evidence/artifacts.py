"""What each verb leaves as evidence: the verdict, the numbers, what is wrong. It becomes the run's report, and artifacts in Prefect.

Pages are named by path, not linked: no browser follows a link from Prefect's page to a file of the worker.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edms_tasks.evidence.body import Body, Paragraph, Sheet
from flows.running.run import Run

if TYPE_CHECKING:
    from edms_tasks.manifest import Manifest
    from edms_tasks.report import RecoveryFacts
    from flows.backing_up.backup_result import BackupResult
    from flows.copy import CopyResult
    from flows.doctor import Examined
    from flows.merge import MergeResult
    from flows.prune import PruneResult
    from flows.restoring.restore_result import RestoreResult
    from flows.verify import VerifyResult

_RESTORED = {
    "proved": "PROVED: what was restored equals the snapshot",
    "masked": "MASKED: masked columns hold pseudonyms, everything else equals the snapshot",
    "salvaged": "SALVAGED: some of the snapshot is lost",
    "failed": "FAILED: the live system is untouched",
    "not validated": "NOT VALIDATED",
}


def leave_backup(run: Run, result: BackupResult) -> None:
    """Record the snapshot, whether it is verified, its findings and its tables."""
    manifest = result.manifest
    models = [
        {
            "model": entry.table.label,
            "rows": entry.state.rows,
            "bytes": entry.stored_bytes,
            "proof": entry.state.fingerprint,
            "natural key": entry.natural_key.readable or entry.natural_key.source if entry.natural_key else "none",
        }
        for entry in manifest.tables
    ]
    folders = [
        {"folder": index.root.name, "files": index.files, "bytes": index.bytes, "digest": index.digest}
        for index in manifest.files
    ]
    files = sum(index.files for index in manifest.files)
    run.evidence.versions, run.evidence.snapshot_made = _versions(manifest), manifest.created
    run.leave(
        "backup-verdict",
        Body(
            "Backed up"
            if result.verified
            else "Written, and not read back"
            if result.not_read_back
            else "NOT VERIFIED: do not rely on this snapshot",
            (
                *_snapshot(result.snapshot_id, manifest),
                ("Holds", f"{manifest.rows:,} rows in {len(manifest.tables):,} tables, {files:,} files"),
                ("Stored", f"{result.stored_bytes:,} bytes in all objects of the snapshot"),
                ("Read again", _read_again(result)),
                ("Findings", f"{len(manifest.findings):,}"),
            ),
            (Paragraph("What is wrong", result.problems), Paragraph("Notes", result.notes)),
            (
                Sheet("backup-tables", "Models in the snapshot", f"Snapshot {result.snapshot_id}", models),
                *([Sheet("backup-folders", "Folders in the snapshot", "", folders)] if folders else []),
            ),
            manifest.findings,
        ),
    )


def leave_verify(run: Run, result: VerifyResult) -> None:
    """Record what was read and what was wrong."""
    verified = {"all": "Verified", "sample": "Structure and a sample verified", "structure": "Structure verified"}
    heading = (
        verified[result.level] if result.success else "DAMAGED" if result.problems else "There is no snapshot to verify"
    )
    run.leave(
        "verify-verdict",
        Body(
            heading,
            (
                ("Snapshots", f"{len(result.snapshot_ids):,}"),
                ("Read again", f"{result.objects:,} objects, {result.bytes:,} bytes"),
                ("Never read from here", f"{result.ages.never:,} objects"),
                ("Not read since", f"{result.ages.oldest:%Y-%m-%d}" if result.ages.oldest else ""),
            ),
            (
                Paragraph("What is wrong", result.problems),
                Paragraph("Notes", result.notes),
                Paragraph(
                    "What to do",
                    text="`edms-backup restore SNAPSHOT --salvage --into NAME` restores the intact parts."
                    if result.problems
                    else "",
                ),
            ),
            (Sheet("verify-snapshots", "Snapshots", "Rows and files as the manifests say.", result.looked_at),)
            if result.looked_at
            else (),
        ),
    )


def leave_copy(run: Run, result: CopyResult) -> None:
    """Record what was copied, and what could not be."""
    run.leave(
        "copy-verdict",
        Body(
            "Copied" if result.success else "NOT COMPLETE",
            (
                ("From", result.source),
                ("To", result.target),
                ("New snapshots", f"{len(result.snapshots):,}"),
                ("Written and read back", f"{result.files:,} files, {result.bytes:,} bytes"),
                ("There before", f"{result.already:,} objects"),
            ),
            (
                Paragraph("What is wrong", result.problems),
                Paragraph("Notes", result.notes),
                Paragraph("New snapshots", result.snapshots),
            ),
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
    going = sum(fate.goes for fate in result.plan.fates)
    run.leave(
        "prune-verdict",
        Body(
            "Pruned" if result.done else "A plan: nothing was removed",
            (
                (
                    "Removed" if result.done else "Would go",
                    f"{len(result.removed) if result.done else going:,} snapshots",
                ),
                ("Stay", f"{len(result.plan.fates) - going:,} snapshots"),
                ("Freed" if result.done else "Would be freed", f"{_freed(result):,} bytes"),
                (
                    "Reports of runs removed" if result.done else "Reports of runs that would go",
                    f"{result.reports.removed:,} files" if result.reports.removed else "",
                ),
            ),
            (Paragraph("Notes", result.notes),),
            (
                Sheet(
                    "prune-snapshots",
                    "What becomes of each snapshot",
                    f"Kept: {result.rules}. Days of {result.zone}.",
                    rows,
                ),
            ),
        ),
    )


def _freed(result: PruneResult) -> int:
    return result.swept.bytes if result.done else result.plan.frees + result.plan.unneeded


def leave_restore(run: Run, known: RecoveryFacts, result: RestoreResult) -> None:
    """Record the verdict, what is live now, failures, how to roll back, and every table's counts and digests."""
    models = []
    for entry in known.manifest.tables:
        state = known.states.get(entry.table.id)
        models.append(
            {
                "model": entry.table.label,
                "rows expected": entry.state.rows,
                "rows found": state.rows if state else "missing",
                "proof expected": entry.state.fingerprint,
                "proof found": (state.fingerprint or "other columns") if state else "missing",
                "equal": state is not None and state.equals(entry.state),
            }
        )
    folders = [
        {"folder": check.root, "files expected": check.expected, "files found": check.found} for check in known.files
    ]
    files = sum(index.files for index in known.manifest.files)
    checks = known.validation.evaluated if known.validation else 0
    failed = len(known.validation.failures) if known.validation else 0
    run.evidence.versions, run.evidence.snapshot_made = _versions(known.manifest), known.manifest.created
    run.leave(
        "restore-verdict",
        Body(
            _verdict(result),
            (
                *_snapshot(result.snapshot_id, known.manifest),
                ("Now live" if result.promoted else "Target", result.target),
                ("Before", f"kept as {result.previous}" if result.previous else ""),
                ("Rows", f"{result.rows:,} found of {known.manifest.rows:,}"),
                ("Files", f"{result.files:,} found of {files:,}"),
                ("Checks", f"{checks:,} made, {failed:,} failed"),
            ),
            (
                Paragraph("What failed", (*result.failures, *(result.drill.problems if result.drill else ()))),
                Paragraph("What is lost", known.losses.sentences() if known.losses else ()),
                _way_back(result),
                Paragraph("Notes", result.notes),
                on_the_disk(
                    ("Report", result.report_html), ("JSON", result.report_json), ("Data Docs", result.data_docs)
                ),
            ),
            (
                Sheet("restore-tables", "Models after the restore", "As in the snapshot, and as read back.", models),
                *([Sheet("restore-folders", "Folders after the restore", "", folders)] if folders else []),
            ),
            tuple(known.findings),
        ),
    )


def _verdict(result: RestoreResult) -> str:
    if result.drill is None or result.verdict != "proved":
        return _RESTORED[result.verdict]
    return "DRILL FAILED" if result.drill.problems else "DRILL PASSED: what was restored equals the snapshot"


def leave_merge(run: Run, shown: MergeResult) -> None:
    """Record what a merge did or would do, and its conflicts; `shown` holds no sensitive value."""
    plan = shown.plan
    rows = [
        {name: getattr(model, name) for name in ("model", "insert", "update", "keep", "same", "only_in_target")}
        for model in plan.models
    ]
    heading = "NOT MERGED: nothing was changed" if plan.conflicts else "Merged and proved" if shown.done else "A plan"
    conflicts = tuple(f"{one.model}: {one.message} ({one.count:,}). {one.fix}" for one in plan.conflicts)
    run.leave(
        "merge-verdict",
        Body(
            heading,
            (
                ("Snapshot", plan.snapshot_id),
                ("Target", plan.target),
                ("Written" if shown.done else "Would be written", f"{plan.writes:,} rows and files"),
                ("Validated", f"{sum(one.snapshot_rows for one in shown.tables):,} rows" if shown.done else ""),
            ),
            (
                Paragraph("Conflicts", conflicts),
                _back_to(shown.safety_snapshot if shown.done else None),
                Paragraph("Notes", shown.notes),
                on_the_disk(("Report", shown.report)),
            ),
            (Sheet("merge-tables", "Models in the merge", f"Snapshot {plan.snapshot_id}", rows),),
        ),
    )


def leave_diagnosis(run: Run, result: Examined) -> None:
    """Record the doctor's verdict and findings."""
    found = tuple(
        f"{group.severity}: {', '.join(subject for subject, _ in group.subjects[:12])}: {group.message} {group.fix}"
        for group in result.groups
    )
    run.leave(
        "diagnosis",
        Body(
            "No errors" if result.diagnosis.healthy else "Errors were found",
            (("EDMS", result.edms), ("Database", result.database), ("Files", f"{result.files:,}")),
            (Paragraph("Findings", found) if found else Paragraph("Findings", text="None."),),
        ),
    )


def _snapshot(snapshot_id: str, manifest: Manifest) -> tuple[tuple[str, object], ...]:
    return (
        ("Snapshot", snapshot_id),
        ("Tag", manifest.tag or ""),
        ("Made", f"{manifest.created:%Y-%m-%d %H:%M:%S} UTC"),
        ("EDMS", manifest.edms.settings_module),
    )


def _versions(manifest: Manifest) -> dict[str, str]:
    """The versions of the EDMS, as the snapshot has them. Its own is its migrations: no two releases with other tables share them."""
    edms, server = manifest.edms, manifest.native_schema.server_version
    leaves = ", ".join(f"{app}.{name}" for app, name in edms.migrations_leaves)
    return {
        "database of the EDMS": f"{manifest.engine} {server}",
        "Python of the EDMS": edms.python,
        "Django of the EDMS": edms.django,
        "EDMS": f"{edms.settings_module}; migrations {leaves}",
    }


def _read_again(result: BackupResult) -> str:
    if result.not_read_back:
        return f"nothing: {result.not_read_back}"
    unread = f"; {result.objects_unread:,} of earlier backups were not" if result.objects_unread else ""
    return f"{result.objects_read:,} objects{unread}"


def _way_back(result: RestoreResult) -> Paragraph:
    if not result.promoted:
        return Paragraph("The way back", text="The live system was not touched.")
    if not result.previous:
        return Paragraph("The way back", text="There was nothing to set aside, so there is nothing to go back to.")
    return Paragraph("The way back", text="`edms-backup rollback` swaps {} back.", values=(result.previous,))


def _back_to(snapshot_id: str | None) -> Paragraph:
    text = "`edms-backup restore {}` brings back what was there before." if snapshot_id else ""
    return Paragraph("The way back", text=text, values=((snapshot_id or "")[:12],))


def on_the_disk(*paths: tuple[str, Path | None]) -> Paragraph:
    """Where files are that stand on the disk of the machine that ran it."""
    return Paragraph(
        "On the disk of the machine that ran it", tuple(f"{name}: {path}" for name, path in paths if path is not None)
    )
