"""The plan of a restore: what would stop it, and what it would do to the system that is there. Nothing is written to the EDMS.

open → (cross: does every row fit the other engine?) → read → compare → files. A restore makes the live system what the snapshot
is, so that what it would do is what the two differ in.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from edms_tasks import promotion
from edms_tasks.comparing.files import Held, LiveFolder
from edms_tasks.comparing.result import Difference
from edms_tasks.durable import keep_private
from edms_tasks.errors import DamagedRepository, DatabaseRefused
from edms_tasks.inventory.model import Finding
from edms_tasks.lineage.asking import chosen_snapshot
from edms_tasks.manifest import Manifest
from edms_tasks.report.page import render
from edms_tasks.repository import Repository
from edms_tasks.restore import fetch_schema
from edms_tasks.scratch.run_folder import run_folder
from edms_tasks.scratch.workspace import open_workspace
from edms_tasks.settings import Settings
from edms_tasks.structure.left_out import notes_of
from flows.backing_up.foresee_restore import notes_on_the_edms
from flows.diff import SHOWN
from flows.diffing.compare_sources import compare_sources
from flows.diffing.sources import Source, database_source, labels_of, nothing, snapshot_source
from flows.evidence.artifacts import leave_restore_plan
from flows.live.live_target import journal_of
from flows.restoring.conversion_requirements import require_compatible_code, require_within_one_engine
from flows.restoring.engine_conversion import convert_engine
from flows.restoring.promoting import lock_of, require_room
from flows.restoring.target import Target, ask_edms, find_target
from flows.restoring.validation import reports
from flows.restoring.version_plan import plan_version
from flows.running.runner import Steps


@dataclass(frozen=True)
class RestorePlan:
    """What a restore would do now."""

    snapshot_id: str
    target: str
    difference: Difference  # from what is there to the snapshot
    migrate: tuple[str, ...]  # migrations of the EDMS that would run after the proof
    findings: tuple[Finding, ...]  # of the snapshot: what comes back as it was, such as references to nothing
    in_use: str | None  # why a restore would be refused now though nothing else stands in its way
    notes: tuple[str, ...]
    seconds: dict[str, float]
    report: Path | None = None  # the page; plan.json lies beside it

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "snapshot": self.snapshot_id,
            "target": self.target,
            "plan": self.difference.model_dump(mode="json"),
            "migrate": list(self.migrate),
            "findings": [finding.model_dump(mode="json") for finding in self.findings],
            "in_use": self.in_use,
            "notes": list(self.notes),
            "seconds": self.seconds,
            "report": str(self.report) if self.report else None,
        }


def compose_restore_plan(
    settings: Settings,
    steps: Steps,
    *,
    snapshot: str,
    into: str | None = None,
    into_files: Path | None = None,
    drop_unknown: bool = False,
    limit: int = SHOWN,
) -> RestorePlan:
    """Say what `compose_restore` would do with the same arguments, if nobody writes in between.

    Raises:
        DoesNotFit, SnapshotNewerThanCode, MigrationsParted, NoSpace, MayNotCreateDatabases, TargetExists, …: what would stop the
            restore. That somebody uses the EDMS does not stop the plan.
    """
    if drop_unknown:
        require_within_one_engine(into)
    notes: list[str] = []
    with ExitStack() as cleanup:
        with steps.stage("open"):
            repository = Repository.open(settings.repository)
            scratch = cleanup.enter_context(run_folder(settings.workdir, "plan"))
            workspace = cleanup.enter_context(
                open_workspace(scratch / "workspace", memory_limit_mb=settings.memory_limit_mb, threads=settings.jobs)
            )
            report = steps.run("ask the EDMS", lambda: ask_edms(settings, notes))
            chosen = steps.run("open the snapshot", lambda: chosen_snapshot(settings, repository, snapshot, report))
            snapshot_id, manifest = chosen.snapshot_id, chosen.manifest
            notes += chosen.notes
            source = snapshot_source(settings, steps, repository, snapshot_id, manifest, workspace)
            target = steps.run(
                "find the target", lambda: find_target(settings, manifest, into, into_files, notes, report)
            )
            version_plan = plan_version(manifest, target.report, into=target.into, drop_unknown=drop_unknown)
            if target.converts:
                require_compatible_code(version_plan)
            notes += version_plan.notes
            _require_objects(repository, manifest)
            notes += _ahead(settings, manifest, target)
            if not target.converts:
                notes += _foresee(settings, steps, repository, manifest, target, scratch)
            promotes = target.into is None and not settings.restore.disconnect
            in_use = target.database.in_use() if promotes else None
        if target.converts:
            with steps.stage("cross"), ExitStack() as thrown_away:
                folder = scratch / "crossing"
                conversion = convert_engine(
                    settings, steps, repository, manifest, target, version_plan.migrate, folder, thrown_away
                )
                notes += conversion.notes
        reading = cleanup.enter_context(ExitStack())
        there = reading.enter_context(_there(settings, steps, scratch, manifest, target))
        # Rows and files that settings leave out are in no snapshot: they are gone after a restore.
        whole = replace(source, state=replace(source.state, left_out=frozenset()), roots=_roots(source, target))
        difference = compare_sources(
            settings, steps, repository, workspace, scratch, whole, there, reading, limit=limit
        ).turned()
    plan = RestorePlan(
        snapshot_id=snapshot_id,
        target=there.state.title,
        difference=difference,
        migrate=tuple(".".join(one) for one in version_plan.migrate),
        findings=tuple(finding for finding in manifest.findings if finding.severity != "info"),
        in_use=in_use,
        notes=(*notes, *difference.notes),
        seconds=dict(steps.seconds),
    )
    return _reported(settings, steps, plan)


def _require_objects(repository: Repository, manifest: Manifest) -> None:
    """The schema, all rows and the lists of files are there; whether they are right is read by `verify`, and by the restore."""
    objects = [manifest.native_schema.object, *(chunk.object for entry in manifest.tables for chunk in entry.chunks)]
    objects += [chunk.superseded for entry in manifest.tables for chunk in entry.chunks if chunk.superseded is not None]
    objects += [part for index in manifest.files for part in (*index.index, *index.packs)]
    missing = [name for name in objects if not repository.has(name)]
    if missing:
        raise DamagedRepository(
            f"{len(missing)} objects of the snapshot are missing.",
            where=str(missing[0].sha256),
            fix="Restore another snapshot; `edms-backup verify` names what is damaged, and --salvage brings back what is not.",
        )


def _ahead(settings: Settings, manifest: Manifest, target: Target) -> list[str]:
    """What would stop the restore, asked without changing anything."""
    notes = []
    locked = lock_of(settings, target)
    if busy := locked.worked_on_by():
        raise busy
    if target.into is None and promotion.pending(target.database, journal_of(settings), locked.folders):
        notes.append("A promotion was cut short. A restore finishes it first, and then does what a new plan would say.")
    notes += target.database.check_target(target.into, promote=False, disconnect=True)
    require_room(settings, manifest, target)
    return notes


def _foresee(
    settings: Settings, steps: Steps, repository: Repository, manifest: Manifest, target: Target, scratch: Path
) -> tuple[str, ...]:
    """What would be left out, in the restore's own words. Raises what would refuse it."""
    schema = fetch_schema(repository, manifest.native_schema, scratch / "tried")
    foresight = steps.run(
        "try what a restore would need",
        lambda: target.database.foresee(schema, scratch / "tried", into=target.into, thorough=True),
    )
    if foresight.refused is not None:
        raise foresight.refused
    needs = notes_on_the_edms(settings, steps, foresight.needs_the_edms, target.database.address.display)
    untried = [f"What this role could not make was not tried: {foresight.untried}"] if foresight.untried else []
    return (*notes_of(foresight.left_out), *needs, *untried)


def _roots(source: Source, target: Target) -> Mapping[str, Held]:
    restored = {index.root.name for index, _, _ in target.folders}
    return {name: held for name, held in source.roots.items() if name in restored}


@contextmanager
def _there(settings: Settings, steps: Steps, scratch: Path, manifest: Manifest, target: Target) -> Iterator[Source]:
    """What a restore would replace."""
    address = target.database.address if target.into is None else target.database.address.renamed(target.into)
    folders: dict[str, Held] = {
        index.root.name: LiveFolder(final, jobs=settings.jobs) for index, final, _ in target.folders
    }
    present = {index.root.name for index, final, _ in target.folders if final.exists()}
    if target.into is not None or not target.database.exists(address.name):
        kind = "to be made" if target.into is not None else "not there"
        there = {name: held for name, held in folders.items() if name in present}
        yield nothing(f"{address.display} ({kind})", manifest.engine, there)
        return
    try:
        steps.run("check the database", target.database.check, retries=2)
    except DatabaseRefused as refused:  # a restore needs nothing of it
        kind = f"cannot be read, and would be set aside: {refused.why or refused.what}"
        yield nothing(f"{address.display} ({kind})", manifest.engine, folders)
        return
    with database_source(settings, steps, scratch, target.database, folders) as source:
        yield replace(source, labels=labels_of(target.report))


def _reported(settings: Settings, steps: Steps, plan: RestorePlan) -> RestorePlan:
    """Leave the evidence: a page, the same as JSON, and artifacts."""
    page = Path(tempfile.mkdtemp(prefix="plan-", dir=reports(settings))) / "plan.html"
    shown = replace(plan, report=page)
    text = render(
        "diff.html.j2",
        plan=shown,
        difference=shown.difference,
        seconds=shown.seconds,
        notes=shown.notes,
        lists=None,
        made=datetime.now(UTC),
        version=metadata.version("edms-backup"),
    )
    page.write_text(text, encoding="utf-8", errors="backslashreplace")
    page.with_suffix(".json").write_text(
        json.dumps(shown.as_json(), indent=1, ensure_ascii=False), encoding="utf-8", errors="backslashreplace"
    )
    keep_private(page.parent)
    leave_restore_plan(steps, shown)
    return shown
