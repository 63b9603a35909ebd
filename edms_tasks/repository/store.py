"""The repository over a backend: objects, manifests, locks, and the sweep after a killed run.

Everything read is treated as hostile: names are checked before they become paths, sizes before bytes are read, and
bytes against the SHA-256 that names them before anybody sees them. Nothing here knows what an object means.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath

from edms_tasks.encryption.codec import PlainCodec
from edms_tasks.errors import DamagedRepository, SettingsError, TerminalError
from edms_tasks.manifest import Manifest, ObjectRef
from edms_tasks.repository.audit_log import AuditLog
from edms_tasks.repository.backend import Backend, open_backend
from edms_tasks.repository.chain import Mark
from edms_tasks.repository.config import (
    CONFIG,
    FORMAT,
    RepositoryConfig,
    no_config,
    read_config,
    require_empty,
    upgrade_config,
    write_config,
)
from edms_tasks.repository.keyring import Keyring
from edms_tasks.repository.opened_keys import OpenedKeys, open_keys
from edms_tasks.repository.overlay import OverlayBackend
from edms_tasks.repository.reader_leases import being_read
from edms_tasks.repository.records import StoredRecords
from edms_tasks.repository.repository_lock import hold, lock_lost
from edms_tasks.repository.signatures import remove_signature, signed_snapshots, write_signature
from edms_tasks.repository.stored_manifests import StoredManifests, snapshot_name
from edms_tasks.repository.stored_objects import StoredObjects
from edms_tasks.repository.stored_reports import StoredReports
from edms_tasks.repository.survey import Survey, read_head, survey, write_head
from edms_tasks.repository.sweep import GRACE, Swept, sweep_objects
from edms_tasks.settings import RepositorySettings


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

    def __init__(self, backend: Backend, identity: str, keys: OpenedKeys, copies: Path | None = None) -> None:
        self._backend = backend
        self.objects = StoredObjects(backend, keys.codec, copies / "objects" if copies is not None else None)
        self._manifests = StoredManifests(backend, keys, copies)
        self._copies = copies
        self.records = StoredRecords(backend, identity, keys, copies / "records" if copies is not None else None)
        self.identity = identity
        self.keys = keys
        self._is_of_this_format = False  # not known
        self._still_locked: Callable[[], bool] | None = None

    # -- making and opening -------------------------------------------------------------------------------------

    @classmethod
    def create(cls, settings: RepositorySettings, config: RepositoryConfig | None = None) -> Repository:
        """Create the repository, or open an existing one. A new one is not encrypted, unless `config` says so."""
        backend = open_backend(settings)
        if backend.size(CONFIG) is None:
            require_empty(backend)
            backend.require_immutable()
            if config is None and (settings.write_key is not None or settings.identity is not None):
                raise SettingsError(
                    "There is no repository here, and the settings name keys for one.",
                    where=backend.display,
                    why="A new repository needs new keys.",
                    fix="Mount its disk or fix [repository] url. For a new encrypted repository: `edms-backup init --force`.",
                )
            write_config(backend, config or RepositoryConfig(id=secrets.token_hex(16)))
        return cls._opened(backend, read_config(backend, settings), settings)

    @classmethod
    def open(cls, settings: RepositorySettings) -> Repository:
        """Open the repository, with the keys that the settings name.

        Raises:
            SettingsError: there is no repository at that URL, or a key cannot be read.
            AnotherRepository: it is not the one that settings or keys are for.
            RepositorySealed: it is encrypted, and there is no key for it, or another one.
            RepositoryUnreachable: the backend does not answer.
        """
        backend = open_backend(settings)
        try:
            config = read_config(backend, settings)
        except FileNotFoundError as error:
            if any(True for folder in ("snapshots", "heads") for _ in backend.names(folder)):
                raise no_config(backend) from error
            raise SettingsError(
                "There is no repository here.",
                where=backend.display,
                why="config.json is missing.",
                fix="Create one with `edms-backup init`, or fix [repository] url, or mount its disk.",
            ) from error
        return cls._opened(backend, config, settings)

    @classmethod
    def _opened(cls, backend: Backend, config: RepositoryConfig, settings: RepositorySettings) -> Repository:
        copies = settings.copies / config.id if settings.copies is not None else None
        repository = cls(backend, config.id, open_keys(backend, config, settings), copies)
        repository._is_of_this_format = config.format == FORMAT
        return repository

    @classmethod
    def is_at(cls, settings: RepositorySettings) -> bool:
        """Whether there is a repository at that URL."""
        return open_backend(settings).size(CONFIG) is not None

    def with_overlay(self, folder: Path) -> Repository:
        """The same repository with all writes going to `folder` on this machine."""
        own = open_backend(RepositorySettings(url=str(folder)))
        return Repository(OverlayBackend(self._backend, own), self.identity, self.keys, self._copies)

    @property
    def is_encrypted(self) -> bool:
        """Whether objects and manifests are encrypted."""
        return not isinstance(self.keys.codec, PlainCodec)

    @property
    def is_readable(self) -> bool:
        """Whether what other runs wrote can be read here; not so on a machine that has only the write key."""
        return self.keys.codec.reads

    @property
    def log(self) -> AuditLog:
        """What was done with it."""
        return AuditLog(self._backend, self.identity, self.keys, self._copies)

    @property
    def reports(self) -> StoredReports:
        """The reports of runs, which entries of the log name."""
        return StoredReports(self._backend, self.keys.codec)

    @property
    def keyring(self) -> Keyring:
        """Who can open it, and what it is encrypted to."""
        return Keyring(self._backend, self.keys)

    def reencrypt(self) -> int:
        """Encrypt every object and manifest of every snapshot, and every erasure, to the present key; returns the number of objects.

        Raises:
            DamagedRepository: one of them is damaged, or a snapshot is missing; nothing is lost, and it can be run again.
        """
        found = self.survey(fresh=True)
        if doubt := found.doubt():
            raise DamagedRepository("The repository is not complete.", where=self.display, why=f"{doubt}.")
        objects = {ref.sha256: ref for manifest in found.intact.values() for ref in manifest.objects().values()}
        for ref in objects.values():
            self.objects.write_again(ref)
        for snapshot_id in found.intact:
            self._manifests.write_again(snapshot_id)
        self.records.encrypt_again(self.keys.codec)
        self.reports.write_again(self.log.backwards())
        return len(objects)

    def sign_again(self, signers: Collection[str]) -> None:
        """Sign the snapshots that these machines (public keys) signed with this machine's key, before they count no more."""
        key = self.keys.write_key
        assert key is not None
        for snapshot_id, manifest in self.survey(fresh=True).intact.items():
            found = self.keys.signers.signature_of(self._backend, snapshot_id)
            if found is not None and found.signer in signers:
                write_signature(self._backend, key, snapshot_id, manifest)

    def require_readable(self) -> None:
        """Raise RepositorySealed if this machine cannot read what others wrote."""
        self.keys.require_readable(self.display)

    def require_write_key(self) -> None:
        """Raise RepositorySealed if snapshots must be signed here and it has no key for it, or one of before a rotation."""
        self.keys.require_write_key(self.display, self.keys.recipient)

    @property
    def display(self) -> str:
        """The repository's URL without secrets."""
        return self._backend.display

    @property
    def place(self) -> str:
        """The repository's id and where it is, which tells it from its copies."""
        return f"{self.identity} {self.display}"

    @property
    def backend(self) -> Backend:
        """The place of the repository, for what stands beside objects and manifests: leases, marks, proofs."""
        return self._backend

    @property
    def local_folder(self) -> Path | None:
        """The repository's folder if it is on a local file system; otherwise None."""
        return self._backend.local_folder

    # -- objects ------------------------------------------------------------------------------------------------

    def put_file(self, path: Path, *, keep_copy: bool = False) -> ObjectRef:
        """Store a file's bytes; see `StoredObjects.put_file`."""
        return self.objects.put_file(path, keep_copy=keep_copy)

    def trust(self, objects: Collection[str]) -> None:
        """Take these objects (SHA-256s) as they are if they cannot be read here; for those of the previous snapshot."""
        self.objects.trust(objects)

    def read_for_evidence(self) -> None:
        """From here on read from the repository alone what can be read there: no copy on this machine proves anything."""
        self.objects.read_for_evidence()

    def distrust(self, names: Collection[str]) -> None:
        """Take objects (by their names in the repository) as missing, until they are written again: they were found damaged."""
        self.objects.distrust(names)

    @property
    def written(self) -> frozenset[str]:
        """The SHA-256s of the objects that were written since it was opened."""
        return frozenset(self.objects.written)

    def put_bytes(self, *data: bytes) -> ObjectRef:
        """Store the bytes of these pieces as one object."""
        return self.objects.put_bytes(*data)

    def replace(self, ref: ObjectRef, path: Path) -> None:
        """Write an object again from a file with its bytes, and replace the present file of that name."""
        self.objects.replace(ref, path)

    def read(self, ref: ObjectRef) -> bytes:
        """The object's bytes, verified; raises DamagedRepository."""
        return self.objects.read(ref)

    def fetch(self, ref: ObjectRef, path: Path) -> None:
        """Write the object's bytes to `path`, which appears only when they are all there and verified."""
        self.objects.fetch(ref, path)

    def has(self, ref: ObjectRef) -> bool:
        """Whether an object of that content exists, by name and size; its bytes are not read."""
        return self.objects.has(ref)

    def check(self, ref: ObjectRef) -> None:
        """Read the object and compare it with its SHA-256; raises DamagedRepository."""
        self.objects.check(ref)

    def may_be(self, ref: ObjectRef, stored: int) -> bool:
        """Whether a file of `stored` bytes in the repository can be the object."""
        return self.objects.may_be(ref, stored)

    def is_right(self, ref: ObjectRef) -> bool:
        """Whether the object is there and its bytes are the right ones; raises RepositorySealed if they cannot be read."""
        try:
            self.check(ref)
        except DamagedRepository:
            return False
        return True

    def stored_name(self, ref: ObjectRef) -> str:
        """The name of the file in the repository that holds the object."""
        return self.objects.stored_name(ref)

    # -- snapshots ----------------------------------------------------------------------------------------------

    def write_snapshot(self, manifest: bytes) -> str:
        """Write the manifest, atomically and last; returns the snapshot's id."""
        if self._still_locked is not None and not self._still_locked():
            raise lock_lost(self.display)
        if self._backend.retains:
            named = Manifest.from_json(manifest, where=self.display).objects().values()
            self._backend.retain({self.stored_name(ref) for ref in named})
        return self._manifests.write(manifest)

    def read_snapshot(self, snapshot_id: str) -> bytes:
        """The manifest's bytes, verified against the snapshot's id and its signature.

        Raises:
            UnknownSnapshot: there is none of this id.
            DamagedRepository: it was altered, or is not signed by a machine whose snapshots count.
            RepositorySealed: there is no key here to read it.
        """
        return self._manifests.read(snapshot_id)

    def read_manifest(self, snapshot_id: str) -> Manifest:
        """The manifest of a snapshot.

        Raises:
            DamagedRepository: it is missing, altered, or of an unknown format.
        """
        return Manifest.from_json(self.read_snapshot(snapshot_id), where=f"{self.display}: {snapshot_id}")

    def survey(self, *, fresh: bool = False) -> Survey:
        """Read all manifests and head records. `fresh`: from the repository, even where this machine has copies."""
        return survey(self._backend, self._manifests, self.records.read(), fresh=fresh)

    def only_snapshot(self) -> str:
        """The id of the one snapshot of a package. Raises DamagedRepository if there is none, or more than one."""
        names = [PurePosixPath(name).stem for name, _ in self._backend.names("snapshots")]
        if len(names) != 1:
            raise DamagedRepository(
                "A package has one snapshot.",
                where=self.display,
                why=f"This one has {len(names)}.",
                fix="Export it again.",
            )
        return names[0]

    def snapshots(self) -> tuple[str, ...]:
        """Ids of all readable snapshots, of whatever EDMS, each after the one that it names as the one before it."""
        return self.survey().order

    def damaged_snapshots(self) -> tuple[str, ...]:
        """Ids of the snapshots whose manifest cannot be read or does not match its name."""
        return self.survey().damaged

    def remove_snapshot(self, snapshot_id: str) -> None:
        """Remove a snapshot's manifest, with which the snapshot is gone; its objects go with the next sweep. Only under the lock."""
        self.require_lock()
        self._backend.remove(snapshot_name(snapshot_id))

    def newest(self, edms: str) -> Mark | None:
        """The newest snapshot of an EDMS by its head record; None if there is none that can be read."""
        return read_head(self._backend, edms)

    def write_head(self, edms: str, snapshot_id: str, number: int) -> None:
        """Record the newest snapshot of an EDMS; only under the lock, after the manifest is written."""
        write_head(self._backend, edms, Mark(snapshot_id, number))

    # -- one writer at a time, and no leftovers -----------------------------------------------------------------

    @contextmanager
    def lock(self, purpose: str) -> Iterator[None]:
        """Hold the repository for writing; raises RepositoryLocked while another run does."""
        with hold(self._backend, purpose) as still_held, self._backend.listed_once():
            self._still_locked = still_held
            try:
                yield
            finally:
                self._still_locked = None

    def begin(self) -> str:
        """Record that a run begins to write; if it is killed, the next `finish` removes its leftovers."""
        # Under the lock, and asked anew: a rotation of keys may have come in between.
        self.keys.require_write_key(self.display, self.keyring.recipient)
        self._backend.require_immutable()
        if not self._is_of_this_format:
            upgrade_config(self._backend)
            self._is_of_this_format = True
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

    def require_lock(self) -> None:
        """Raise RepositoryLocked unless this run holds the repository's lock for writing, and still has it."""
        if self._still_locked is None:
            raise TerminalError(
                "The repository can be swept only while it is locked.",
                where=self.display,
                fix="Call it inside `lock`.",
            )
        if not self._still_locked():
            raise lock_lost(self.display)

    def sweep(self, grace: timedelta = GRACE) -> Swept:
        """Remove every object that no snapshot names, and every partially written file; see `sweep.py`. Only under the lock."""
        self.require_lock()
        temporary = [name for name, _ in self._backend.names("tmp") if not self._backend.is_being_written(name)]
        for name in temporary:
            self._backend.remove(name)
        found = self.survey(fresh=True)
        if doubt := found.doubt() or being_read(self._backend, found.intact):
            return Swept(temporary=len(temporary), skipped=doubt)
        needed = {self.stored_name(ref) for manifest in found.intact.values() for ref in manifest.objects().values()}
        swept = sweep_objects(self._backend, needed, self.require_lock, grace=grace)
        for name in [name for name, _ in self._backend.names("pending")]:
            self._backend.remove(name)
        for snapshot_id in set(signed_snapshots(self._backend)) - set(found.intact):
            remove_signature(self._backend, snapshot_id)  # of a run that was killed before it wrote the manifest
        return replace(swept, temporary=len(temporary))
