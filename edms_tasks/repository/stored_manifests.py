"""Manifests in the repository: `snapshots/<SHA-256 of the manifest>.json`, encrypted where the repository is.

Copies of manifests are kept on this machine where the repository is elsewhere, or cannot be read from here: a backup needs the
previous manifest, and a machine without the recovery key has it from nowhere else. Only what was signed as it must be is copied,
and a copy is compared with the snapshot's id.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edms_tasks.encryption.codec import NotDecodable, PlainCodec, sealed
from edms_tasks.errors import DamagedRepository, RepositoryForbidden, RepositorySealed, UnknownSnapshot
from edms_tasks.manifest import Manifest
from edms_tasks.repository.backend import Backend
from edms_tasks.repository.opened_keys import OpenedKeys
from edms_tasks.repository.private_copies import PrivateCopies
from edms_tasks.repository.signatures import SnapshotSignature, write_signature

LARGEST_MANIFEST = 256 * 1024 * 1024
_HEX64 = re.compile(r"[0-9a-f]{64}")


def snapshot_name(snapshot_id: str) -> str:
    """The name of a snapshot's manifest in the repository."""
    return f"snapshots/{snapshot_id}.json"


@dataclass(frozen=True)
class FoundManifest:
    """A file under `snapshots/`.

    Args:
        name: its name in the repository.
        data: the manifest; None if it cannot be decoded, or there is no key here to read it.
        untrusted: why it is not to be trusted; "" if its signature is right, or none is needed.
        sealed: its signature, if there is no key here to read it, and no copy of it.
    """

    name: str
    data: bytes | None
    untrusted: str = ""
    sealed: SnapshotSignature | None = None

    @property
    def snapshot_id(self) -> str:
        """The id of the snapshot, by the file's name."""
        return self.name.removeprefix("snapshots/").removesuffix(".json")

    @property
    def digest(self) -> str | None:
        """The id of the snapshot, by the bytes; None if there are none."""
        return hashlib.sha256(self.data).hexdigest() if self.data is not None else None


class StoredManifests:
    """The manifests on a backend.

    Args:
        backend: the repository's.
        keys: how they are stored, and whose signatures count.
        copies: the folder of copies on this machine; None to keep none.
    """

    def __init__(self, backend: Backend, keys: OpenedKeys, copies: Path | None) -> None:
        self._backend, self._codec, self._keys = backend, keys.codec, keys
        # Where there is a recovery key today there may be none tomorrow, so an encrypted repository's are always copied.
        useful = backend.local_folder is None or not isinstance(keys.codec, PlainCodec)
        self._copies = PrivateCopies(copies if useful else None)

    def write(self, manifest: bytes) -> str:
        """Sign and write a manifest, atomically; returns the snapshot's id."""
        snapshot_id = hashlib.sha256(manifest).hexdigest()
        if self._keys.write_key is not None:
            write_signature(self._backend, self._keys.write_key, snapshot_id, Manifest.from_json(manifest, where=""))
        stored = b"".join(self._codec.encode([manifest]))
        self._keep_copy(snapshot_id, manifest, stored)
        self._backend.write(snapshot_name(snapshot_id), [stored])
        return snapshot_id

    def write_again(self, snapshot_id: str) -> None:
        """Write a manifest again from what is stored, as for another key."""
        manifest = self.read(snapshot_id)
        self._backend.write(snapshot_name(snapshot_id), self._codec.encode([manifest]))

    def read(self, snapshot_id: str) -> bytes:
        """A manifest's bytes, which match the snapshot's id.

        Raises:
            UnknownSnapshot: there is none of this id.
            DamagedRepository: its bytes are others, or it is not signed by a machine whose snapshots count.
            RepositorySealed: there is no key here to read it, and no copy.
        """
        if not _HEX64.fullmatch(snapshot_id):
            raise UnknownSnapshot(
                "This is not the id of a snapshot.", where=snapshot_id[:80], fix="See `edms-backup list`."
            )
        where = f"{self._backend.display}: {snapshot_name(snapshot_id)}"
        try:
            data = self._decoded(snapshot_name(snapshot_id))
        except FileNotFoundError as error:
            raise UnknownSnapshot(
                "No such snapshot.", where=f"{self._backend.display}: {snapshot_id}", fix="See `edms-backup list`."
            ) from error
        except RepositorySealed:
            if (copy := self._copy_of(snapshot_id)) is None:
                raise
            data = copy if self._is_as_written(snapshot_id) else None
        if data is None or hashlib.sha256(data).hexdigest() != snapshot_id:
            raise DamagedRepository(
                "The manifest of a snapshot is damaged.",
                where=where,
                why="It cannot be decrypted: it was altered, or is incomplete."
                if data is None
                else "Its content does not match the SHA-256 in its name.",
                fix="Restore another snapshot (`edms-backup list`); keep this file for analysis.",
            )
        if why := self._keys.signers.why_not(self._backend, snapshot_id):
            raise DamagedRepository(
                "The snapshot is not to be trusted.",
                where=where,
                why=why,
                fix="Restore another snapshot (`edms-backup list`), and find out who wrote this one.",
            )
        return data

    def every(self, *, fresh: bool) -> Iterator[FoundManifest]:
        """Each file under `snapshots/`.

        `fresh`: read from the repository. Otherwise a copy stands for a manifest in a remote repository that has its size.
        """
        for name, size in self._backend.names("snapshots"):
            snapshot_id = FoundManifest(name, None).snapshot_id
            copy = None if fresh or self._backend.local_folder is not None else self._copy_of(snapshot_id)
            fits = copy is not None and self._codec.may_hold(size, len(copy))
            try:
                yield FoundManifest(name, copy) if fits else self._found(name, snapshot_id)
            except FileNotFoundError:
                continue  # removed after it was listed; if anything names it, it is missing

    def _found(self, name: str, snapshot_id: str) -> FoundManifest:
        try:
            data = self._decoded(name)
        except RepositorySealed:
            if (copy := self._copy_of(snapshot_id)) is not None:
                return FoundManifest(name, copy if self._is_as_written(snapshot_id) else None)
            signature = self._keys.signers.signature_of(self._backend, snapshot_id)
            why = "" if signature else self._keys.signers.why_not(self._backend, snapshot_id)
            return FoundManifest(name, None, why, signature)
        found = FoundManifest(name, data)
        if found.digest != snapshot_id:
            return found
        why = self._keys.signers.why_not(self._backend, snapshot_id)
        if data is not None and not why:
            self._keep_copy(snapshot_id, data)
        return FoundManifest(name, data, why)

    def _is_as_written(self, snapshot_id: str) -> bool:
        """Whether the stored bytes are those that this machine wrote, where it cannot decrypt them; true if it did not note them."""
        assert self._copies.folder is not None  # there is a copy
        try:
            recipient, noted = (self._copies.folder / f"{snapshot_id}.stored").read_text(encoding="utf-8").split()
            stored = self._backend.read(snapshot_name(snapshot_id), LARGEST_MANIFEST)
        except (OSError, ValueError, RepositoryForbidden):
            return True
        # After a rotation of keys it may have been encrypted anew.
        return recipient != self._keys.recipient or hashlib.sha256(stored).hexdigest() == noted

    def _decoded(self, name: str) -> bytes | None:
        """The bytes of a file; None if they are not what the codec writes."""
        try:
            stored = self._backend.read(name, LARGEST_MANIFEST)
        except RepositoryForbidden as error:
            if self._codec.reads:
                raise
            raise sealed(self._backend.display) from error  # it could not be decrypted either
        pieces: list[bytes] = []
        try:
            self._codec.decode(iter([stored]), pieces.append)
        except NotDecodable:
            return None
        return b"".join(pieces)

    def _copy_of(self, snapshot_id: str) -> bytes | None:
        """The copy on this machine; None if there is none with the right content."""
        return self._copies.read(f"{snapshot_id}.json", snapshot_id) if _HEX64.fullmatch(snapshot_id) else None

    def _keep_copy(self, snapshot_id: str, manifest: bytes, stored: bytes | None = None) -> None:
        if self._copy_of(snapshot_id) is not None:
            return
        self._copies.keep(f"{snapshot_id}.json", manifest)
        if stored is not None and self._keys.recipient is not None:
            noted = f"{self._keys.recipient} {hashlib.sha256(stored).hexdigest()}\n"
            self._copies.keep(f"{snapshot_id}.stored", noted.encode())
