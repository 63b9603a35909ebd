"""The plan of a restore: what would prevent it, and what it would change. Nothing is written to the EDMS.

open → (for another engine: check that every row is compatible) → read → compare → files. A restore makes the live system equal to the
snapshot, so the differences of the two are what it would change.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from edms_tasks import promotion
from edms_tasks.comparing.comparison_result import Difference
from edms_tasks.comparing.file_comparison import Held, LiveFolder
from edms_tasks.databases.omissions import notes_of
from edms_tasks.errors import DamagedRepository, DatabaseRefused
from edms_tasks.inventory.model import Finding
from edms_tasks.lineage.snapshot_source import is_package, open_source
from edms_tasks.manifest import Manifest
from edms_tasks.report.page import keep_page, render
from edms_tasks.repository import Repository
from edms_tasks.restore import fetch_schema
from edms_tasks.scratch.run_folder import run_folder
from edms_tasks.scratch.workspace import Workspace
from edms_tasks.settings import Settings
from edms_tasks.shown_manifest import with_shown_findings
from flows.backing_up.preflight_restore import notes_on_the_edms, try_the_schema
from flows.diffing.compare_sources import CompareOptions, compare_sources
from flows.diffing.diff_sources import DiffSource, database_source, empty_source, labels_of, snapshot_source
from flows.evidence.comparison_artifacts import leave_restore_plan
from flows.evidence.reports import new_page
from flows.live.live_target import journal_of
from flows.requests import RestorePlanRequest, SchemaSource
from flows.restoring.conversion_requirements import (
    require_another_engine,
    require_compatible_code,
    require_within_one_engine,
)
from flows.restoring.conversion_target import require_no_password
from flows.restoring.engine_conversion import ConvertedSnapshot, convert_engine
from flows.restoring.erasing import NOT_LOOKED_FOR, due_erasures
from flows.restoring.open_restore import find_the_target, require_usable_suites
from flows.restoring.promoting import Room, lock_of, require_room, room_needed
from flows.restoring.target import Target, ask_edms
from flows.restoring.version_plan import VersionPlan, plan_version
from flows.running.flow_decorators import Shortfall, flow
from flows.running.run import Run
from flows.tasks.inspect_tasks import check_database
from flows.tasks.open_tasks import keep_while_reading, open_the_snapshot

_MOST_ENTRIES = 300
"""How far back in the log the last restore is searched."""


@dataclass(frozen=True)
class RestorePlan:
    """The plan of a restore: what it would do now, and what would prevent it."""

    snapshot_id: str
    created: datetime
    target: str
    difference: Difference  # from the live system to the snapshot
    migrate: tuple[str, ...]  # migrations of the EDMS that would run after validation
    findings: tuple[Finding, ...]  # of the snapshot: what would be restored as it is, such as orphaned references
    in_use: str | None  # the sessions because of which a restore would be refused now
    notes: tuple[str, ...]
    seconds: dict[str, float]
    room: tuple[Room, ...]
    last_took: float | None  # seconds of the last proved restore of this EDMS; None if the log knows of none
    report: Path | None = None  # the page; plan.json is beside it

    def shortfall(self) -> Shortfall | None:
        """Always None: obstacles raise errors, and `in_use` says whether somebody uses the EDMS now."""
        return None

    def as_json(self) -> dict[str, Any]:
        """The result for `--json`."""
        return {
            "snapshot": self.snapshot_id,
            "target": self.target,
            "plan": self.difference.model_dump(mode="json"),
            "migrate": list(self.migrate),
            "findings": [finding.as_json() for finding in self.findings],
            "in_use": self.in_use,
            "notes": list(self.notes),
            "seconds": self.seconds,
            "room": [{"for": one.what, "folder": str(one.folder), "bytes": one.bytes} for one in self.room],
            "last_restore_seconds": self.last_took,
            "report": str(self.report) if self.report else None,
        }


@flow(
    name="edms-restore-plan",
    flow_run_name="plan to restore {snapshot}",
    description="Shows what a restore would do to the EDMS and what would prevent it. Writes nothing.",
    may_be_recorded=require_no_password,
)
def plan_restore(run: Run, request: RestorePlanRequest) -> RestorePlan:
    """Say what a restore would do, if nobody writes in between; fails if something would prevent it.

    Raises:
        IncompatibleRows, SnapshotNewerThanCode, MigrationsDiverged, NoSpace, MayNotCreateDatabases, TargetExists, …: what would prevent
            the restore. A database in use does not prevent the plan.
    """
    if request.drop_unknown:
        require_within_one_engine(request.into)
    require_another_engine(request.schema, request.into)
    with ExitStack() as cleanup:
        with run.stage("open"):
            opened = _open(run, request, cleanup)
        if opened.target.converts:
            with run.stage("convert"):
                converted = _try_to_convert(run, opened, request.schema)
                opened.notes += converted.notes
                opened.not_converted = converted.omissions.tables
        reading = cleanup.enter_context(ExitStack())
        there = reading.enter_context(_there(run, opened))
        asked = CompareOptions(limit=request.limit)
        difference = compare_sources(
            run, opened.repository, opened.workspace, opened.scratch, opened.whole(), there, reading, asked
        ).turned()
    shown = with_shown_findings(opened.manifest, run.settings.validate_.sensitive)
    plan = RestorePlan(
        snapshot_id=opened.snapshot_id,
        created=opened.manifest.created,
        target=there.state.title,
        difference=difference,
        migrate=tuple(".".join(one) for one in opened.version_plan.migrate),
        findings=tuple(one for one in shown.findings if one.severity != "info"),
        in_use=opened.in_use,
        notes=(*opened.notes, *difference.notes),
        seconds=run.seconds,
        room=room_needed(run.settings, opened.manifest, opened.target),
        last_took=_last_took(opened.repository, opened.manifest),
    )
    return _reported(run, plan)


def _last_took(repository: Repository, manifest: Manifest) -> float | None:
    """The duration of the last proved restore of this EDMS, from the log."""
    edms = manifest.identity.id if manifest.identity else None
    for entry in itertools.islice(repository.log.backwards(), _MOST_ENTRIES):
        took = entry.facts.get("seconds")
        if (
            entry.event == "restore"
            and entry.outcome == "success"
            and entry.edms == edms
            and isinstance(took, int | float)
        ):
            return float(took)
    return None


@dataclass
class _Opened:
    """The snapshot and target of a planned restore."""

    snapshot_id: str
    manifest: Manifest
    repository: Repository
    workspace: Workspace
    scratch: Path
    source: DiffSource
    target: Target
    version_plan: VersionPlan
    notes: list[str]
    in_use: str | None = None
    not_converted: frozenset[str] = frozenset()  # ids of tables

    def whole(self) -> DiffSource:
        """The snapshot as if the settings excluded nothing: excluded rows and files are missing after a restore.

        What a change of engine leaves out stays left out.
        """
        restored = {index.root.name for index in self.target.indexes}
        roots = {name: held for name, held in self.source.roots.items() if name in restored}
        state = self.source.state
        restored_tables = {
            table_id: table for table_id, table in state.tables.items() if table_id not in self.not_converted
        }
        return replace(self.source, state=replace(state, left_out=frozenset(), tables=restored_tables), roots=roots)


def _open(run: Run, request: RestorePlanRequest, cleanup: ExitStack) -> _Opened:
    """Find snapshot and target, and check what would prevent the restore."""
    settings, notes = run.settings, list[str]()
    repository, name = open_source(settings, request.snapshot)
    scratch = cleanup.enter_context(run_folder(settings.workdir, "plan"))
    workspace = cleanup.enter_context(run.workspace(scratch / "workspace"))
    report = ask_edms(run, notes)
    chosen = run.call(open_the_snapshot, settings, repository, name, report)
    manifest = chosen.manifest
    notes += (*chosen.notes, *keep_while_reading(repository, [chosen.snapshot_id], "restore plan", cleanup))
    require_usable_suites(run, manifest)
    source = snapshot_source(run, repository, chosen.snapshot_id, manifest, workspace)
    target = run.call(find_the_target, settings, manifest, request.into, request.into_files, notes, report)
    version_plan = plan_version(manifest, target.report, into=target.into, drop_unknown=request.drop_unknown)
    if target.converts:
        require_compatible_code(version_plan, request.schema)
    notes += version_plan.notes
    notes += (NOT_LOOKED_FOR,) if is_package(request.snapshot) else due_erasures(run, repository, manifest, report)
    _require_objects(repository, manifest)
    notes += _ahead(settings, manifest, target)
    opened = _Opened(chosen.snapshot_id, manifest, repository, workspace, scratch, source, target, version_plan, notes)
    if not target.converts:
        notes += _preflight(run, opened)
    if target.into is None and not settings.restore.disconnect:
        opened.in_use = target.database.in_use()
    return opened


def _try_to_convert(run: Run, opened: _Opened, made_by: SchemaSource) -> ConvertedSnapshot:
    """Check that every row is compatible with the other engine; what this creates is removed again."""
    with ExitStack() as thrown_away:
        return convert_engine(
            run,
            opened.repository,
            opened.manifest,
            opened.target,
            opened.version_plan.migrate,
            made_by,
            opened.scratch / "conversion",
            thrown_away,
        )


def _require_objects(repository: Repository, manifest: Manifest) -> None:
    """Check that schema, chunks and indexes of files exist; their bytes are checked by `verify`, and by the restore."""
    objects = [manifest.native_schema.object, *(chunk.object for entry in manifest.tables for chunk in entry.chunks)]
    objects += [chunk.superseded for entry in manifest.tables for chunk in entry.chunks if chunk.superseded is not None]
    objects += [part for index in manifest.files for part in (*index.index, *(index.headers or ()), *index.packs)]
    missing = [name for name in objects if not repository.has(name)]
    if missing:
        raise DamagedRepository(
            f"{len(missing)} objects of the snapshot are missing.",
            where=str(missing[0].sha256),
            fix="Restore another snapshot; `edms-backup verify` lists what is damaged, and --salvage restores the rest.",
        )


def _ahead(settings: Settings, manifest: Manifest, target: Target) -> list[str]:
    """Check what would prevent the restore, without changing anything."""
    notes = []
    locked = lock_of(settings, target)
    if busy := locked.worked_on_by():
        raise busy
    if target.into is None and promotion.pending(target.database, journal_of(settings), locked.folders):
        notes.append("A promotion was interrupted. The next restore finishes it first; plan again after that.")
    notes += target.database.check_target(target.into, promote=False, disconnect=True)
    require_room(settings, manifest, target)
    return notes


def _preflight(run: Run, opened: _Opened) -> tuple[str, ...]:
    """What would be left out, in the restore's own words. Raises the errors with which it would be refused."""
    target, folder = opened.target, opened.scratch / "tried"
    schema = fetch_schema(opened.repository, opened.manifest.native_schema, folder)
    preflight = run.call(try_the_schema, target.database, schema, folder, into=target.into, thorough=True)
    if preflight.refused is not None:
        raise preflight.refused
    needs = notes_on_the_edms(run, preflight.needs_the_edms, target.database.address.display)
    untried = [f"What this role could not create was not tested: {preflight.untried}"] if preflight.untried else []
    return (*notes_of(preflight.left_out), *needs, *untried)


@contextmanager
def _there(run: Run, opened: _Opened) -> Iterator[DiffSource]:
    """The live system that a restore would replace, as a source of a comparison."""
    target, manifest = opened.target, opened.manifest
    address = target.database.address if target.into is None else target.database.address.renamed(target.into)
    folders: dict[str, Held] = {
        index.root.name: LiveFolder(final, ours=address.files, jobs=run.settings.jobs)
        for index, final, _ in target.folders
    }
    present = {index.root.name for index, final, _ in target.folders if final.exists()}
    apart = frozenset(index.root.name for index, _ in target.stores)
    for index, store in target.stores:
        opened.notes.append(
            f"The objects of {index.root.name} in {store.live} are not compared: those of the snapshot would be in their place, and the "
            "present ones kept beside them."
        )
    if target.into is not None or not target.database.exists(address.name):
        kind = "to be made" if target.into is not None else "not there"
        there = {name: held for name, held in folders.items() if name in present}
        yield replace(empty_source(f"{address.display} ({kind})", manifest.engine, there), not_compared=apart)
        return
    try:
        run.call(check_database, target.database)
    except DatabaseRefused as refused:  # a restore does not need it
        kind = f"cannot be read, and would be set aside: {refused.why or refused.what}"
        yield replace(empty_source(f"{address.display} ({kind})", manifest.engine, folders), not_compared=apart)
        return
    with database_source(run, opened.scratch, target.database, folders, like=manifest.tables) as source:
        yield replace(source, labels=labels_of(target.report), not_compared=apart)


def _reported(run: Run, plan: RestorePlan) -> RestorePlan:
    """Write the evidence: a page, the same as JSON, and Prefect's artifacts."""
    page = new_page(run.settings, "plan")
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
    keep_page(page, text, shown.as_json())
    leave_restore_plan(run, shown)
    return shown
