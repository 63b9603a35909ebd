"""Make a snapshot: the findings of a backup, the resources it holds, and its end.

Once the manifest is written, the snapshot exists. An error after that becomes a note in the result, so that an existing
snapshot is never reported as a failure.
"""

from __future__ import annotations

import errno
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from edms_tasks.databases import Database, DatabaseAddress, open_database
from edms_tasks.errors import (
    EdmsBackupError,
    NoSpace,
    RepositoryForbidden,
    RepositorySealed,
    TerminalError,
    UnappliedMigrations,
)
from edms_tasks.files.declared_ids_in_names import findings_of
from edms_tasks.findings import make_finding
from edms_tasks.incremental.previous_rows import Previous
from edms_tasks.inventory.model import Finding, Table
from edms_tasks.inventory.probe_report import ProbeReport
from edms_tasks.lineage.last_backup_record import BackupRecord, described, remember
from edms_tasks.lineage.owner import KnownEdms, known_edms
from edms_tasks.lineage.reopen_repository import Reopened, reopen
from edms_tasks.lineage.snapshot_position import SnapshotPlace, place_apart, place_of
from edms_tasks.manifest import ConvertedFrom, FileNameState, Manifest
from edms_tasks.repository import Repository
from edms_tasks.repository.seen_whole import SeenWhole
from edms_tasks.scratch.run_folder import run_folder
from edms_tasks.serialize import SerializedTable
from edms_tasks.settings import Settings
from flows.backing_up.backup_result import BackupResult
from flows.evidence.artifacts import leave_backup
from flows.live.folder_checks import require_separate, torn_databases, unswappable_folders
from flows.live.live_target import ConsistentReading, read_together
from flows.requests import BackupRequest
from flows.running.printable import error_text
from flows.running.run import Run
from flows.running.stopping import when_stopped
from flows.tasks.inspect_tasks import check_database, inspect_edms, require_reachable
from flows.tasks.verify_tasks import verify_snapshot
from flows.verifying.reading_record import note_read

_FORMER_INDEXES = "rows"
"""The folder in the working folder in which earlier releases kept indexes of rows."""

_FORMAT_CHANGED = (
    "The previous snapshot has format 1, so all rows were stored once more, in format 2. "
    "The next backup stores only changes again."
)
_PART_WRITTEN = "No snapshot was made. The next backup uses or removes what was written. The lock is released."


@dataclass(frozen=True)
class LoadedBackup:
    """An old backup of another tool that was loaded into a database.

    Args:
        origin: what it was.
        folders: name of a root of files -> where its files were unpacked; roots that it lacks are left out.
        findings: about it.
        has_files: whether it has any; then what its rows name should be among them.
    """

    origin: ConvertedFrom
    folders: Mapping[str, Path]
    findings: tuple[Finding, ...]
    has_files: bool

    def origin_of(self, findings: Sequence[Finding]) -> ConvertedFrom:
        """What it was. Files that the backup of it finds missing are losses too."""
        missing = sum(one.code == "missing-file" for one in findings) if self.has_files else 0
        return self.origin.model_copy(update={"losses": self.origin.losses + missing})


@dataclass(frozen=True)
class BackupSource:
    """The EDMS that is backed up, and the repository."""

    report: ProbeReport
    database: Database
    this_edms: KnownEdms
    reopened: Reopened
    old: LoadedBackup | None = None  # None: the EDMS itself is backed up

    def config_files(self, settings: Settings) -> tuple[Path, ...]:
        """The files of settings to store: an old backup's rows have nothing to do with those of today."""
        return () if self.old else settings.files.config

    @property
    def engine(self) -> str:
        """The database's engine."""
        return self.database.address.engine


def inspect_source(run: Run, request: BackupRequest) -> BackupSource:
    """Inspect the EDMS, and open the repository.

    Raises:
        EdmsNotImportable, DatabaseRefused, UnappliedMigrations, SettingsError, AnotherRepository: no backup is possible.
    """
    settings = run.settings
    report = run.call(inspect_edms, run.ask, settings)
    database = open_database(DatabaseAddress.from_probe(report.databases[0]))
    run.call(check_database, database)
    require_separate(settings, report)
    database.check_source(settings.scratch)
    require_reachable(report, database.address)
    _require_migrated(run, report)
    this_edms = known_edms(settings, report)
    reopened = reopen(settings, this_edms, create=request.create_repository, accept=request.accept_repository)
    for note in reopened.notes:
        run.say(note)
    return BackupSource(report, database, this_edms, reopened)


@contextmanager
def making_a_snapshot(run: Run, source: BackupSource) -> Iterator[SnapshotInTheMaking]:
    """While a snapshot is made, hold the repository's lock and a folder of the run, and keep the live system from being replaced."""
    making = SnapshotInTheMaking(run, source)
    with (
        making.keeping_what_was_made(),
        making.repository.lock("backup"),
        run_folder(run.settings.scratch, "backup") as folder,
        read_together(run, source.database, source.report) as together,
    ):
        making.enter(folder, together)
        try:
            yield making
        except OSError as error:
            raise _no_space_or(error, folder) from error


class SnapshotInTheMaking:
    """A backup in progress, from its lock to its result."""

    def __init__(self, run: Run, source: BackupSource) -> None:
        self.repository: Repository = source.reopened.repository
        self.findings: list[Finding] = []
        self.made: tuple[str, Manifest] | None = None
        self.previous: Previous | None = None
        self._run, self._source = run, source
        self._notes: list[str] = list(source.reopened.notes)
        self._problems: tuple[str, ...] = ("The snapshot was not read back.",)
        self._not_read_back = ""
        self._objects_read = 0

    def enter(self, folder: Path, together: ConsistentReading) -> None:
        """Determine the new snapshot's position; under the locks, so that no other run adds a snapshot meanwhile."""
        self.folder, self._together = folder, together
        self.place: SnapshotPlace = (
            place_of(self.repository, self._source.this_edms, self._source.reopened)
            if self._source.old is None
            else place_apart(self._source.this_edms)
        )
        self._notes += self.place.notes
        of_folders = self._run.settings, self._source.report
        self.findings += self.place.findings
        if self._source.old is not None:
            self.findings += self._source.old.findings
        else:
            self.findings += [*unswappable_folders(*of_folders), *torn_databases(*of_folders)]
        self.repository.distrust(self._known_damage())
        if self.place.base is not None:
            self.previous = Previous(*self.place.base)
            self.repository.trust(self.previous.manifest.objects().keys())
            if self.previous.manifest.format == 1:
                self._notes.append(_FORMAT_CHANGED)

    def begin(self) -> None:
        """Record the backup as pending; from here on it writes to the repository."""
        when_stopped(_PART_WRITTEN)
        self._writing = self.repository.begin()

    def release(self) -> None:
        """Let the live system be replaced, after rows and files are read. Raises TargetChanged if it was replaced meanwhile."""
        self._together.release()

    def unusable(self, tables: Sequence[Table], serialized: Sequence[SerializedTable]) -> list[Finding]:
        """The findings on tables of which blocks of the previous snapshot could not be used again."""
        return [
            make_finding(
                "previous-rows-unusable",
                table.label,
                f"Chunks of the previous snapshot cannot be used, so these rows were stored again: {made.unusable}",
            )
            for table, made in zip(tables, serialized, strict=True)
            if made.unusable
        ]

    def note_file_names(self, states: Sequence[FileNameState]) -> None:
        """Add what was found about ids in names of files."""
        self.findings += findings_of(states)

    @contextmanager
    def keeping_what_was_made(self) -> Iterator[None]:
        """Turn errors raised after the manifest is written into notes of the result."""
        try:
            yield
        except Exception as error:
            if self.made is None:
                raise
            self._note("the backup could not be brought to its end", error)

    def conclude(self) -> None:
        """Read the snapshot back to verify it, and write the records of it: the newest snapshot, the last backup."""
        snapshot_id, manifest = self._the_snapshot()
        when_stopped(
            f"Snapshot {snapshot_id[:12]} is written, and was not read again: `edms-backup verify {snapshot_id[:12]}` does that."
        )
        self._try("the repository's record of the newest snapshot could not be written", self._write_head)
        # Only new objects: each run reads back the objects it wrote, and `verify` reads all.
        known = frozenset(self.previous.manifest.objects()) if self.previous else frozenset()
        known -= self.repository.written  # it was lost or damaged, and written again
        self.repository.read_for_evidence()
        try:
            (self.folder / "verify").mkdir()
            self._problems = verify_snapshot(self._run, self.repository, manifest, self.folder / "verify", known)
            self._objects_read = manifest.read_by_a_backup(known, readable=self.repository.is_readable)
        except Exception as error:
            if not self.repository.is_readable and isinstance(error, (RepositorySealed, RepositoryForbidden)):
                # This machine is meant to write only. Another one, with the recovery key, has to verify.
                self._problems, self._not_read_back = (), _said(error)
            else:
                self._problems = (f"The snapshot could not be read back: {_said(error)}",)
        self._try("the record of what was read could not be written", lambda: self._note_read(known))
        self._try("what an earlier run left could not be cleared away", self._finish)
        self._try("the indexes of an earlier release could not be removed", self._remove_indexes)
        if self._source.old is None:  # what is remembered is the EDMS's own last backup
            self._try("the record of it in the working folder could not be written", self._remember)

    def _known_damage(self) -> frozenset[str]:
        """The objects that a verification or a restore from here found damaged: they are stored anew if their contents are still there."""
        try:
            return SeenWhole(self._run.settings.workdir, self.repository.place).damaged()
        except TerminalError as error:
            self._notes.append(f"What was found damaged before is not known: {error.what} {error.why}")
            return frozenset()

    def result(self) -> BackupResult:
        """Record the evidence and return the result."""
        result = self._result()
        self._try("the evidence in Prefect could not be left", lambda: leave_backup(self._run, result))
        return self._result()

    def _the_snapshot(self) -> tuple[str, Manifest]:
        assert self.made is not None  # otherwise an error was raised
        return self.made

    def _result(self) -> BackupResult:
        snapshot_id, manifest = self._the_snapshot()
        return BackupResult(
            snapshot_id=snapshot_id,
            manifest=manifest,
            verified=not self._problems and not self._not_read_back,
            not_read_back=self._not_read_back,
            problems=self._problems,
            seconds=self._run.seconds,
            stored_bytes=sum(ref.size for ref in manifest.objects().values()),
            objects_read=self._objects_read,
            objects_unread=len(manifest.objects()) - self._objects_read,
            notes=tuple(self._notes),
        )

    def _write_head(self) -> None:
        snapshot_id, manifest = self._the_snapshot()
        if manifest.identity is not None and manifest.number is not None:
            self.repository.write_head(manifest.identity.id, snapshot_id, manifest.number)

    def _note_read(self, known: frozenset[str]) -> None:
        _, manifest = self._the_snapshot()
        if not self._problems and not self._not_read_back and self.repository.is_readable:
            seen = SeenWhole(self._run.settings.workdir, self.repository.place)
            always = manifest.always_read
            note_read(seen, self.repository, manifest, is_right=True, known=known - always)

    def _remember(self) -> None:
        snapshot_id, manifest = self._the_snapshot()
        if manifest.identity is None or manifest.number is None:
            return
        witness = BackupRecord(
            repository=self.repository.identity,
            url=self.repository.display,
            identity=manifest.identity,
            described=described(self._run.settings),
            snapshot=snapshot_id,
            number=manifest.number,
            at=datetime.now(UTC),
        )
        remember(self._run.settings.workdir, witness)

    def _remove_indexes(self) -> None:
        folder = self._run.settings.workdir / _FORMER_INDEXES
        for index in folder.iterdir() if folder.is_dir() and not folder.is_symlink() else ():
            # Anything that does not have the name of a snapshot is not ours.
            if re.fullmatch(r"[0-9a-f]{64}", index.name) and index.is_dir() and not index.is_symlink():
                shutil.rmtree(index)

    def _finish(self) -> None:
        swept = self.repository.finish(self._writing)
        if swept.skipped:
            self._notes.append(f"What an earlier run left in the repository was not cleared away: {swept.skipped}.")

    def _try(self, what: str, call: Callable[[], None]) -> None:
        try:
            call()
        except Exception as error:
            self._note(what, error)

    def _note(self, what: str, error: Exception) -> None:
        self._notes.append(f"The snapshot is made; {what}: {_said(error)}")


def _said(error: Exception) -> str:
    if isinstance(error, EdmsBackupError):
        return " ".join(part for part in (error.what, error.where, error.why) if part)
    return error_text(error)


def _require_migrated(run: Run, report: ProbeReport) -> None:
    if report.migrations_unapplied and run.settings.edms.unapplied_migrations == "refuse":
        where = DatabaseAddress.from_probe(report.databases[0]).display
        if not report.migrations_applied:
            raise UnappliedMigrations(
                "The database is empty: none of the EDMS's migrations is applied.",
                where=where,
                fix="If it held data: `edms-backup restore latest` brings them back. For a new EDMS, run `manage.py migrate` first.",
            )
        names = ", ".join(f"{app}.{name}" for app, name in report.migrations_unapplied[:5])
        raise UnappliedMigrations(
            f"{len(report.migrations_unapplied)} migrations of the EDMS are not applied.",
            where=where,
            why=names,
            fix='Run `manage.py migrate` first, or set [edms] unapplied_migrations = "record" to back up the database as it is.',
        )


def _no_space_or(error: OSError, folder: Path) -> BaseException:
    if error.errno == errno.ENOSPC:
        return NoSpace(
            "The disk is full.",
            where=str(folder),
            fix="Free some space, or point `workdir` (or [run] scratch) at a larger disk.",
        )
    return error
