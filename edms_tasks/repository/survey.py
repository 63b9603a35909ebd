"""Read everything under `snapshots/` and `heads/`, and sort it into readable, damaged and misnamed.

A head record, `heads/<hash of the EDMS's id>.json`, says which snapshot of an EDMS is the newest. It is written after the
manifest: a run killed between the two leaves a record that is one snapshot behind. So a record that names a missing
snapshot means that the snapshot was removed.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING

from edms_tasks.errors import DamagedRepository
from edms_tasks.json_text import parsed_json
from edms_tasks.manifest import Manifest
from edms_tasks.repository.chain import Link, Mark, in_order
from edms_tasks.repository.records import NamedSnapshot, Records
from edms_tasks.repository.signatures import SnapshotSignature
from edms_tasks.repository.stored_manifests import StoredManifests, snapshot_name

if TYPE_CHECKING:
    from edms_tasks.repository.backend import Backend

_LARGEST_HEAD = 64 * 1024
_HEX64 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Stray:
    """A file in `snapshots/` whose name is not that of the manifest in it."""

    name: str
    snapshot_id: str | None  # of the manifest in it; None: it contains none, or one that exists under its right name


@dataclass(frozen=True)
class Survey:
    """The manifests and head records of a repository."""

    intact: Mapping[str, Manifest]
    damaged: tuple[str, ...]  # ids whose bytes do not match the name, or are no manifest of this format
    strays: tuple[Stray, ...]
    heads: Mapping[str, Mark]  # id of an EDMS -> its newest snapshot
    unreadable_heads: tuple[str, ...]  # names of head records that cannot be read
    sealed: Mapping[str, SnapshotSignature] = field(
        default_factory=dict
    )  # signed, but there is no key here to read them
    untrusted: Mapping[str, str] = field(default_factory=dict)  # of the damaged ones: id -> why it is not to be trusted
    records: Records = field(default_factory=Records)

    @property
    def links(self) -> dict[str, Link]:
        """What determines the position of each intact or sealed snapshot in the order, by id."""
        found = {name: signature.link for name, signature in self.sealed.items()} | {
            name: Link(name, found.created, found.previous, found.number, found.aside)
            for name, found in self.intact.items()
        }
        return {name: self._as_here(link) for name, link in found.items()}

    def _as_here(self, link: Link) -> Link:
        """The link; of an imported snapshot without its predecessor, unless that was imported as well."""
        here = (self.intact, self.sealed, self.unreadable, self.records.pruned)
        if link.id not in self.records.imported or any(link.previous in one for one in here):
            return link
        return replace(link, previous=None, is_first_here=True)

    @property
    def order(self) -> tuple[str, ...]:
        """All readable snapshots, oldest first."""
        return in_order(self.links)

    @property
    def unreadable(self) -> tuple[str, ...]:
        """Ids of snapshots that exist but cannot be used."""
        return (*self.damaged, *(stray.snapshot_id for stray in self.strays if stray.snapshot_id))

    def tags_of(self, snapshot_id: str) -> tuple[str, ...]:
        """The tags of a snapshot: that in its manifest, if it can be read, and those that it was given since."""
        manifest = self.intact.get(snapshot_id)
        return self.records.tags_of(snapshot_id, manifest.tag if manifest is not None else None)

    @cached_property
    def pruned(self) -> dict[str, NamedSnapshot]:
        """The snapshots that are gone because prunes removed them, by id.

        A record is not believed if it says so of a snapshot that no prune removes: the newest of an EDMS, or one that is held.
        """
        newest = {mark.snapshot for mark in self.heads.values()}
        unbelievable = {*newest, *self.links, *self.records.holds}
        return {name: found for name, (_, found) in self.records.pruned.items() if name not in unbelievable}

    @cached_property
    def pruned_links(self) -> dict[str, Link]:
        """The positions of pruned snapshots, by id."""
        return {name: self._as_here(found.link) for name, found in self.pruned.items()}

    @property
    def known_links(self) -> dict[str, Link]:
        """The positions of all snapshots that are there or were pruned."""
        return {**self.pruned_links, **self.links}

    @property
    def missing(self) -> tuple[str, ...]:
        """Ids that a manifest or a head record names, but that do not exist, not even damaged or misnamed, and were not pruned."""
        named = {link.previous for link in self.known_links.values() if link.previous}
        named |= {mark.snapshot for mark in self.heads.values()}
        return tuple(sorted(named - {*self.known_links, *self.unreadable}))

    def doubt(self, given_up: Collection[str] = ()) -> str:
        """Why no object may be removed, or "": nobody knows the objects of a damaged or missing manifest, and it may be put back.

        `given_up`: lost snapshots whose objects a person has given up.
        """
        if damaged := [one for one in self.damaged if one not in given_up]:
            return f"the manifest {damaged[0]} is damaged"
        if self.sealed:
            return "the manifests of other machines cannot be read without the recovery key"
        if self.strays:
            return f"{self.strays[0].name} is no snapshot"
        missing = [one for one in self.missing if one not in given_up]
        return f"the snapshot {missing[0]} is missing" if missing else ""


def survey(backend: Backend, manifests: StoredManifests, records: Records, *, fresh: bool) -> Survey:
    """Read every manifest and every head record. `fresh`: from the repository, even where this machine has copies."""
    intact: dict[str, Manifest] = {}
    sealed: dict[str, SnapshotSignature] = {}
    untrusted: dict[str, str] = {}
    damaged: list[str] = []
    strays: list[Stray] = []
    for found in manifests.every(fresh=fresh):
        snapshot_id = found.snapshot_id
        manifest = _parsed(found.data, f"{backend.display}: {found.name}") if found.data is not None else None
        if not _HEX64.fullmatch(snapshot_id) or found.name != snapshot_name(snapshot_id):
            strays.append(Stray(found.name, found.digest if manifest else None))
        elif found.sealed is not None:
            sealed[snapshot_id] = found.sealed
        elif manifest is not None and found.digest == snapshot_id and not found.untrusted:
            intact[snapshot_id] = manifest
        else:
            damaged.append(snapshot_id)
            if found.untrusted:
                untrusted[snapshot_id] = found.untrusted
            elif manifest is not None:  # an intact manifest under the name of another
                strays.append(Stray(found.name, found.digest))
    # A misnamed copy of a manifest that also exists under its right name is no loss.
    strays = [stray if stray.snapshot_id not in intact else Stray(stray.name, None) for stray in strays]
    heads, unreadable = _heads(backend)
    return Survey(intact, tuple(sorted(damaged)), tuple(strays), heads, unreadable, sealed, untrusted, records)


def newest_snapshots(backend: Backend) -> list[str]:
    """The ids of the newest snapshots of all EDMSs, by the head records that can be read."""
    return [mark.snapshot for mark in _heads(backend)[0].values()]


def write_head(backend: Backend, edms: str, mark: Mark) -> None:
    """Record the newest snapshot of an EDMS."""
    record = {
        "edms": edms,
        "snapshot": mark.snapshot,
        "number": mark.number,
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    backend.write(_head_name(edms), [json.dumps(record, indent=1).encode()])


def read_head(backend: Backend, edms: str) -> Mark | None:
    """The newest snapshot of an EDMS by its head record; None if there is none that can be read."""
    name = _head_name(edms)
    try:
        found = _parsed_head(name, backend.read(name, _LARGEST_HEAD))
    except FileNotFoundError:
        return None
    return found[1] if found is not None and found[0] == edms else None


def _heads(backend: Backend) -> tuple[dict[str, Mark], tuple[str, ...]]:
    heads: dict[str, Mark] = {}
    unreadable: list[str] = []
    for name, _ in backend.names("heads"):
        try:
            found = _parsed_head(name, backend.read(name, _LARGEST_HEAD))
        except FileNotFoundError:
            continue
        if found is None:
            unreadable.append(name)
        else:
            heads[found[0]] = found[1]
    return heads, tuple(unreadable)


def _parsed_head(name: str, data: bytes) -> tuple[str, Mark] | None:
    """The EDMS and its newest snapshot; None if the record is not as it is written."""
    try:
        record = parsed_json(data)
        edms, snapshot, number = record["edms"], record["snapshot"], record["number"]
    except (ValueError, KeyError, TypeError):
        return None
    texts = isinstance(edms, str) and isinstance(snapshot, str)
    if texts and type(number) is int and number > 0 and _HEX64.fullmatch(snapshot) and name == _head_name(edms):
        return edms, Mark(snapshot, number)
    return None


def _head_name(edms: str) -> str:
    return f"heads/{hashlib.sha256(edms.encode('utf-8', 'backslashreplace')).hexdigest()[:32]}.json"


def _parsed(data: bytes, where: str) -> Manifest | None:
    try:
        return Manifest.from_json(data, where=where)
    except DamagedRepository:
        return None  # the caller counts it among the damaged
