"""The last step of a restore: what was staged and validated is promoted, or kept under the requested name.

Everything that would prevent it is checked before anything is staged. A run that ends before this step removes what it staged.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edms_tasks import promotion
from edms_tasks.databases import Database
from edms_tasks.databases.protocol import StagingDatabase
from edms_tasks.errors import (
    AlreadyPromoted,
    EvidenceNotWritten,
    LockUnavailable,
    RepositoryForbidden,
    RepositoryUnreachable,
    SettingsError,
    TargetChanged,
    TargetLocked,
    TerminalError,
)
from edms_tasks.files.live_stores import LiveStores, require_apart
from edms_tasks.manifest import Manifest
from edms_tasks.promotion import Evidence, Journal, LiveTarget, Patience, Promotion, StagedState, store_swap
from edms_tasks.promotion.target_locks import HeldLocks
from edms_tasks.report import RecoveryFacts
from edms_tasks.scratch.disk_space import require_space
from edms_tasks.scratch.run_folder import run_folder
from edms_tasks.settings import Settings
from flows.hooks.before_promotion import run_before_promotion
from flows.live.folder_checks import overlapping_stores
from flows.live.live_target import finish_interrupted_promotions, live_target
from flows.restoring.target import Target
from flows.running.flow_decorators import task
from flows.running.printable import error_text
from flows.running.run import Run
from flows.running.stopping import when_stopped

if TYPE_CHECKING:
    from flows.restoring.open_restore import Opened
    from flows.restoring.staging_area import StagingArea
    from flows.restoring.validation import ValidationEvidence


def lock_of(settings: Settings, target: Target) -> LiveTarget:
    """The target that a restore locks: the live system, or the database and folders of `into`."""
    if target.into is None:
        return live_target(settings, target.database, target.report)
    return LiveTarget(target.database, target.into, tuple(final for _, final, _ in target.folders))


def require_first_time(journal: Journal, confirmation: str, database: Database | None = None) -> None:
    """Raise AlreadyPromoted if this confirmation has promoted a restore before, by the records in the work folder or beside the target."""
    if not confirmation:
        return
    for entry in journal.read():
        if entry.confirmation == confirmation and entry.state != "started":
            done = _already(entry.stamp, entry.database, f"snapshot {entry.snapshot_id[:12]}")
            done.snapshot, done.verdict = entry.snapshot_id, entry.evidence.verdict if entry.evidence else ""
            raise done
    if database is not None and (stamp := database.promoted_by(confirmation)):
        raise _already(stamp, database.address.display, "a snapshot")


def _already(stamp: str, where: str, what: str) -> AlreadyPromoted:
    done = AlreadyPromoted(
        f"Already promoted at {stamp}; nothing was done.",
        where=where,
        why=f"This confirmation already promoted {what}. A confirmation is valid once.",
        fix="To restore again, start a new restore and confirm it.",
    )
    done.stamp = stamp
    return done


def prepare_target(
    settings: Settings, manifest: Manifest, target: Target, journal: Journal, patience: Patience, notes: list[str]
) -> None:
    """Check everything that could prevent the restore later, and remove leftovers of killed runs. The caller holds the work locks."""
    database, locked = target.database, lock_of(settings, target)
    if target.into is None:
        notes += finish_interrupted_promotions(locked, journal, patience)
    left = [*database.remove_leftovers(locked.name)]
    for folder in locked.folders:
        left += promotion.remove_staged_beside(folder)
    for _, store in target.stores:
        left += journal.stores.remove_left_by_killed_runs(store.live)
    if target.into is not None and not target.converts:
        left += _clear_beside_the_live(live_target(settings, database, target.report), journal, patience, notes)
    notes += [f"Files of a killed run were removed: {name}" for name in left]
    # With commands that stop the EDMS before the swap it may be in use until then. The swap itself checks again.
    must_be_free = target.into is None and not settings.hooks.before_promote
    if target.into is None and not patience.waits:
        with locked.still("restore", patience):
            pass  # nobody reads now; checked again before the swap
    notes += database.check_target(target.into, promote=must_be_free, disconnect=settings.restore.disconnect)
    require_room(settings, manifest, target)
    for _, store in target.stores:
        journal.stores.require_writable(store.live)


def _clear_beside_the_live(live: LiveTarget, journal: Journal, patience: Patience, notes: list[str]) -> tuple[str, ...]:
    """Remove leftovers of killed runs beside the live system, too, unless a run is at work on it; returns their names."""
    try:
        with live.working("recovery"):
            notes += finish_interrupted_promotions(live, journal, patience)
            return tuple(name for folder in live.folders for name in promotion.remove_staged_beside(folder))
    except (TargetLocked, LockUnavailable):
        return ()  # the run that made them may be at work, or this user may not remove them
    except (RepositoryUnreachable, RepositoryForbidden, SettingsError) as error:
        notes.append(
            f"Whether a promotion was interrupted is not known, because the store was not reached: {error.what}"
        )
        return ()


def require_room(settings: Settings, manifest: Manifest, target: Target) -> None:
    """Check that the folders can be staged and swapped and that the disks have space; raises SettingsError, NoSpace, TerminalError."""
    if target.into is None:
        _require_separate(settings, target)
        require_apart([store.live for _, store in target.stores], LiveStores.of(settings))
        for error in overlapping_stores(settings) if target.stores else ():
            raise error
    for _, final, _ in target.folders:
        promotion.check_folder(final, target.database.address.files if target.into is None else ())
        if target.into is not None and final.exists() and any(final.iterdir()):
            raise SettingsError(
                "The folder for the restored files exists and is not empty.",
                where=str(final),
                fix="Name another with --into-files.",
            )
    for needed in room_needed(settings, manifest, target):
        require_space(needed.folder, needed.bytes, needed.what)


@dataclass(frozen=True)
class Room:
    """Disk space that a restore needs for a while, beside what is there."""

    what: str
    folder: Path
    bytes: int


def room_needed(settings: Settings, manifest: Manifest, target: Target) -> tuple[Room, ...]:
    """The disk space that a restore needs, apart from the database server's."""
    folders = [Room(f"the files of {index.root.name}", final.parent, index.bytes) for index, final, _ in target.folders]
    # First the largest tables are fetched and unpacked in parallel; later all rows are read back before they are compared.
    largest = sorted((entry.stored_bytes + entry.room for entry in manifest.tables), reverse=True)
    needed = max(sum(largest[: settings.restore.jobs]), sum(entry.room for entry in manifest.tables))
    return (*folders, Room("the rows that are read back from the restored database", settings.scratch, needed))


def _require_separate(settings: Settings, target: Target) -> None:
    """Check that our own folders are not inside folders that are swapped, which would move them away; raises SettingsError."""
    kept = {
        "the work folder (workdir)": settings.workdir,
        "the folder for temporary files ([run] scratch)": settings.scratch,
    }
    if "://" not in settings.repository.url:
        kept["the repository"] = Path(settings.repository.url)
    finals = {index.root.name: final for index, final, _ in target.folders}
    for name, final in finals.items():
        inside = {what: path.resolve() for what, path in kept.items()}
        inside |= {f"the folder of {other}": path for other, path in finals.items() if other != name}
        for what, path in inside.items():
            if path.is_relative_to(final):
                raise TerminalError(
                    f"The folder of {name} cannot be swapped, because {what} is inside it.",
                    where=str(path),
                    why=f"The folder of {name} is {final}.",
                    fix="Move one of them, or restore with --into and copy the files.",
                )


class Candidate:
    """The identity of what is validated, checked again afterwards, so that nothing else goes live in its place."""

    def __init__(self, settings: Settings, target: Target, staging: StagingDatabase) -> None:
        self._target = target
        self._stores = _identities_in_stores(settings, target)
        self._staging = staging
        self._identity = target.database.identity(staging.address.name)
        self._staged = self._of("")
        self._sealed = ""

    def seal(self) -> None:
        """Close the database to all connections after the validation.

        Raises:
            TargetChanged: it is not the database that was validated.
            TargetInUse: another session uses it.
        """
        self._sealed = self._staging.seal()
        if not self._sealed.startswith(self._identity):
            raise TargetChanged(
                "The staging database is not the one that was validated.",
                where=self._staging.address.display,
                why=f"It was {self._identity}, and is {self._sealed or 'not there'}.",
                fix="Nothing was changed. Find out who creates and renames databases there, and run the restore again.",
            )

    def unseal(self) -> None:
        """Open the database again for work after the validation, such as migrations, which is checked separately."""
        self._staging.unseal()

    def staged(self) -> StagedState:
        """The validated database and folders. Raises TargetChanged if a folder was replaced."""
        self._staged.require_folders()
        return StagedState(self._staging.address.name, self._sealed, self._staged.folders, self._stores)

    def _of(self, fingerprint: str) -> StagedState:
        folders = [(final, staged) for _, final, staged in self._target.folders]
        return StagedState.of(self._staging.address.name, fingerprint, folders)


def _identities_in_stores(settings: Settings, target: Target) -> tuple[tuple[str, str, str], ...]:
    if not target.stores:
        return ()
    stores = LiveStores.of(settings)
    with run_folder(settings.workdir, "promotion") as scratch:
        return tuple(
            (store.live, store.staged, store_swap.identity(stores, store.staged, store.live, scratch))
            for _, store in target.stores
        )


@task(name="promote", tags=["promote"], task_run_name="promote the validated copy")
def promote_candidate(
    run: Run, opened: Opened, target: Target, staged: StagingArea, candidate: Candidate, evidence: ValidationEvidence
) -> None:
    """Promote what was validated: make it live, or keep it under the requested names.

    Raises:
        TargetInUse, TargetChanged, LockLost: the live system is untouched.
        PromotionHalted: the database was swapped, but the folders could not be.
    """
    when_stopped(
        "It was being promoted. `edms-backup restore SNAPSHOT --dry-run` shows whether that was interrupted; the next restore or "
        "rollback finishes it."
    )
    done = None
    if target.into is None:
        done = _promote(run, opened, target, candidate, evidence)
    else:
        _keep(target, staged.database, candidate, opened.held)
    staged.abandon.promotion, staged.abandon.handed_over = done, not target.throwaway
    if target.throwaway:
        when_stopped("The live system is untouched. The throwaway copy was removed.")
    else:
        when_stopped(f"The restored data is in place ({target.into or 'live'}); the report was not written.")


def promote_and_record(
    run: Run,
    opened: Opened,
    target: Target,
    staged: StagingArea,
    candidate: Candidate,
    evidence: ValidationEvidence,
    notes: list[str],
) -> Promotion | None:
    """Promote what was validated. After that, a failure to record it is a note and not a failure of the restore."""
    if target.into is None:
        run_before_promotion(run, opened.snapshot_id)
    try:
        run.call(promote_candidate, run, opened, target, staged, candidate, evidence)
    except Exception as error:
        if not staged.abandon.handed_over:
            raise
        notes.append(f"What was restored is in its place; that could not be recorded: {error_text(error)}")
    return staged.abandon.promotion


def _keep(target: Target, staging: StagingDatabase, candidate: Candidate, held: HeldLocks) -> None:
    assert target.into is not None  # the name that the caller chose
    candidate.staged()
    held.require_held()
    staging.keep_as(target.into, throwaway=target.throwaway)
    for _, final, staged in target.folders:
        final.parent.mkdir(parents=True, exist_ok=True)
        if final.exists():
            final.rmdir()  # empty: `require_room` checked this
        staged.rename(final)


def _promote(run: Run, opened: Opened, target: Target, candidate: Candidate, evidence: ValidationEvidence) -> Promotion:
    """Swap what was validated with the live system; waits for running backups first."""
    with lock_of(run.settings, target).still("restore", opened.patience) as still:
        require_first_time(opened.journal, run.runner.run_id, target.database)
        staged = candidate.staged()
        planned = promotion.plan(
            target.database,
            opened.journal,
            staged,
            snapshot_id=opened.snapshot_id,
            confirmation=run.runner.run_id,
            evidence=_for_the_journal(evidence),
            run=run.origin.run,
        )

        def confirm() -> None:
            opened.held.require_held()
            still.require_held()
            staged.require_folders()

        return promotion.carry_out(
            planned,
            target.database,
            opened.journal,
            fingerprint=staged.fingerprint,
            confirm=confirm,
            disconnect=run.settings.restore.disconnect,
        )


def _for_the_journal(evidence: ValidationEvidence) -> Evidence:
    """The evidence for the journal, in case the report cannot be written or found."""
    return Evidence(
        verdict=evidence.verdict,
        rows=sum(state.rows for state in evidence.states.values()),
        tables=len(evidence.states),
        files=sum(check.found for check in evidence.files),
        report=str(evidence.folder),
    )


@contextmanager
def raising_evidence_not_written(facts: RecoveryFacts, done: Promotion | None, folder: Path) -> Iterator[None]:
    """If the report cannot be written, raise EvidenceNotWritten, which says what became live or was kept beside it."""
    try:
        yield
    except Exception as error:
        if facts.verdict == "failed":
            raise
        where = f"It is live since {done.stamp}" if done else "It is complete, beside the live system"
        kept = " The journal (promotions.json in workdir) holds verdict, snapshot and counts." if done else ""
        raise EvidenceNotWritten(
            f"Snapshot {facts.snapshot_id[:12]} was restored ({facts.verdict}), but its report could not be written. {where}: "
            f"{facts.target}.",
            where=str(folder),
            why=error_text(error),
            fix=f"You need not restore again.{kept} Free some space, or fix the folder's permissions.",
        ) from error
