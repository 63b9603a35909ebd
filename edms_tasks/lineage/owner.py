"""Whose a snapshot is: the EDMS's id, given in the settings or derived, and names of host, database and project for people.

Releases that recorded no identity left traits: the settings module, the engine, the fingerprint of SECRET_KEY and the
folders of files. A snapshot of theirs counts as an EDMS's own only where all of these agree, and with no other EDMS's.
"""

from __future__ import annotations

import hashlib
import json
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from edms_tasks.databases.address import DatabaseAddress
from edms_tasks.inventory.model import EdmsIdentity
from edms_tasks.inventory.probe_report import ProbeReport
from edms_tasks.manifest import Manifest
from edms_tasks.settings import Settings

Traits = tuple[str, str, str, tuple[tuple[str, str], ...]]
UNRECORDED = "not-recorded:"
"""How the key of a group of snapshots begins that do not say whose they are."""


@dataclass(frozen=True)
class Asker:
    """The EDMS for which snapshots are searched, as far as it is known."""

    id: str | None  # None: the EDMS was not asked, and neither settings nor working folder say
    identity: EdmsIdentity | None = None
    traits: Traits | None = None
    project: str = ""  # as the settings name it, where the EDMS was not asked
    settings_module: str = ""
    others: frozenset[str] = frozenset()  # ids of EDMSs that are known to be others, though they bear the same names


def identity_of(settings: Settings, report: ProbeReport) -> EdmsIdentity:
    """The identity of an EDMS that was asked."""
    address = DatabaseAddress.from_probe(report.databases[0])
    host, project = socket.gethostname(), str(settings.edms.project or "")
    parts = [host, address.engine, address.host, address.port, address.name, project, report.settings_module]
    derived = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]
    return EdmsIdentity(
        id=settings.edms.id or derived,
        given=settings.edms.id is not None,
        host=host,
        engine=address.engine,
        database=address.display,
        project=project,
        settings_module=report.settings_module,
    )


def asker_of(settings: Settings, report: ProbeReport) -> Asker:
    """The EDMS as it was inspected."""
    identity = identity_of(settings, report)
    roots = {root.name: root.path for root in report.file_roots}
    roots |= {name: str(path) for name, path in settings.files.roots.items()}
    traits = (report.settings_module, identity.engine, report.secret_key_fingerprint, tuple(sorted(roots.items())))
    return Asker(identity.id, identity, traits, identity.project, identity.settings_module)


def traits_of(manifest: Manifest) -> Traits:
    """The traits of its EDMS in a manifest of any release."""
    roots = tuple(sorted((index.root.name, index.root.path) for index in manifest.files))
    return (manifest.edms.settings_module, manifest.engine, manifest.edms.secret_key_fingerprint, roots)


def owners(manifests: Mapping[str, Manifest], asker: Asker) -> dict[str, str]:
    """Id of each snapshot -> key of its EDMS: the EDMS's id, or one made of the traits."""
    known: dict[Traits, set[str]] = {}
    for manifest in manifests.values():
        if manifest.identity is not None:
            known.setdefault(traits_of(manifest), set()).add(manifest.identity.id)
    if asker.id is not None and asker.traits is not None:
        known.setdefault(asker.traits, set()).add(asker.id)
    return {name: _owner(manifest, known) for name, manifest in manifests.items()}


def _owner(manifest: Manifest, known: Mapping[Traits, set[str]]) -> str:
    if manifest.identity is not None:
        return manifest.identity.id
    traits = traits_of(manifest)
    fitting = known.get(traits, set())
    if len(fitting) == 1:
        return next(iter(fitting))
    return UNRECORDED + hashlib.sha256(json.dumps(traits).encode()).hexdigest()[:32]


def same_edms(identity: EdmsIdentity, manifests: Iterable[Manifest]) -> str:
    """The id of the one EDMS whose snapshots bear exactly these names, or ""."""
    mine = identity.model_dump(exclude={"id", "given"})
    known = {
        found.identity.id
        for found in manifests
        if found.identity is not None and found.identity.model_dump(exclude={"id", "given"}) == mine
    }
    return known.pop() if len(known) == 1 else ""


def names_of(manifest: Manifest) -> str:
    """A sentence that names the EDMS of a snapshot."""
    identity = manifest.identity
    if identity is None:
        folders = ", ".join(index.root.path for index in manifest.files) or "none"
        return (
            f"{manifest.edms.settings_module} on {manifest.engine}, files in {folders} (no host or database recorded)"
        )
    return said(identity)


def said(identity: EdmsIdentity) -> str:
    """An EDMS in words: what it is, where its database is, on which host, and its id."""
    project = f" in {identity.project}" if identity.project else ""
    return f"{identity.settings_module}{project}, database {identity.database}, host {identity.host} (id {identity.id})"


def moved(then: EdmsIdentity, now: EdmsIdentity) -> str:
    """The names that changed, or ""."""
    pairs = [
        ("host", then.host, now.host),
        ("database", then.database, now.database),
        ("project", then.project, now.project),
    ]
    return "; ".join(f"{name} was {before}, is {after}" for name, before, after in pairs if before != after)
