"""Merge: open → safety snapshot → read → match → plan → write → validate → commit, in one transaction of the live database.

Rows are matched by natural key, new rows get free ids, every reference follows. Nothing is committed that was not proved.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from edms_tasks.databases import Database, open_database
from edms_tasks.databases.protocol import MergeTransaction
from edms_tasks.durable import keep_private
from edms_tasks.errors import EvidenceNotWritten, MergeRefused
from edms_tasks.identifying.snapshot_rows import mergeable
from edms_tasks.inventory.inspect import run_probe
from edms_tasks.inventory.model import ProbeReport, Table
from edms_tasks.lineage.asking import chosen_snapshot
from edms_tasks.lineage.tags import BEFORE_MERGE
from edms_tasks.manifest import Manifest
from edms_tasks.merging.planning import MergePlan
from edms_tasks.merging.selection import Selector
from edms_tasks.merging.validated_rows import MergedTable
from edms_tasks.promotion import Patience
from edms_tasks.report.page import render
from edms_tasks.repository import Repository
from edms_tasks.restore import check_engine
from edms_tasks.scratch.run_folder import run_folder
from edms_tasks.scratch.workspace import open_workspace
from edms_tasks.settings import Settings
from flows.backup import compose_backup
from flows.evidence.artifacts import leave_merge
from flows.live.live_target import finish_what_was_cut_short, journal_of, live_target
from flows.merging.merge_stages import MergeStages, Policies
from flows.restoring.target import address_of, ask_edms
from flows.restoring.validation import reports
from flows.running.runner import Steps
from flows.running.stopping import when_stopped


@dataclass(frozen=True)
class MergeResult:
    """What a merge did, or would do, and the proof."""

    plan: MergePlan
    done: bool
    safety_snapshot: str | None
    tables: tuple[MergedTable, ...]
    notes: tuple[str, ...]
    seconds: dict[str, float]
    report: Path | None = None  # the page; merge.json lies beside it

    @property
    def success(self) -> bool:
        """Nothing stands in the way (a plan), or everything was proved and committed (a merge)."""
        return not self.plan.conflicts

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "success": self.success,
            "done": self.done,
            "plan": self.plan.model_dump(mode="json"),
            "safety_snapshot": self.safety_snapshot,
            "tables": [table.model_dump(mode="json") for table in self.tables],
            "notes": list(self.notes),
            "seconds": self.seconds,
            "report": str(self.report) if self.report else None,
        }


def compose_merge(
    settings: Settings,
    steps: Steps,
    *,
    snapshot: str,
    policies: Policies | None = None,
    only: Sequence[str] = (),
    with_dependents: bool = False,
    dry_run: bool = False,
    wait: bool = True,
) -> MergeResult:
    """Merge a snapshot into the live database, or (`dry_run`) say what that would do.

    Args:
        settings: of this EDMS.
        steps: how to run and tell.
        snapshot: `latest`, an id or its first digits, or a tag.
        policies: what happens to rows that are in both and differ.
        only: objects ("documents.Document:SOP-0001"), which come with what they refer to; none: the whole snapshot.
        with_dependents: whether what cannot be without these objects comes too.
        dry_run: write nothing.
        wait: whether to wait for a running backup.

    Raises:
        MergeRefused, CheckFailed, TargetLocked, TargetInUse, DamagedRepository, …: nothing was changed.
        EvidenceNotWritten: the merge was committed, and the report on it could not be written.
    """
    chosen = policies or Policies()
    selectors = [Selector.parse(text) for text in only]
    notes: list[str] = []
    with ExitStack() as cleanup:
        with steps.stage("open"):
            repository = Repository.open(settings.repository)
            report = ask_edms(settings, notes)
            # `latest` is none that a merge made: merging that would undo the merge.
            opened = steps.run(
                "open the snapshot",
                lambda: chosen_snapshot(settings, repository, snapshot, report, passing_over=BEFORE_MERGE),
            )
            for note in opened.notes:
                steps.say(note)
            notes += opened.notes
            snapshot_id, manifest = opened.snapshot_id, opened.manifest
            database = open_database(address_of(settings, report))
            check_engine(manifest, database)
            database.check()
            live, patience = live_target(settings, database, report), Patience(steps.say, waits=wait)
            if not dry_run:
                held = cleanup.enter_context(live.working("merge"))
                notes += finish_what_was_cut_short(live, journal_of(settings), patience)
            elif busy := live.worked_on_by():
                raise busy
        scratch = cleanup.enter_context(run_folder(settings.workdir, "merge"))
        tables = _tables(database, manifest, scratch, notes)
        chosen.require_known(tables)
        safety = None
        if not dry_run:
            tag = f"{BEFORE_MERGE}{snapshot_id[:12]}"
            safety = compose_backup(
                settings, steps, tag=tag, by_a_merge=True, ask=run_probe if report is None else lambda _: report
            ).snapshot_id
        workspace = cleanup.enter_context(
            open_workspace(scratch / "workspace", memory_limit_mb=settings.memory_limit_mb, threads=settings.jobs)
        )
        folders = _folders(settings, report, manifest, notes)
        merge = MergeStages(
            settings,
            steps,
            repository,
            manifest,
            workspace,
            scratch,
            tables,
            chosen,
            folders,
            selectors,
            with_dependents=with_dependents,
        )
        with steps.stage("read the snapshot"):
            merge.read_snapshot()
        if dry_run:
            with database.view(scratch, settings.jobs) as view:
                merge.read_target(view)
            plan = merge.plan(snapshot_id, database.address.display, notes)
            return _reported(settings, steps, MergeResult(plan, False, None, (), tuple(notes), dict(steps.seconds)))
        when_stopped(
            f"The live database is unchanged. Snapshot {safety[:12] if safety else ''} of it was made before; staged files were removed."
        )
        # Before the transaction: a backup that runs is waited for while nobody else is kept waiting.
        with live.still("merge", patience) as still, database.merging(scratch, tables) as transaction:
            merge.read_target(transaction.view())
            plan = merge.plan(snapshot_id, database.address.display, notes)
            proved: tuple[MergedTable, ...] = ()
            if not plan.conflicts:
                cleanup.callback(merge.remove_staged_files)
                proved = merge.carry_out(transaction)
                aside = settings.workdir / "replaced-by-merges" / f"{datetime.now(UTC):%Y%m%dT%H%M%S}"
                with steps.stage("commit"):
                    held.require_held()
                    still.require_held()
                    when_stopped(
                        "The merge was being committed: `edms-backup merge SNAPSHOT --dry-run` says whether it was."
                    )
                    _commit(steps, merge, transaction, aside)
                if aside.exists():
                    notes.append(f"Files that were replaced are kept in {aside}.")
    done = MergeResult(plan, not plan.conflicts, safety, proved, tuple(notes), dict(steps.seconds))
    if not done.done:
        return _reported(settings, steps, done)
    with _committed_whatever_fails(done, settings):
        return _reported(settings, steps, done)


@contextmanager
def _committed_whatever_fails(done: MergeResult, settings: Settings) -> Iterator[None]:
    """Say what was written, where the report on it cannot be. Raises EvidenceNotWritten."""
    try:
        yield
    except Exception as error:
        written = sum(model.insert + model.update for model in done.plan.models)
        raise EvidenceNotWritten(
            f"Snapshot {done.plan.snapshot_id[:12]} was merged and proved ({written:,} rows written), and the report on it could "
            f"not be written: {done.plan.target}.",
            where=str(settings.workdir),
            why=" ".join(f"{type(error).__name__}: {error}".split())[:500],
            fix="Do not merge again for this: a second merge writes nothing. "
            + (f"The state before is snapshot {done.safety_snapshot[:12]}. " if done.safety_snapshot else "")
            + "Make room, or fix the folder's permissions.",
        ) from error


def _reported(settings: Settings, steps: Steps, result: MergeResult) -> MergeResult:
    """Leave the evidence: a page, the same as JSON, and artifacts."""
    shown = replace(result, plan=result.plan.without_values_of(settings.validate_.sensitive))
    page = Path(tempfile.mkdtemp(prefix="merge-", dir=reports(settings))) / "merge.html"
    shown = replace(shown, report=page)
    text = render("merge.html.j2", result=shown, made=datetime.now(UTC), version=metadata.version("edms-backup"))
    page.write_text(text, encoding="utf-8", errors="backslashreplace")
    page.with_suffix(".json").write_text(
        json.dumps(shown.as_json(), indent=1, ensure_ascii=False), encoding="utf-8", errors="backslashreplace"
    )
    keep_private(page.parent)
    leave_merge(steps, shown)
    return shown


def _commit(steps: Steps, merge: MergeStages, transaction: MergeTransaction, aside: Path) -> None:
    """Files first: a file without its row harms nobody, and the next merge finds it the same."""
    try:
        merge.move_files_in(aside)
        steps.run("commit", transaction.commit)
    except BaseException:
        if not transaction.committed:
            merge.take_files_back()
        raise


def _folders(settings: Settings, report: ProbeReport | None, manifest: Manifest, notes: list[str]) -> dict[str, Path]:
    """Where the EDMS's files lie, by the name of the root."""
    known = {root.name: Path(root.path) for root in report.file_roots} if report else {}
    known |= settings.files.roots
    for index in manifest.files:
        if index.files and index.root.name not in known:
            raise MergeRefused(
                f"It is not known where the files of {index.root.name!r} belong.",
                where=f"snapshot: {index.root.path}",
                fix=f'Say so in the settings: [files] roots = {{ {index.root.name} = "/path/to/its/folder" }}.',
            )
    return known


def _tables(database: Database, manifest: Manifest, scratch: Path, notes: list[str]) -> list[Table]:
    with database.view(scratch, 1) as view:
        virtual = [finding.subject for finding in view.findings() if finding.code == "virtual-table"]
        tables, problems, more = mergeable(manifest, view.tables(), virtual)
        closed = view.closed_to_merges()
    notes += more
    _require_open(database, tables, closed)
    if problems:
        raise MergeRefused(
            "The target's tables are not those of the snapshot.",
            where=database.address.display,
            why=_few(problems),
            fix="Bring both to the same version first: restore the snapshot with --into, let the EDMS migrate that copy, "
            "back it up, and merge this snapshot.",
        )
    return tables


def _require_open(database: Database, tables: Sequence[Table], closed: Mapping[str, str]) -> None:
    found = [f"{table.label} ({table.name}): {closed[table.id]}" for table in tables if table.id in closed]
    if found:
        raise MergeRefused(
            "A merge cannot write to tables that need the EDMS's own functions or collations.",
            where=database.address.display,
            why=_few(found),
            fix="Nothing was changed. Remove these constraints, generated columns or indexes by a migration, merge, and make them "
            "again by the next one. A whole restore (`edms-backup restore`) needs none of this.",
        )


def _few(problems: Sequence[str]) -> str:
    return "; ".join(problems[:8]) + (f"; and {len(problems) - 8} more" if len(problems) > 8 else "")
