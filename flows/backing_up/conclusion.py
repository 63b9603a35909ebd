"""The end of a backup: from the moment on that the manifest stands, the snapshot is made, whatever else may fail.

It is read back, the records of the newest snapshot are written, leftovers are cleared away. What goes wrong there is told
with the result. It never turns a snapshot that was made into an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from edms_tasks.errors import EdmsBackupError
from edms_tasks.incremental.previous import Previous, keep_indexes
from edms_tasks.lineage.owner import Asker
from edms_tasks.lineage.placing import SnapshotPlace, place_of
from edms_tasks.lineage.reopening import Reopened
from edms_tasks.lineage.witness import Witness, described, remember
from edms_tasks.manifest import Manifest
from edms_tasks.serialize import SerializedTable
from edms_tasks.settings import Settings
from flows.evidence.artifacts import leave_backup
from flows.running.runner import Steps
from flows.tasks.verify_snapshot import verify_snapshot

ROW_INDEXES = "rows"
"""The folder in the working folder with the indexes of the rows of the last snapshot."""


@dataclass(frozen=True)
class BackupResult:
    """What a backup made."""

    snapshot_id: str
    manifest: Manifest
    verified: bool
    problems: tuple[str, ...]
    seconds: dict[str, float]
    stored_bytes: int
    objects_read: int  # read again after they were written
    objects_unread: int  # of earlier backups, which read them when they were written
    notes: tuple[str, ...] = ()  # what else has to be said, such as that a repository was made

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "snapshot": self.snapshot_id,
            "tag": self.manifest.tag,
            "verified": self.verified,
            "problems": list(self.problems),
            "rows": self.manifest.rows,
            "tables": len(self.manifest.tables),
            "files": sum(index.files for index in self.manifest.files),
            "stored_bytes": self.stored_bytes,
            "objects_read": self.objects_read,
            "objects_unread": self.objects_unread,
            "findings": [finding.model_dump(mode="json") for finding in self.manifest.findings],
            "notes": list(self.notes),
            "seconds": self.seconds,
        }


class Conclusion:
    """Carries a backup from its manifest to its result."""

    def __init__(self, settings: Settings, steps: Steps, reopened: Reopened, asker: Asker) -> None:
        self.repository = reopened.repository
        self.made: tuple[str, Manifest] | None = None
        self.notes: list[str] = list(reopened.notes)
        self._settings, self._steps, self._reopened, self._asker = settings, steps, reopened, asker
        self._problems: tuple[str, ...] = ("The snapshot was not read back.",)
        self._read = 0

    def find_place(self) -> SnapshotPlace:
        """Where the snapshot comes in the order; only under the repository's lock."""
        place = place_of(self.repository, self._asker, self._reopened)
        self.notes += place.notes
        return place

    @contextmanager
    def keeping_what_was_made(self) -> Iterator[None]:
        """Turn what is raised after the manifest into a part of the result."""
        try:
            yield
        except Exception as error:
            if self.made is None:
                raise
            self._note("the backup could not be brought to its end", error)

    def conclude(
        self, run: str, folder: Path, previous: Previous | None, tables: Mapping[str, SerializedTable]
    ) -> None:
        """Read the snapshot back, and tidy up."""
        assert self.made is not None  # called once the manifest stands
        snapshot_id, manifest = self.made
        self._try("the repository's record of the newest snapshot could not be written", self._write_head)
        with self._steps.stage("verify"):
            # What was there before has been read back by the run that wrote it, and `verify` reads everything.
            known = frozenset(previous.manifest.objects()) if previous else frozenset()
            try:
                (folder / "verify").mkdir()
                self._problems = verify_snapshot(
                    self._settings, self._steps, self.repository, manifest, folder / "verify", known
                )
                self._read = manifest.read_by_a_backup(known)
            except Exception as error:
                self._problems = (f"The snapshot could not be read back: {_said(error)}",)
        indexes = self._settings.workdir / ROW_INDEXES
        self._try("what an earlier run left could not be cleared away", lambda: self._finish(run))
        self._try("the index of its rows could not be kept", lambda: keep_indexes(indexes, snapshot_id, tables))
        self._try("the record of it in the working folder could not be written", self._remember)

    def result(self) -> BackupResult:
        """What was made; its evidence is left."""
        assert self.made is not None  # an error has been raised otherwise
        snapshot_id, manifest = self.made
        result = self._result(snapshot_id, manifest)
        self._try("the evidence in Prefect could not be left", lambda: leave_backup(self._steps, result))
        return self._result(snapshot_id, manifest)

    def _result(self, snapshot_id: str, manifest: Manifest) -> BackupResult:
        return BackupResult(
            snapshot_id=snapshot_id,
            manifest=manifest,
            verified=not self._problems,
            problems=self._problems,
            seconds=dict(self._steps.seconds),
            stored_bytes=sum(ref.size for ref in manifest.objects().values()),
            objects_read=self._read,
            objects_unread=len(manifest.objects()) - self._read,
            notes=tuple(self.notes),
        )

    def _write_head(self) -> None:
        assert self.made is not None  # as above
        snapshot_id, manifest = self.made
        if manifest.identity is not None and manifest.number is not None:
            self.repository.write_head(manifest.identity.id, snapshot_id, manifest.number)

    def _remember(self) -> None:
        assert self.made is not None  # as above
        snapshot_id, manifest = self.made
        if manifest.identity is None or manifest.number is None:
            return
        witness = Witness(
            repository=self.repository.identity,
            url=self.repository.display,
            identity=manifest.identity,
            described=described(self._settings),
            snapshot=snapshot_id,
            number=manifest.number,
            at=datetime.now(UTC),
        )
        remember(self._settings.workdir, witness)

    def _finish(self, run: str) -> None:
        swept = self.repository.finish(run)
        if swept.skipped:
            self.notes.append(f"What an earlier run left in the repository was not cleared away: {swept.skipped}.")

    def _try(self, what: str, call: Callable[[], None]) -> None:
        try:
            call()
        except Exception as error:
            self._note(what, error)

    def _note(self, what: str, error: Exception) -> None:
        self.notes.append(f"The snapshot is made; {what}: {_said(error)}")


def _said(error: Exception) -> str:
    if isinstance(error, EdmsBackupError):
        return " ".join(part for part in (error.what, error.where, error.why) if part)
    return " ".join(f"{type(error).__name__}: {error}".split())[:500]
