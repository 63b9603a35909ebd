"""Restore: open → stage → restore → validate → promote, composed once for every way of running it; and its inverse.

Nothing of the live system changes before `promote`. Every way out before that removes what was staged.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edms_tasks import promotion
from edms_tasks.databases import open_database
from edms_tasks.databases.protocol import StagingDatabase
from edms_tasks.disk_space import require_space
from edms_tasks.errors import CheckFailed, SettingsError
from edms_tasks.files import restore_files
from edms_tasks.inventory.inspect import run_in_edms
from edms_tasks.manifest import FileIndex, Manifest
from edms_tasks.package import versions
from edms_tasks.promotion import Journal, Promotion
from edms_tasks.report import RecoveryFacts, write_recovery_report
from edms_tasks.repository import Repository
from edms_tasks.restore import fetch_schema, load_table
from edms_tasks.settings import Settings
from edms_tasks.spool import spool
from edms_tasks.validate import load_ahead
from flows.proof import Evidence, prove, reports
from flows.steps import Steps
from flows.target import Target, address_of, ask_edms, find_target


@dataclass(frozen=True)
class RestoreResult:
    """What a restore brought back, and the evidence."""

    snapshot_id: str
    success: bool
    promoted: bool
    target: str
    previous: str | None
    report_html: Path
    report_json: Path
    data_docs: Path
    failures: tuple[str, ...]
    notes: tuple[str, ...]
    rows: int
    files: int
    seconds: dict[str, float]

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "snapshot": self.snapshot_id,
            "success": self.success,
            "promoted": self.promoted,
            "target": self.target,
            "previous": self.previous,
            "report_html": str(self.report_html),
            "report_json": str(self.report_json),
            "data_docs": str(self.data_docs),
            "failures": list(self.failures),
            "notes": list(self.notes),
            "rows": self.rows,
            "files": self.files,
            "seconds": self.seconds,
        }


@dataclass(frozen=True)
class RollbackResult:
    """What was swapped back, and where the undone restore is kept."""

    database: str
    snapshot_id: str
    set_aside: str

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {"database": self.database, "snapshot": self.snapshot_id, "set_aside": self.set_aside}


def compose_restore(
    settings: Settings,
    steps: Steps,
    *,
    snapshot: str,
    into: str | None = None,
    into_files: Path | None = None,
    before_validation: Callable[[StagingDatabase, Sequence[Path]], None] | None = None,
) -> RestoreResult:
    """Bring a snapshot back, prove it, and promote it (or keep it as the database `into`).

    `before_validation` is handed the finished staging database and folders; tests damage them there.

    Raises:
        DamagedRepository, TargetInUse, MayNotCreateDatabases, SnapshotNewerThanCode, NoSpace, …: the live system is untouched.
    """
    notes: list[str] = []
    journal = journal_of(settings)
    with ExitStack() as cleanup:
        with steps.stage("open"):
            repository = Repository.open(settings.repository)
            snapshot_id = repository.resolve(snapshot)
            manifest = steps.run(
                "open the snapshot",
                lambda: Manifest.from_json(repository.read_snapshot(snapshot_id), where=snapshot_id),
            )
            load_ahead()
            target = steps.run("find the target", lambda: find_target(settings, manifest, into, into_files, notes))
            cleanup.enter_context(journal.exclusive())
            _clear_the_way(settings, manifest, target, journal, notes)

        for left in reports(settings).glob("restore-*"):
            if not (left / "recovery.json").exists():  # evidence that was never finished proves nothing
                shutil.rmtree(left)
        scratch = cleanup.enter_context(spool(settings.workdir, "restore"))

        with steps.stage("stage"):
            schema = fetch_schema(repository, manifest.native_schema, scratch / "schema")
            staged_folders = [staged for _, _, staged in target.folders]
            abandon = cleanup.enter_context(_Abandon(journal, staged_folders))
            staging = steps.run(
                "create the staging database", lambda: target.database.stage(schema, into, settings.restore.jobs)
            )
            abandon.staging = staging

        with steps.stage("restore"):
            steps.map(
                lambda pair: f"load {pair[1].table.label}",
                lambda pair: load_table(staging, repository, pair[1], scratch / "chunks" / f"{pair[0]:04d}"),
                list(enumerate(manifest.tables)),
                jobs=settings.restore.jobs,
                weight=lambda pair: pair[1].state.rows * len(pair[1].table.columns),
            )
            steps.run("build indexes and constraints", lambda: staging.finish(manifest.tables, manifest.sequences))
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
            evidence = prove(settings, steps, repository, manifest, staging, schema, roots, scratch)
        notes += [*staging.notes, *evidence.notes]

        if evidence.validation.success:
            with steps.stage("promote" if into is None else "keep"):
                _follow_the_code(settings, manifest, target, staging, notes)
                done = _hand_over(settings, target, staging, journal, snapshot_id)
                abandon.handed_over = True
        else:
            done = None
    facts = RecoveryFacts(
        verdict="proved" if evidence.validation.success else "failed",
        snapshot_id=snapshot_id,
        manifest=manifest,
        states=evidence.states,
        files=evidence.files,
        validation=evidence.validation,
        differences=evidence.differences,
        findings=manifest.findings,
        seconds=dict(steps.seconds),
        target=target.database.address.display if into is None else target.database.address.renamed(into).display,
        notes=tuple(notes),
        versions=versions(),
    )
    html, json_file = write_recovery_report(facts, evidence.folder)
    steps.link("recovery-report", "Recovery report", html)
    steps.link("data-docs", "Data Docs", evidence.validation.data_docs)
    _leave_artifacts(steps, manifest, evidence)
    return RestoreResult(
        snapshot_id=snapshot_id,
        success=evidence.validation.success,
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
    )


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


def _restore_root(steps: Steps, repository: Repository, index: FileIndex, staged: Path, scratch: Path) -> None:
    with steps.progress(f"files of {index.root.name}", index.files) as advance:
        restore_files(index, repository, staged, progress=advance, spool=scratch)


def _follow_the_code(
    settings: Settings, manifest: Manifest, target: Target, staging: StagingDatabase, notes: list[str]
) -> None:
    """Migrate the proved staging database forward where the EDMS's code is newer, and let the EDMS check itself."""
    if target.report is None:
        return
    applied = {tuple(migration) for migration in manifest.edms.migrations_applied}
    ahead = [leaf for leaf in target.report.migrations_leaves if tuple(leaf) not in applied]
    if ahead:
        _run_edms(settings, staging, ["migrate", "--no-input"])
        notes.append(
            "The EDMS's code is newer than the snapshot: after the proof its migrations were run on the staging database."
        )
    if settings.validate_.django_check:
        _run_edms(settings, staging, ["check", "--database", settings.edms.database])
        notes.append("The EDMS's own `check` passed on the restored database.")


def _run_edms(settings: Settings, staging: StagingDatabase, arguments: list[str]) -> None:
    done = run_in_edms(settings, arguments, database_name=staging.address.name)
    if done.returncode != 0:
        raise CheckFailed(
            f"The EDMS's own `{' '.join(arguments)}` failed on the restored database.",
            where=staging.address.display,
            why=(done.stderr or done.stdout).strip()[-1500:],
            cure="The live system is untouched. Mend the EDMS, or restore with --into to look at the data."
            + (" To restore without this check: [validate] django_check = false." if arguments[0] == "check" else ""),
        )


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


def _leave_artifacts(steps: Steps, manifest: Manifest, evidence: Evidence) -> None:
    rows = []
    for entry in manifest.tables:
        state = evidence.states.get(entry.table.id)
        rows.append(
            {
                "model": entry.table.label,
                "rows expected": entry.state.rows,
                "rows found": state.rows if state else "missing",
                "digest expected": entry.state.content_digest,
                "digest found": state.content_digest if state else "missing",
                "equal": state == entry.state,
            }
        )
    steps.table("models", "Models after the restore", rows, "Row counts and digests, expected and found.")
    lines = "".join(f"- {failure}\n" for failure in evidence.failures())
    steps.markdown(
        "verdict", f"# {'PROVED' if evidence.validation.success else 'FAILED: the live system is untouched'}\n\n{lines}"
    )
