"""Restore: open → stage → restore → validate → promote, composed once for every way of running it; and its inverse.

Nothing of the live system changes before `promote`. Every way out before that removes what was staged.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from edms_tasks import promotion
from edms_tasks.databases import open_database
from edms_tasks.databases.protocol import StagingDatabase
from edms_tasks.disk_space import require_space
from edms_tasks.errors import SettingsError
from edms_tasks.files import restore_files
from edms_tasks.manifest import FileIndex, Manifest
from edms_tasks.migrating.outcome import Following
from edms_tasks.package import versions
from edms_tasks.promotion import Journal, Promotion
from edms_tasks.report import RecoveryFacts, Verdict, write_recovery_report
from edms_tasks.repository import Repository
from edms_tasks.restore import fetch_schema, load_table
from edms_tasks.salvage import open_snapshot
from edms_tasks.settings import Settings
from edms_tasks.spool import spool
from edms_tasks.validate import load_ahead
from flows.crossing import Crossing, cross
from flows.crossing_needs import require_code_to_fit, require_within_one_engine
from flows.evidence import leave_restore
from flows.following import Proved, follow_the_code
from flows.look_ahead import look_ahead
from flows.proof import Evidence, prove, reports
from flows.restore_result import RestoreResult, RollbackResult
from flows.salvage import SALVAGED, UNMIGRATED, WHOLE, Salvage, require_leave, survey
from flows.steps import Steps
from flows.target import Target, address_of, ask_edms, find_target


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
    before_validation: Callable[[StagingDatabase, Sequence[Path]], None] | None = None,
) -> RestoreResult:
    """Bring a snapshot back, prove it, and promote it (or keep it as the database `into`).

    With `salvage`, damage does not stop it: what is provably intact comes back, and is proved. Without `into` that needs
    `promote_salvaged`. With `drop_unknown`, what a snapshot newer than the EDMS's code has and the code does not know is dropped
    after the proof. An `into` that is a URL names a database of the other engine. `before_validation` is handed the finished staging
    database and folders; tests damage them there.

    Raises:
        CommandError: a salvage may not replace the live system unless that was said, and is never cut back to older code.
        DamagedRepository, TargetInUse, MayNotCreateDatabases, SnapshotNewerThanCode, MigrationsParted, NoSpace, …: the live
            system is untouched.
    """
    if salvage:
        require_leave(into=into, promote_salvaged=promote_salvaged, drop_unknown=drop_unknown)
    if salvage or drop_unknown:
        require_within_one_engine(into)
    notes: list[str] = []
    journal = journal_of(settings)
    with ExitStack() as cleanup:
        with steps.stage("open"):
            repository = Repository.open(settings.repository)
            snapshot_id, whole = steps.run(
                "open the snapshot", lambda: (open_snapshot if salvage else _open)(repository, snapshot)
            )
            manifest = whole
            load_ahead()
            target = steps.run("find the target", lambda: find_target(settings, manifest, into, into_files, notes))
            into = target.into
            prospect = look_ahead(manifest, target.report, into=into, drop_unknown=drop_unknown)
            for note in prospect.notes:
                steps.say(note)
            if target.crosses:
                require_code_to_fit(prospect)
            cleanup.enter_context(journal.exclusive())
            _clear_the_way(settings, manifest, target, journal, notes)

        for left in reports(settings).glob("restore-*"):
            if not (left / "recovery.json").exists():  # evidence that was never finished proves nothing
                shutil.rmtree(left)
        scratch = cleanup.enter_context(spool(settings.workdir, "restore"))
        remains: Salvage | None = None
        if salvage:
            with steps.stage("survey"):
                remains = survey(settings, steps, repository, snapshot_id, whole, scratch / "salvage")
            notes.append(SALVAGED if remains else WHOLE)
        if remains:
            manifest, repository, target = remains.manifest, remains.repository, remains.target(target)

        crossing: Crossing | None = None
        if target.crosses:
            with steps.stage("cross"):
                crossing = cross(
                    settings, steps, repository, manifest, target, prospect.migrate, scratch / "crossing", cleanup
                )
            notes += crossing.notes
            manifest, repository, whole = crossing.expected, crossing.repository, crossing.expected
        there = crossing.manifest if crossing else manifest

        with steps.stage("stage"):
            schema = (
                crossing.schema if crossing else fetch_schema(repository, manifest.native_schema, scratch / "schema")
            )
            staged_folders = [staged for _, _, staged in target.folders]
            abandon = cleanup.enter_context(_Abandon(journal, staged_folders))
            staging = steps.run(
                "create the staging database", lambda: target.database.stage(schema, into, settings.restore.jobs)
            )
            abandon.staging = staging

        load = crossing.load_table if crossing else load_table
        with steps.stage("restore"):
            steps.map(
                lambda pair: f"load {pair[1].table.label}",
                lambda pair: load(staging, repository, pair[1], scratch / "chunks" / f"{pair[0]:04d}"),
                list(enumerate(manifest.tables)),
                jobs=settings.restore.jobs,
                weight=lambda pair: pair[1].state.rows * len(pair[1].table.columns),
            )
            steps.run("build indexes and constraints", lambda: staging.finish(there.tables, there.sequences))
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
                remains.rows if remains else None,
                crossing,
            )
            if remains:
                remains.keep_lists(evidence.folder)
        notes += [*staging.notes, *evidence.notes]

        following: Following | None = None
        if evidence.validation.success:
            with steps.stage("follow the code"):
                if remains and into is not None:
                    notes.append(UNMIGRATED)  # they may stumble over what is missing, and nobody lives on this yet
                elif crossing:
                    notes += crossing.follow_the_code(settings, steps, staging, prospect.migrate)
                else:
                    notes += prospect.notes
                    proved = Proved(settings, steps, manifest, staging, scratch, remains.rows if remains else {})
                    following = follow_the_code(proved, target.report, prospect, notes)
            with steps.stage("promote" if into is None else "keep"):
                done = _hand_over(settings, target, staging, journal, snapshot_id)
                abandon.handed_over = True
        else:
            done = None
    facts = RecoveryFacts(
        verdict=_verdict(evidence, remains),
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
        losses=remains.losses if remains else None,
        following=following,
        crossed=crossing is not None,
    )
    html, json_file = write_recovery_report(facts, evidence.folder)
    result = RestoreResult(
        snapshot_id=snapshot_id,
        verdict=facts.verdict,
        promoted=done is not None and into is None,
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
        following=following,
    )
    leave_restore(steps, facts, result)
    return result


def compose_rollback(settings: Settings, steps: Steps) -> RollbackResult:
    """Swap the last promoted restore back. Raises NothingToRollBack, TargetInUse."""
    journal = journal_of(settings)
    with journal.exclusive(), steps.stage("rollback"):
        database = open_database(address_of(settings, ask_edms(settings, [])))
        done = steps.run(
            "swap back", lambda: promotion.roll_back(database, journal, disconnect=settings.restore.disconnect)
        )
    return RollbackResult(database=done.database, snapshot_id=done.snapshot_id, set_aside=done.previous)


def journal_of(settings: Settings) -> Journal:
    """The journal of promotions of this EDMS."""
    return Journal(settings.workdir / "promotions.json")


class _Abandon:
    """Removes what was staged on the way out, unless it was handed over or a promotion stopped halfway.

    Half a promotion is finished by the next command (`promotion.recover`), which needs the staged folders for it.
    """

    def __init__(self, journal: Journal, folders: Sequence[Path]) -> None:
        self.staging: StagingDatabase | None = None
        self.handed_over = False
        self._journal = journal
        self._folders = folders

    def __enter__(self) -> _Abandon:
        return self

    def __exit__(self, *exception: object) -> None:
        if self.handed_over or promotion.pending(self._journal):
            return
        if self.staging is not None:
            self.staging.drop()
        promotion.remove_staged(self._folders)


def _clear_the_way(settings: Settings, manifest: Manifest, target: Target, journal: Journal, notes: list[str]) -> None:
    """Everything that would stop the restore later, asked now; leftovers of killed runs removed."""
    database = target.database
    notes += promotion.recover(database, journal)
    notes += [f"A staging database left by a killed run was removed: {name}" for name in database.remove_leftovers()]
    notes += database.check_target(target.into, promote=target.into is None, disconnect=settings.restore.disconnect)
    # Beside the live folders too, where this run stages elsewhere and a killed one did not.
    live = [Path(root.path) for root in target.report.file_roots] if target.report else []
    live += settings.files.roots.values()
    promotion.remove_staged([*map(promotion.staging_folder, live), *(staged for _, _, staged in target.folders)])
    require_room(settings, manifest, target)


def require_room(settings: Settings, manifest: Manifest, target: Target) -> None:
    """The folders can be staged and swapped, and the disks hold it all; raises SettingsError, NoSpace, TerminalError."""
    for index, final, _ in target.folders:
        promotion.check_folder(final, index.bytes)
        if target.into is not None and final.exists() and any(final.iterdir()):
            raise SettingsError(
                "The folder for the restored files exists and is not empty.",
                where=str(final),
                cure="Name another with --into-files.",
            )
        require_space(final.parent, index.bytes, f"the files of {index.root.name}")
    require_space(settings.workdir, max((entry.stored_bytes for entry in manifest.tables), default=0) * 8, "the spool")


def _open(repository: Repository, name: str) -> tuple[str, Manifest]:
    snapshot_id = repository.resolve(name)
    return snapshot_id, Manifest.from_json(repository.read_snapshot(snapshot_id), where=snapshot_id)


def _verdict(evidence: Evidence, remains: Salvage | None) -> Verdict:
    if not evidence.validation.success:
        return "failed"
    return "salvaged" if remains else "proved"


def _restore_root(steps: Steps, repository: Repository, index: FileIndex, staged: Path, scratch: Path) -> None:
    with steps.progress(f"files of {index.root.name}", index.files) as advance:
        restore_files(index, repository, staged, progress=advance, spool=scratch)


def _hand_over(
    settings: Settings, target: Target, staging: StagingDatabase, journal: Journal, snapshot_id: str
) -> Promotion | None:
    if target.into is not None:
        staging.keep_as(target.into)
        for _, final, staged in target.folders:
            final.parent.mkdir(parents=True, exist_ok=True)
            if final.exists():
                final.rmdir()  # empty, as _clear_the_way made sure
            staged.rename(final)
        return None
    planned = promotion.plan(
        target.database,
        journal,
        snapshot_id=snapshot_id,
        incoming=staging.address.name,
        folders=[(final, staged) for _, final, staged in target.folders],
    )
    return promotion.carry_out(planned, target.database, journal, disconnect=settings.restore.disconnect)
