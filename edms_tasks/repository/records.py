"""Records about snapshots, made after them: holds and tags, their ends, and what prunes removed.

    records/<sha256>.json     one record, named by the SHA-256 of its bytes; never changed, and removed only if another stands in its place

A record names those that were the last when it was made (`after`), so that one that is lost later is missed. What ends a hold or a
tag names the records that it ends, so no clock and no order is needed to know which are in force. A prune is two records: `prune` says
what it is about to remove, before it does; `pruned` says what it did remove.
"""

from __future__ import annotations

import base64
import binascii
import getpass
import hashlib
import os
import re
import socket
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Annotated, ClassVar, Literal

from pydantic import AwareDatetime, Field, SerializerFunctionWrapHandler, ValidationError, model_serializer

from edms_tasks.encryption.codec import Codec, NotDecodable
from edms_tasks.errors import DamagedRepository, RepositorySealed
from edms_tasks.inventory.model import Value
from edms_tasks.json_text import indented_json
from edms_tasks.repository.backend import Backend
from edms_tasks.repository.chain import Link
from edms_tasks.repository.opened_keys import OpenedKeys
from edms_tasks.repository.private_copies import PrivateCopies
from edms_tasks.repository.record_ends import RecordEnds
from edms_tasks.repository.signed_value import SignedValue

_LARGEST = 64 * 1024 * 1024
_HEX64 = re.compile(r"[0-9a-f]{64}")
_Id = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]

Kind = Literal["hold", "release", "tag", "untag", "prune", "pruned", "lost", "vouched", "elsewhere", "erasure"]


class NamedSnapshot(Value):
    """A snapshot that a record is about, with what its manifest said of its position, because a prune removes the manifest."""

    id: _Id
    edms: str = ""  # key of its EDMS; "": not known
    created: AwareDatetime | None = None  # None: its manifest could not be read
    previous: str | None = None
    number: int | None = Field(default=None, ge=1)
    aside: tuple[str, ...] = ()

    @property
    def link(self) -> Link:
        """Its position in the order."""
        created = self.created or datetime.min.replace(tzinfo=UTC)
        return Link(self.id, created, self.previous, self.number, self.aside, is_certain=self.created is not None)


class Record(SignedValue):
    """One record. `lost` says that records were lost for good, and who says so; `vouched` that records of a revoked machine
    stay; `elsewhere` that the predecessors of an imported snapshot were never in this repository; `erasure` that somebody's data was
    erased, and must be again after a restore."""

    purpose: ClassVar[str] = "record"

    kind: Kind
    repository: str
    at: AwareDatetime
    by: str  # the person or the job
    host: str
    reason: str = ""
    snapshots: tuple[NamedSnapshot, ...] = ()
    tag: str = ""
    # release, untag: the records that end · pruned: the prune · lost, vouched: those records · erasure: the first record of it, and
    # others, in whose place this one was encrypted to another key
    of: tuple[_Id, ...] = ()
    after: tuple[_Id, ...] = ()
    machine: str = ""
    body: str = ""  # erasure: what was erased, encrypted like an object, in base64

    @model_serializer(mode="wrap")
    def _without_empty_body(self, serialize: SerializerFunctionWrapHandler) -> dict[str, object]:
        """As records were written, and signed, before they could have a body."""
        said: dict[str, object] = serialize(self)
        if not self.body:
            said.pop("body", None)
        return said

    def to_json(self) -> bytes:
        """The record's bytes."""
        return indented_json(self.model_dump(mode="json"), sort_keys=True)


@dataclass(frozen=True)
class Hold:
    """A hold that is in force."""

    id: str
    snapshot: str
    at: datetime
    by: str
    reason: str


@dataclass(frozen=True)
class Records:
    """All records of a repository."""

    by_id: Mapping[str, Record] = field(default_factory=dict)
    unreadable: tuple[str, ...] = ()  # names of files that are no record, were altered, or are `disowned`
    disowned: Mapping[str, Record] = field(default_factory=dict)  # whole, by name, but signed by nobody who counts

    @cached_property
    def missing(self) -> tuple[str, ...]:
        """Ids of records that others name and that are not there."""
        named = {one for record in self.by_id.values() for one in (*record.after, *record.of)}
        return tuple(sorted(named - self.by_id.keys() - self._given_up))

    @cached_property
    def last(self) -> tuple[str, ...]:
        """The records that no other one follows."""
        followed = {one for record in self.by_id.values() for one in record.after}
        return tuple(sorted(self.by_id.keys() - followed))

    def lost(self, known: Iterable[str] = ()) -> tuple[str, ...]:
        """Ids of records that are missing, by others or by what is `known` elsewhere."""
        return tuple(sorted({*self.missing, *(set(known) - self.by_id.keys() - self._given_up)}))

    def doubts(self, known: Iterable[str] = ()) -> tuple[str, ...]:
        """Why it is not certain what is held, as sentences; none if it is. `known`: records that are known to have been there."""
        return (
            *(self._why_not(name) for name in self.unreadable),
            *(f"The record {record_name(name)} is missing." for name in self.lost(known)),
        )

    def _why_not(self, name: str) -> str:
        if (found := self.disowned.get(name)) is None:
            return f"The record {name} cannot be read."
        return (
            f"The record {name} ({found.kind}, {found.at:%Y-%m-%d}) does not count: a machine signed it that was revoked or is not known, "
            "and no record vouches for it."
        )

    @cached_property
    def holds(self) -> dict[str, tuple[Hold, ...]]:
        """The holds in force, by snapshot, the oldest first."""
        found: dict[str, list[Hold]] = {}
        for name, record in self._in_force("hold"):
            for snapshot in record.snapshots:
                found.setdefault(snapshot.id, []).append(Hold(name, snapshot.id, record.at, record.by, record.reason))
        return {name: tuple(sorted(holds, key=lambda one: (one.at, one.id))) for name, holds in found.items()}

    def tags_of(self, snapshot_id: str, own: str | None) -> tuple[str, ...]:
        """The tags of a snapshot: its own, from its manifest, unless it was taken off, and those that it was given since."""
        given = {
            record.tag
            for _, record in self._in_force("tag")
            if any(snapshot.id == snapshot_id for snapshot in record.snapshots)
        }
        taken_off = any(
            record.kind == "untag" and record.tag == own and not record.of and record.snapshots[0].id == snapshot_id
            for record in self.by_id.values()
            if record.snapshots
        )
        kept = (own,) if own and not taken_off else ()
        return (*kept, *sorted(given - set(kept)))

    def tagged(self, snapshot_id: str, tag: str) -> tuple[str, ...]:
        """The records in force that gave a snapshot this tag."""
        return tuple(
            name
            for name, record in self._in_force("tag")
            if record.tag == tag and any(snapshot.id == snapshot_id for snapshot in record.snapshots)
        )

    @cached_property
    def pruned(self) -> dict[str, tuple[str, NamedSnapshot]]:
        """The snapshots that prunes removed, or were about to: id -> (the record, what the snapshot was)."""
        return {
            snapshot.id: (name, snapshot)
            for name, record in (*self.unfinished_prunes.items(), *self._of_kind("pruned"))
            for snapshot in record.snapshots
        }

    @cached_property
    def erasures(self) -> dict[str, Record]:
        """The records of erasures, each by the id of the first record of it: it may have been encrypted anew since."""
        said = {name: one for name, one in self._of_kind("erasure") if name not in self._replaced}
        return {(one.of[0] if one.of else name): one for name, one in said.items()}

    @cached_property
    def _replaced(self) -> frozenset[str]:
        """The records of erasures in whose place others stand. They may be there still, if a rotation of keys was killed."""
        return frozenset(one for _, record in self._of_kind("erasure") for one in record.of)

    @cached_property
    def imported(self) -> frozenset[str]:
        """The snapshots whose predecessors were never here."""
        return frozenset(one.id for _, record in self._of_kind("elsewhere") for one in record.snapshots)

    @cached_property
    def unfinished_prunes(self) -> dict[str, Record]:
        """The prunes that said what they would remove, but not what they did."""
        return dict(self._in_force("prune"))

    @cached_property
    def _given_up(self) -> frozenset[str]:
        return frozenset(one for _, record in self._of_kind("lost") for one in record.of) | self._replaced

    @cached_property
    def _ended(self) -> frozenset[str]:
        ends = ("release", "untag", "pruned")
        return frozenset(one for record in self.by_id.values() if record.kind in ends for one in record.of)

    def _in_force(self, kind: Kind) -> list[tuple[str, Record]]:
        return [(name, one) for name, one in self._of_kind(kind) if name not in self._ended]

    def _of_kind(self, kind: Kind) -> list[tuple[str, Record]]:
        return [(name, one) for name, one in self.by_id.items() if one.kind == kind]


class StoredRecords:
    """The records on a backend.

    Args:
        backend: the repository's.
        repository: its id; a record of another one does not count.
        keys: who signs records here, and whose signatures count.
        copies: folder for copies on this machine, so that each is asked of a remote repository once; None for none.
    """

    def __init__(self, backend: Backend, repository: str, keys: OpenedKeys, copies: Path | None = None) -> None:
        self._backend, self._repository, self._keys = backend, repository, keys
        self._copies = PrivateCopies(copies if backend.local_folder is None else None)

    def read(self) -> Records:
        """Read every record."""
        found: dict[str, Record] = {}
        of_others: dict[str, Record] = {}  # right, but of a machine that does not count, or not any more
        unreadable: list[str] = []
        for name, _ in self._backend.names("records"):
            try:
                data = self._fetched(name)
            except FileNotFoundError:
                continue  # then others name it as missing
            record_id, record = hashlib.sha256(data).hexdigest(), self._parsed(data)
            if record is None or name != record_name(record_id):
                unreadable.append(name)
            elif self._keys.signers.accepts(record):
                found[record_id] = record
            elif record.is_rightly_signed:
                of_others[record_id] = record
            else:
                unreadable.append(name)
        # Whoever vouched may have been revoked later, and been vouched for.
        while (
            vouched := {one for each in found.values() if each.kind == "vouched" for one in each.of} & of_others.keys()
        ):
            found |= {one: of_others.pop(one) for one in vouched}
        disowned = {record_name(one): record for one, record in sorted(of_others.items())}
        return Records(dict(sorted(found.items())), tuple(sorted([*unreadable, *disowned])), disowned)

    def vouch(self, signers: Collection[str]) -> None:
        """Record that what these machines (public keys) recorded until now stays, before they count no more."""
        theirs = [record_id for record_id, record in self.read().by_id.items() if record.signer in signers]
        if theirs:
            self.write("vouched", reason="the machine was revoked", of=theirs)

    def write(
        self,
        kind: Kind,
        *,
        by: str = "",
        reason: str = "",
        snapshots: Iterable[NamedSnapshot] = (),
        tag: str = "",
        of: Iterable[str] = (),
        body: str = "",
    ) -> str:
        """Write a record after those that are there, signed where snapshots are; returns its id.

        Raises:
            RepositorySealed: records must be signed, and this machine has no key to sign them.
        """
        key = self._keys.write_key
        if key is None and self._keys.signers.required:
            raise RepositorySealed(
                "This machine has no write key, so it cannot record anything in the repository.",
                where=self._backend.display,
                why="Records are signed like snapshots; [repository] write_key names no file.",
                fix="Do it on a machine that makes backups, or make a write key: `edms-backup key writer FILE`.",
            )
        record = Record(
            kind=kind,
            repository=self._repository,
            at=datetime.now(UTC),
            by=by or whoever_runs_this(),
            host=socket.gethostname(),
            reason=reason,
            snapshots=tuple(snapshots),
            tag=tag,
            of=tuple(of),
            after=self.read().last,
            machine=key.machine if key is not None else "",
            body=body,
        ).signed_with(key)
        data = record.to_json()
        name = hashlib.sha256(data).hexdigest()
        self._backend.write(record_name(name), [data])
        return name

    def encrypt_again(self, codec: Codec) -> None:
        """Encrypt what erasures say to the present key: each gets another record, by the same person and of the same time.

        Raises:
            DamagedRepository: one of them cannot be read; it stays, and so do all that were not reached.
        """
        key = self._keys.write_key
        there = self.read()
        ends = RecordEnds(there.by_id)
        standing: dict[
            str, list[str]
        ] = {}  # the first record of an erasure -> it, and those in its place, as far as they are there
        for name, one in there.by_id.items():
            for origin in {name, *one.of} if one.kind == "erasure" else ():
                standing.setdefault(origin, []).append(name)
        for origin, record in there.erasures.items():
            pieces: list[bytes] = []
            try:
                codec.decode(iter([base64.b64decode(record.body, validate=True)]), pieces.append)
            except (NotDecodable, binascii.Error) as error:
                raise DamagedRepository(
                    "An entry of the erasure ledger cannot be read, so it cannot be encrypted to another key.",
                    where=f"{self._backend.display}: {record_name(origin)}",
                    why=type(error).__name__,
                    fix="Put it back from a copy of the repository, and run it again. The earlier keys are kept until then.",
                ) from None
            again = record.model_copy(
                update={
                    "body": base64.b64encode(b"".join(codec.encode(pieces))).decode(),
                    "of": (origin, *sorted({*standing[origin], *record.of} - {origin})),
                    "after": ends.names,
                    "machine": key.machine if key is not None else "",
                }
            ).signed_with(key)
            data = again.to_json()
            made = hashlib.sha256(data).hexdigest()
            self._backend.write(record_name(made), [data])
            ends.add(made, again)
            for name in standing[origin]:
                self._backend.remove(record_name(name))
                ends.remove(name)

    def _fetched(self, name: str) -> bytes:
        """A record's bytes, from this machine's copy if there is one."""
        path = PurePosixPath(name)
        if (copy := self._copies.read(path.name, path.stem)) is not None:
            return copy
        data = self._backend.read(name, _LARGEST)
        if name == record_name(hashlib.sha256(data).hexdigest()):
            self._copies.keep(path.name, data)
        return data

    def _parsed(self, data: bytes) -> Record | None:
        """The record, whoever signed it; None if it is none, or of another repository."""
        try:
            record = Record.model_validate_json(data)
        except ValidationError:
            return None
        return record if record.repository == self._repository else None


def record_name(record_id: str) -> str:
    """The name of a record in the repository."""
    return f"records/{record_id}.json"


def whoever_runs_this() -> str:
    """The user of this process."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as in containers
        return f"user {os.getuid()}"
