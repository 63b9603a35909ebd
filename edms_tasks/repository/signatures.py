"""Signatures of snapshots: `signatures/<snapshot>.json`, written before the manifest, so that no snapshot is there without.

A signature also says what a machine without the recovery key must know of a snapshot: whose it is, and which one it follows.
What is signed is the JSON of all keys but `signature`, sorted, without white space.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import ClassVar

from pydantic import Field, ValidationError

from edms_tasks.encryption.write_key import WriteKey
from edms_tasks.manifest import Manifest
from edms_tasks.repository.backend import Backend
from edms_tasks.repository.chain import Link
from edms_tasks.repository.signed_value import SignedValue

_FOLDER = "signatures"
_LARGEST = 1024 * 1024


class SnapshotSignature(SignedValue):
    """Who made a snapshot, and its position."""

    purpose: ClassVar[str] = "signature"

    kind: str = "snapshot"
    repository: str
    snapshot: str = Field(pattern=r"^[0-9a-f]{64}$")
    edms: str | None
    created: datetime
    number: int | None
    previous: str | None
    aside: tuple[str, ...] = ()
    machine: str
    signer: str
    signed: datetime

    @property
    def link(self) -> Link:
        """The snapshot's position among others."""
        return Link(self.snapshot, self.created, self.previous, self.number, self.aside)


def write_signature(backend: Backend, key: WriteKey, snapshot_id: str, manifest: Manifest) -> None:
    """Sign a snapshot that is about to be written."""
    said = SnapshotSignature(
        repository=key.repository,
        snapshot=snapshot_id,
        edms=manifest.owner,
        created=manifest.created,
        number=manifest.number,
        previous=manifest.previous,
        aside=manifest.aside,
        machine=key.machine,
        signer=key.signer,
        signed=datetime.now(UTC).replace(microsecond=0),
    )
    backend.write(_file_of(snapshot_id), [said.signed_with(key).model_dump_json(indent=1).encode() + b"\n"])


def signed_snapshots(backend: Backend) -> list[str]:
    """The ids of the snapshots that have a signature, right or not."""
    names = [PurePosixPath(name) for name, _ in backend.names(_FOLDER)]
    return [name.stem for name in names if name.suffix == ".json"]


def remove_signature(backend: Backend, snapshot_id: str) -> None:
    """Remove the signature of a snapshot that was removed."""
    backend.remove(_file_of(snapshot_id))


class Signers:
    """The machines whose signatures count, and whether every snapshot must have one.

    Args:
        repository: the repository's id; a signature for another one does not count.
        known: public signing key -> the machine's name.
        required: whether a snapshot without a signature counts as forged.
        complete: whether `known` are all. A machine without the recovery key knows itself only, and leaves the others to those who have it.
    """

    def __init__(self, repository: str, known: Mapping[str, str], *, required: bool, complete: bool = True) -> None:
        self._repository, self.known, self.required, self.complete = repository, known, required, complete

    def signature_of(self, backend: Backend, snapshot_id: str) -> SnapshotSignature | None:
        """The signature of a snapshot, by a machine that counts or may; None if it has none."""
        try:
            data = backend.read(_file_of(snapshot_id), _LARGEST)
        except FileNotFoundError:
            return None
        return self._checked(data, snapshot_id)

    def accepts(self, said: SignedValue) -> bool:
        """Whether a value is signed by a machine that counts, or need not be signed."""
        if not said.signature:
            return not self.required
        if not self.required and not self.known:
            return True  # nothing here says whose signatures count
        return (not self.complete or said.signer in self.known) and said.is_rightly_signed

    def why_not(self, backend: Backend, snapshot_id: str) -> str:
        """Why a snapshot is not to be trusted; "" if it is."""
        if not self.required and not self.known:
            return ""  # nothing here says whose signatures count
        try:
            data = backend.read(_file_of(snapshot_id), _LARGEST)
        except FileNotFoundError:
            return "It is not signed." if self.required else ""
        if self._checked(data, snapshot_id) is not None:
            return ""
        found = _parsed(data)
        if found is not None and self.complete and found.signer not in self.known:
            return f"It is signed with the key {found.signer}, which is none of those this repository knows."
        return "Its signature is not right: it was altered, or belongs to another snapshot."

    def _checked(self, data: bytes, snapshot_id: str) -> SnapshotSignature | None:
        found = _parsed(data)
        if found is None or (found.kind, found.repository, found.snapshot) != (
            "snapshot",
            self._repository,
            snapshot_id,
        ):
            return None
        if self.complete and found.signer not in self.known:
            return None
        return found if found.is_rightly_signed else None


def _parsed(data: bytes) -> SnapshotSignature | None:
    try:
        return SnapshotSignature.model_validate_json(data)
    except ValidationError:
        return None


def _file_of(snapshot_id: str) -> str:
    return f"{_FOLDER}/{snapshot_id}.json"
