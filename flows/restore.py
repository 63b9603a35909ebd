"""Restore: open → stage → restore → validate → promote, composed once for every way of running it; and its inverse.

Nothing of the live system changes before `promote`. Every way out before that removes what was staged.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from edms_tasks.databases.protocol import StagingDatabase
from edms_tasks.files import restore_files
from edms_tasks.lineage.asking import chosen_snapshot
from edms_tasks.manifest import FileIndex
from edms_tasks.migrating.outcome import CodeMigration
from edms_tasks.package import versions
from edms_tasks.promotion import Patience, Promotion
from edms_tasks.report import RecoveryFacts, Verdict, write_recovery_report
from edms_tasks.repository import Repository
from edms_tasks.restore import fetch_schema, load_table
from edms_tasks.salvage import open_snapshot
from edms_tasks.scratch.run_folder import run_folder
from edms_tasks.settings import Settings
from edms_tasks.structure.left_out import write_script
from edms_tasks.validate import load_ahead
from flows.evidence.artifacts import leave_restore
from flows.live.live_target import journal_of
from flows.restoring.conversion_requirements import require_compatible_code, require_within_one_engine
from flows.restoring.edms_indexes import complete_in_the_edms
from flows.restoring.engine_conversion import EngineConversion, convert_engine
from flows.restoring.migrate_to_code import Validated, migrate_to_code
from flows.restoring.promoting import (
    Abandon,
    Candidate,
    clear_the_way,
    keep,
    kept_whatever_fails,
    lock_of,
    promote,
    proof_of,
    require_first_time,
)
from flows.restoring.result import RestoreResult
from flows.restoring.salvaging import SALVAGED, UNMIGRATED, WHOLE, Salvage, require_leave, survey
from flows.restoring.target import ask_edms, find_target
from flows.restoring.validation import Evidence, prove, reports
from flows.restoring.version_plan import plan_version
from flows.running.runner import Steps
from flows.running.stopping import when_stopped


def compose_restore(
    settings: Settings,
    steps: Steps,
    *,
    snapshot: str,
    into: str | None = None,
    into_files: Path | None = None,
    salvage: bool = False,
    promote_salvaged: bool = False,
    drop_unknown: bool = False,
    wait: bool = True,
    confirmation: str = "",
    before_validation: Callable[[StagingDatabase, Sequence[Path]], None] | None = None,
) -> RestoreResult:
    """Bring a snapshot back, prove it, and promote it (or keep it as the database `into`).

    With `salvage`, damage does not stop it: what is provably intact comes back, and is proved. Without `into` that needs
    `promote_salvaged`. With `drop_unknown`, what a snapshot newer than the EDMS's code has and the code does not know is dropped
    after the proof. An `into` that is a URL names a database of the other engine. Without `wait`, a running backup is not waited for.
    A `confirmation` promotes once: what it is confirmed with is recorded. `before_validation` is handed the finished staging
    database and folders; tests damage them there.

    Raises:
        AlreadyPromoted: this confirmation has promoted a restore before; nothing was done.
        EvidenceNotWritten: the restored system is in its place, and the report on it could not be written.
        CommandError: a salvage may not replace the live system unless that was said, and is never cut back to older code.
        DamagedRepository, TargetLocked, TargetInUse, TargetChanged, MayNotCreateDatabases, SnapshotNewerThanCode,
            MigrationsParted, NoSpace, …: the live system is untouched.
    """
    if salvage:
        require_leave(into=into, promote_salvaged=promote_salvaged, drop_unknown=drop_unknown)
    if salvage or drop_unknown:
        require_within_one_engine(into)
    notes: list[str] = []
    journal, patience = journal_of(settings), Patience(steps.say, waits=wait)
    if into is None:
        require_first_time(journal, confirmation)
    with ExitStack() as cleanup:
        with steps.stage("open"):
            repository = Repository.open(settings.repository)
            report = steps.run("ask the EDMS", lambda: ask_edms(settings, notes))
            chosen = steps.run(
                "open the snapshot",
                lambda: (open_snapshot if salvage else chosen_snapshot)(settings, repository, snapshot, report),
            )
            for note in chosen.notes:
                steps.say(note)
            notes += chosen.notes
            snapshot_id, manifest, whole = chosen.snapshot_id, chosen.manifest, chosen.manifest
            load_ahead()
            target = steps.run(
                "find the target", lambda: find_target(settings, manifest, into, into_files, notes, report)
            )
            into = target.into
            version_plan = plan_version(manifest, target.report, into=into, drop_unknown=drop_unknown)
            for note in version_plan.notes:
                steps.say(note)
            if target.converts:
                require_compatible_code(version_plan)
            held = cleanup.enter_context(lock_of(settings, target).working("restore"))
            clear_the_way(settings, manifest, target, journal, patience, notes)

        for left in reports(settings).glob("restore-*"):
            if not (left / "recovery.json").exists():  # evidence that was never finished proves nothing
                shutil.rmtree(left)
        scratch = cleanup.enter_context(run_folder(settings.workdir, "restore"))
        salvaged: Salvage | None = None
        if salvage:
            with steps.stage("survey"):
                salvaged = survey(settings, steps, repository, snapshot_id, whole, scratch / "salvage")
            notes.append(SALVAGED if salvaged else WHOLE)
        if salvaged:
            manifest, repository, target = salvaged.manifest, salvaged.repository, salvaged.target(target)

        conversion: EngineConversion | None = None
        if target.converts:
            with steps.stage("cross"):
                conversion = convert_engine(
                    settings, steps, repository, manifest, target, version_plan.migrate, scratch / "crossing", cleanup
                )
            notes += conversion.notes
            manifest, repository, whole = conversion.expected, conversion.repository, conversion.expected
        there = conversion.manifest if conversion else manifest

        with steps.stage("stage"):
            held.require_held()
            schema = (
                conversion.schema
                if conversion
                else fetch_schema(repository, manifest.native_schema, scratch / "schema")
            )
            staged_folders = [staged for _, _, staged in target.folders]
            when_stopped(
                "The live system is untouched. The staging database and the staged files were removed, the locks released."
            )
            abandon = cleanup.enter_context(Abandon(journal, staged_folders))
            staging = steps.run(
                "create the staging database", lambda: target.database.stage(schema, into, settings.restore.jobs)
            )
            abandon.staging = staging
            for note in staging.notes:
                steps.say(note)

        load = conversion.load_table if conversion else load_table
        with steps.stage("restore"):
            steps.map(
                lambda pair: f"load {pair[1].table.label}",
                lambda pair: load(staging, repository, pair[1], scratch / "chunks" / f"{pair[0]:04d}"),
                list(enumerate(manifest.tables)),
                jobs=settings.restore.jobs,
                weight=lambda pair: pair[1].state.rows * len(pair[1].table.columns),
            )
            steps.run("build indexes and constraints", lambda: staging.finish(there.tables, there.sequences))
            complete_in_the_edms(settings, steps, staging)
        with steps.stage("files"):
            for index, _, staged in target.folders:
                steps.run(
                    f"restore the files of {index.root.name}",
                    lambda i=index, s=staged: _restore_root(steps, repository, i, s, scratch),
                )
        with steps.stage("statistics"):
            steps.run("gather statistics", staging.gather_statistics)
        if before_validation is not None:
            before_validation(staging, staged_folders)

        candidate = Candidate(target, staging)
        with steps.stage("validate"):
            roots = [(index, staged) for index, _, staged in target.folders]
            evidence = prove(
                settings,
                steps,
                repository,
                manifest,
                staging,
                schema,
                roots,
                scratch,
                salvaged.rows if salvaged else None,
                conversion,
            )
            if salvaged:
                salvaged.keep_lists(evidence.folder)
            write_script(staging.left_out, evidence.folder)
            if evidence.validation.success:
                candidate.seal()
        notes += [*staging.notes, *evidence.notes]

        code_migration: CodeMigration | None = None
        done: Promotion | None = None
        if evidence.validation.success:
            candidate.unseal()
            with steps.stage("follow the code"):
                if salvaged and into is not None:
                    notes.append(UNMIGRATED)  # they may stumble over what is missing, and nobody lives on this yet
                elif conversion:
                    notes += conversion.migrate_to_code(settings, steps, staging, version_plan.migrate)
                else:
                    notes += version_plan.notes
                    proved = Validated(settings, steps, manifest, staging, scratch, salvaged.rows if salvaged else {})
                    code_migration = migrate_to_code(proved, target.report, version_plan, notes)
                candidate.seal()
            with steps.stage("promote" if into is None else "keep"):
                when_stopped(
                    "It was being put in place. `edms-backup restore SNAPSHOT --dry-run` says whether that was cut short; the next "
                    "restore or rollback finishes it."
                )
                if into is None:
                    done = promote(
                        settings,
                        target,
                        candidate,
                        journal,
                        held,
                        patience,
                        snapshot_id=snapshot_id,
                        confirmation=confirmation,
                        proof=proof_of(_verdict(evidence, salvaged), evidence.states, evidence.files, evidence.folder),
                    )
                else:
                    keep(target, staging, candidate, held)
                abandon.handed_over = True
                when_stopped(
                    f"The restored data is in place ({'live' if into is None else into}); the report was not written."
                )
    facts = RecoveryFacts(
        verdict=_verdict(evidence, salvaged),
        snapshot_id=snapshot_id,
        manifest=whole,
        states=evidence.states,
        files=evidence.files,
        validation=evidence.validation,
        differences=evidence.differences,
        findings=manifest.findings,
        seconds=dict(steps.seconds),
        target=target.database.address.display if into is None else target.database.address.renamed(into).display,
        notes=tuple(notes),
        versions=versions(),
        losses=salvaged.losses if salvaged else None,
        code_migration=code_migration,
        converted=conversion is not None,
    )
    with kept_whatever_fails(facts, done, evidence.folder):
        html, json_file = write_recovery_report(facts, evidence.folder)
        result = RestoreResult(
            snapshot_id=snapshot_id,
            verdict=facts.verdict,
            promoted=done is not None,
            target=facts.target,
            previous=done.previous if done is not None and done.replaces else None,
            report_html=html,
            report_json=json_file,
            data_docs=evidence.validation.data_docs,
            failures=evidence.failures(),
            notes=tuple(notes),
            rows=sum(state.rows for state in evidence.states.values()),
            files=sum(check.found for check in evidence.files),
            seconds=dict(steps.seconds),
            losses=facts.losses,
            code_migration=code_migration,
        )
        leave_restore(steps, facts, result)
    return result


def _verdict(evidence: Evidence, salvaged: Salvage | None) -> Verdict:
    if not evidence.validation.success:
        return "failed"
    return "salvaged" if salvaged else "proved"


def _restore_root(steps: Steps, repository: Repository, index: FileIndex, staged: Path, scratch: Path) -> None:
    with steps.progress(f"files of {index.root.name}", index.files) as advance:
        restore_files(index, repository, staged, progress=advance, scratch=scratch)
