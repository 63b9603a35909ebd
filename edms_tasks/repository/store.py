"""The repository over a backend: objects, manifests, locks, and the sweep after a killed run.

Everything read is treated as hostile: names are checked before they become paths, sizes before bytes are read, and
bytes against the SHA-256 that names them before anybody sees them. Nothing here knows what an object means.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from edms_tasks.errors import (
    DamagedRepository,
    NoSpace,
    RepositoryLocked,
    SettingsError,
    TerminalError,
    UnknownSnapshot,
)
from edms_tasks.manifest import Manifest, ObjectRef
from edms_tasks.repository.backend import BLOCK, Backend, open_backend
from edms_tasks.repository.chain import Mark
from edms_tasks.repository.config import CONFIG, no_config, read_identity, upgrade_config, write_config
from edms_tasks.repository.overlay import OverlayBackend
from edms_tasks.repository.repository_lock import hold
from edms_tasks.repository.survey import LARGEST_MANIFEST, Survey, snapshot_name, survey, write_head
from edms_tasks.settings import RepositorySettings

_OWN_NAMES = frozenset({CONFIG, "objects", "snapshots", "heads", "locks", "pending", "tmp"})
_HEX64 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Swept:
    """The result of a sweep: removed objects that no snapshot names, and partially written files."""

    objects: int = 0
    bytes: int = 0
    temporary: int = 0
    skipped: str = ""  # why no object was removed; "" if nothing prevented it


class Repository:
    """The snapshots and objects at one URL.

    Example:
        >>> repository = Repository.create(RepositorySettings(url="/srv/backups"))
        >>> with repository.lock("backup"):
        ...     run = repository.begin()
        ...     ref = repository.put_file(Path("chunk.parquet"))
        ...     snapshot_id = repository.write_snapshot(manifest.to_json())
        ...     repository.finish(run)
    """

    def __init__(self, backend: Backend, identity: str) -> None:
        self._backend = backend
        self.identity = identity
        self._still_locked: Callable[[], bool] | None = None

    # -- making and opening -------------------------------------------------------------------------------------

    @classmethod
    def create(cls, settings: RepositorySettings) -> Repository:
        """Create the repository, or open an existing one."""
        backend = open_backend(settings)
        if backend.size(CONFIG) is None:
            strangers = sorted(backend.top_level() - _OWN_NAMES)
            if strangers:
                raise SettingsError(
                    "The repository's folder contains something else.",
                    where=backend.display,
                    why=f"It has no config.json, but {strangers[0]!r}.",
                    fix="Name a new or empty folder in [repository] url.",
                )
            if any(True for folder in ("snapshots", "heads") for _ in backend.names(folder)):
                raise no_config(backend)
            write_config(backend)
        return cls(backend, read_identity(backend, settings))

    @classmethod
    def open(cls, settings: RepositorySettings) -> Repository:
        """Open the repository.

        Raises:
            SettingsError: there is no repository at that URL.
            RepositoryUnreachable: the backend does not answer.
        """
        backend = open_backend(settings)
        if backend.size(CONFIG) is None:
            if any(True for folder in ("snapshots", "heads") for _ in backend.names(folder)):
                raise no_config(backend)
            raise SettingsError(
                "There is no repository here.",
                where=backend.display,
                why="config.json is missing.",
                fix="Create one with `edms-backup init`, or fix [repository] url, or mount its disk.",
            )
        return cls(backend, read_identity(backend, settings))

    @classmethod
    def is_at(cls, settings: RepositorySettings) -> bool:
        """Whether there is a repository at that URL."""
        return open_backend(settings).size(CONFIG) is not None

    def with_overlay(self, folder: Path) -> Repository:
        """The same repository with all writes going to `folder` on this machine."""
        return Repository(
            OverlayBackend(self._backend, open_backend(RepositorySettings(url=str(folder)))), self.identity
        )

    @property
    def display(self) -> str:
        """The repository's URL without secrets."""
        return self._backend.display

    @property
    def local_folder(self) -> Path | None:
        """The repository's folder if it is on a local file system; otherwise None."""
        return self._backend.local_folder

    # -- objects ------------------------------------------------------------------------------------------------

    def put_file(self, path: Path) -> ObjectRef:
        """Store a file's bytes; what is there already is not written again.

        On a local file system an object that is already there is read and compared, and rewritten where it is damaged.
        Elsewhere its size is trusted: `verify` reads every object, and `replace` fixes what it finds.
        """
        ref = _ref_of(_blocks_of(path))
        if not self._is_stored(ref):
            self.replace(ref, path)
        return ref

    def put_bytes(self, *data: bytes) -> ObjectRef:
        """Store the bytes of these pieces as one object; see `put_file`."""
        ref = _ref_of(data)
        if not self._is_stored(ref):
            self._backend.write(_object_name(ref), data)
        return ref

    def replace(self, ref: ObjectRef, path: Path) -> None:
        """Write an object again from a file with its bytes, and replace the present file of that name."""
        self._backend.write(_object_name(ref), _verified(_blocks_of(path), ref, lambda why: _source_changed(path, why)))

    def read(self, ref: ObjectRef) -> bytes:
        """The object's bytes, verified."""
        return b"".join(self._verified_blocks(ref))

    def fetch(self, ref: ObjectRef, path: Path) -> None:
        """Write the object's bytes to `path`, which appears only when they are all there and verified."""
        partial = path.with_name(path.name + ".part")
        try:
            with partial.open("wb") as file:
                for block in self._verified_blocks(ref):
                    file.write(block)
            partial.replace(path)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise _cannot_write(path, error) from error
        except BaseException:
            partial.unlink(missing_ok=True)
            raise

    def has(self, ref: ObjectRef) -> bool:
        """Whether an object of that name and size exists; its bytes are not read."""
        return self._backend.size(_object_name(ref)) == ref.size

    def check(self, ref: ObjectRef) -> None:
        """Read the object and compare it with its name; raises DamagedRepository."""
        for _ in self._verified_blocks(ref):
            pass

    def _is_stored(self, ref: ObjectRef) -> bool:
        if not self.has(ref):
            return False
        if self.local_folder is None:
            return True
        try:
            self.check(ref)
        except DamagedRepository:
            return False  # the caller has the right bytes and writes them again
        return True

    def _verified_blocks(self, ref: ObjectRef) -> Iterator[bytes]:
        name = _object_name(ref)

        def damaged(why: str) -> DamagedRepository:
            return DamagedRepository(
                "An object of the repository is damaged.",
                where=f"{self.display}: {name}",
                why=why,
                fix="Run `edms-backup verify` to see which snapshots use it, and restore another one.",
            )

        size = self._backend.size(name)
        if size is None:
            raise damaged("It is missing.")
        if size != ref.size:
            raise damaged(f"It has {size} bytes, the snapshot says {ref.size}.")
        try:
            yield from _verified(self._backend.blocks(name), ref, damaged)
        except FileNotFoundError as error:
            raise damaged("It is missing.") from error

    # -- snapshots ----------------------------------------------------------------------------------------------

    def write_snapshot(self, manifest: bytes) -> str:
        """Write the manifest, atomically and last; returns the snapshot's id."""
        if self._still_locked is not None and not self._still_locked():
            raise RepositoryLocked(
                "This run lost the lock of the repository.",
                where=self.display,
                why="The lock could not be renewed in time, and another run may have taken it.",
                fix="Run the backup again; what it stored is reused.",
            )
        snapshot_id = hashlib.sha256(manifest).hexdigest()
        self._backend.write(snapshot_name(snapshot_id), [manifest])
        return snapshot_id

    def read_snapshot(self, snapshot_id: str) -> bytes:
        """The manifest's bytes, verified against the snapshot's id."""
        if not _HEX64.fullmatch(snapshot_id):
            raise UnknownSnapshot(
                "This is not the id of a snapshot.", where=snapshot_id[:80], fix="See `edms-backup list`."
            )
        name = snapshot_name(snapshot_id)
        try:
            data = self._backend.read(name, LARGEST_MANIFEST)
        except FileNotFoundError as error:
            raise UnknownSnapshot(
                "No such snapshot.", where=f"{self.display}: {snapshot_id}", fix="See `edms-backup list`."
            ) from error
        if hashlib.sha256(data).hexdigest() != snapshot_id:
            raise DamagedRepository(
                "The manifest of a snapshot is damaged.",
                where=f"{self.display}: {name}",
                why="Its content does not match the SHA-256 in its name.",
                fix="Restore another snapshot (`edms-backup list`); keep this file for analysis.",
            )
        return data

    def read_manifest(self, snapshot_id: str) -> Manifest:
        """The manifest of a snapshot.

        Raises:
            DamagedRepository: it is missing, altered, or of an unknown format.
        """
        return Manifest.from_json(self.read_snapshot(snapshot_id), where=f"{self.display}: {snapshot_id}")

    def survey(self) -> Survey:
        """Read all manifests and head records."""
        return survey(self._backend)

    def snapshots(self) -> tuple[str, ...]:
        """Ids of all readable snapshots, of whatever EDMS, each after the one that it names as the one before it."""
        return self.survey().order

    def damaged_snapshots(self) -> tuple[str, ...]:
        """Ids of the snapshots whose manifest cannot be read or does not match its name."""
        return self.survey().damaged

    def write_head(self, edms: str, snapshot_id: str, number: int) -> None:
        """Record the newest snapshot of an EDMS; only under the lock, after the manifest is written."""
        write_head(self._backend, edms, Mark(snapshot_id, number))

    # -- one writer at a time, and no leftovers -----------------------------------------------------------------

    @contextmanager
    def lock(self, purpose: str) -> Iterator[None]:
        """Hold the repository for writing; raises RepositoryLocked while another run does."""
        with hold(self._backend, purpose) as still_held:
            self._still_locked = still_held
            try:
                yield
            finally:
                self._still_locked = None

    def begin(self) -> str:
        """Record that a run begins to write; if it is killed, the next `finish` removes its leftovers."""
        upgrade_config(self._backend)
        run = secrets.token_hex(8)
        record = {"run": run, "pid": os.getpid(), "since": datetime.now(UTC).isoformat(timespec="seconds")}
        self._backend.write(f"pending/{run}.json", [json.dumps(record).encode()])
        return run

    def finish(self, run: str) -> Swept:
        """Record that the run wrote its snapshot, and remove leftovers of earlier, unfinished runs."""
        self._backend.remove(f"pending/{run}.json")
        unfinished = any(True for _ in self._backend.names("pending"))
        halves = any(True for _ in self._backend.names("tmp"))
        return self.sweep() if unfinished or halves else Swept()

    def sweep(self) -> Swept:
        """Remove every object that no snapshot names, and every partially written file. Only under the lock."""
        if self._still_locked is None or not self._still_locked():
            raise TerminalError(
                "The repository can be swept only while it is locked.",
                where=self.display,
                fix="Call it inside `lock`.",
            )
        temporary = [name for name, _ in self._backend.names("tmp")]
        for name in temporary:
            self._backend.remove(name)
        found = self.survey()
        if doubt := _doubt(found):
            return Swept(temporary=len(temporary), skipped=doubt)
        needed = {_object_name(ref) for manifest in found.intact.values() for ref in manifest.objects().values()}
        objects = total = 0
        for name, size in list(self._backend.names("objects")):
            if name not in needed:
                self._backend.remove(name)
                objects, total = objects + 1, total + size
        for name in [name for name, _ in self._backend.names("pending")]:
            self._backend.remove(name)
        return Swept(objects=objects, bytes=total, temporary=len(temporary))


def _doubt(found: Survey) -> str:
    """Why no object may be removed, or "": nobody knows the objects of a damaged or missing manifest, and it may be put back."""
    if found.damaged:
        return f"the manifest {found.damaged[0]} is damaged"
    if found.strays:
        return f"{found.strays[0].name} is no snapshot"
    return f"the snapshot {found.missing[0]} is missing" if found.missing else ""


def _object_name(ref: ObjectRef) -> str:
    # `ObjectRef` validates this as well; a name is checked once more where it becomes a path.
    if not _HEX64.fullmatch(ref.sha256):
        raise DamagedRepository("This is not the name of an object.", where=ref.sha256[:80], why="Not 64 hex digits.")
    return f"objects/{ref.sha256[:2]}/{ref.sha256}"


def _blocks_of(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            yield block


def _ref_of(blocks: Iterable[bytes]) -> ObjectRef:
    digest, size = hashlib.sha256(), 0
    for block in blocks:
        digest.update(block)
        size += len(block)
    return ObjectRef(sha256=digest.hexdigest(), size=size)


def _verified(blocks: Iterator[bytes], ref: ObjectRef, damaged: Callable[[str], Exception]) -> Iterator[bytes]:
    """Yield the blocks; raise what `damaged` makes if they are too long, too short, or do not match the SHA-256."""
    digest, size = hashlib.sha256(), 0
    for block in blocks:
        size += len(block)
        if size > ref.size:
            raise damaged(f"It has more than the {ref.size} bytes the snapshot says.")
        digest.update(block)
        yield block
    if size != ref.size:
        raise damaged(f"It ends after {size} of {ref.size} bytes.")
    if digest.hexdigest() != ref.sha256:
        raise damaged("Its content does not match the SHA-256 in its name.")


def _source_changed(path: Path, why: str) -> TerminalError:
    return TerminalError("A file changed while it was being stored.", where=str(path), why=why, fix="Run it again.")


def _cannot_write(path: Path, error: OSError) -> TerminalError:
    kind = NoSpace if error.errno in (errno.ENOSPC, errno.EDQUOT) else TerminalError
    return kind(
        "A file of the snapshot cannot be written.",
        where=str(path),
        why=error.strerror or str(error),
        fix="Free some space on that disk." if kind is NoSpace else "Check that the folder exists and can be written.",
    )
