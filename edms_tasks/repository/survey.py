"""Read everything under `snapshots/` and `heads/`, and sort it into readable, damaged and misnamed.

A head record, `heads/<hash of the EDMS's id>.json`, says which snapshot of an EDMS is the newest. It is written after the
manifest: a run killed between the two leaves a record that is one snapshot behind. So a record that names a missing
snapshot means that the snapshot was removed.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from edms_tasks.errors import DamagedRepository
from edms_tasks.manifest import Manifest
from edms_tasks.repository.chain import Link, Mark, in_order

if TYPE_CHECKING:
    from edms_tasks.repository.backend import Backend

LARGEST_MANIFEST = 256 * 1024 * 1024
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

    @property
    def links(self) -> dict[str, Link]:
        """The keys of each readable manifest that determine its position in the order, by id."""
        return {
            name: Link(name, found.created, found.previous, found.number, found.aside)
            for name, found in self.intact.items()
        }

    @property
    def order(self) -> tuple[str, ...]:
        """All readable snapshots, oldest first."""
        return in_order(self.links)

    @property
    def unreadable(self) -> tuple[str, ...]:
        """Ids of snapshots that exist but cannot be used."""
        return (*self.damaged, *(stray.snapshot_id for stray in self.strays if stray.snapshot_id))

    @property
    def missing(self) -> tuple[str, ...]:
        """Ids that a manifest or a head record names, but that do not exist, not even damaged or misnamed."""
        named = {one.previous for one in self.intact.values() if one.previous}
        named |= {mark.snapshot for mark in self.heads.values()}
        return tuple(sorted(named - {*self.intact, *self.unreadable}))


def snapshot_name(snapshot_id: str) -> str:
    """The name of a snapshot's manifest in the repository."""
    return f"snapshots/{snapshot_id}.json"


def survey(backend: Backend) -> Survey:
    """Read every manifest and every head record."""
    intact: dict[str, Manifest] = {}
    damaged: list[str] = []
    strays: list[Stray] = []
    for name, _ in backend.names("snapshots"):
        snapshot_id = name.removeprefix("snapshots/").removesuffix(".json")
        try:
            data = backend.read(name, LARGEST_MANIFEST)
        except FileNotFoundError:
            continue  # removed after it was listed; then `missing` has it, if anything names it
        digest = hashlib.sha256(data).hexdigest()
        manifest = _parsed(data, f"{backend.display}: {name}")
        if not _HEX64.fullmatch(snapshot_id) or name != snapshot_name(snapshot_id):
            strays.append(Stray(name, digest if manifest else None))
        elif manifest is not None and digest == snapshot_id:
            intact[snapshot_id] = manifest
        else:
            damaged.append(snapshot_id)
            if manifest is not None:  # an intact manifest under the name of another
                strays.append(Stray(name, digest))
    # A misnamed copy of a manifest that also exists under its right name is no loss.
    strays = [stray if stray.snapshot_id not in intact else Stray(stray.name, None) for stray in strays]
    heads, unreadable = _heads(backend)
    return Survey(intact, tuple(sorted(damaged)), tuple(strays), heads, unreadable)


def write_head(backend: Backend, edms: str, mark: Mark) -> None:
    """Record the newest snapshot of an EDMS."""
    record = {
        "edms": edms,
        "snapshot": mark.snapshot,
        "number": mark.number,
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    backend.write(_head_name(edms), [json.dumps(record, indent=1).encode()])


def _heads(backend: Backend) -> tuple[dict[str, Mark], tuple[str, ...]]:
    heads: dict[str, Mark] = {}
    unreadable: list[str] = []
    for name, _ in backend.names("heads"):
        try:
            record = json.loads(backend.read(name, _LARGEST_HEAD))
            edms, snapshot, number = record["edms"], record["snapshot"], record["number"]
        except FileNotFoundError:
            continue
        except (ValueError, KeyError, TypeError):
            unreadable.append(name)
            continue
        texts = isinstance(edms, str) and isinstance(snapshot, str)
        if texts and type(number) is int and number > 0 and _HEX64.fullmatch(snapshot) and name == _head_name(edms):
            heads[edms] = Mark(snapshot, number)
        else:
            unreadable.append(name)
    return heads, tuple(unreadable)


def _head_name(edms: str) -> str:
    return f"heads/{hashlib.sha256(edms.encode('utf-8', 'backslashreplace')).hexdigest()[:32]}.json"


def _parsed(data: bytes, where: str) -> Manifest | None:
    try:
        return Manifest.from_json(data, where=where)
    except DamagedRepository:
        return None  # the caller counts it among the damaged
