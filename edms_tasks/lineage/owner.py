"""Which EDMS a snapshot belongs to: its id, given in the settings or derived, and its host, database and project for people.

Early releases recorded no identity. Their snapshots have only traits: the settings module, the engine, the fingerprint of
SECRET_KEY and the folders of files. Such a snapshot belongs to an EDMS if all traits agree with it, and with no other's.
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
from edms_tasks.manifest import CONVERTED as CONVERTED
from edms_tasks.manifest import Manifest
from edms_tasks.settings import Settings

Traits = tuple[str, str, str, tuple[tuple[str, str], ...]]
UNRECORDED = "not-recorded:"
"""Beginning of the key of an EDMS that is known by its traits only."""


@dataclass(frozen=True)
class KnownEdms:
    """The EDMS for which snapshots are searched, as far as it is known."""

    id: str | None  # None: the EDMS was not inspected, and neither settings nor working folder name it
    identity: EdmsIdentity | None = None
    traits: Traits | None = None
    project: str = ""  # from the settings, if the EDMS was not inspected
    settings_module: str = ""
    others: frozenset[str] = frozenset()  # ids of other EDMSs with the same names


def identity_of(settings: Settings, report: ProbeReport) -> EdmsIdentity:
    """The identity of an EDMS that was inspected."""
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


def known_edms(settings: Settings, report: ProbeReport) -> KnownEdms:
    """An EDMS that was inspected."""
    identity = identity_of(settings, report)
    roots = {root.name: root.path for root in report.file_roots}
    roots |= {name: str(path) for name, path in settings.files.roots.items()} | settings.files.stores
    traits = (report.settings_module, identity.engine, report.secret_key_fingerprint, tuple(sorted(roots.items())))
    return KnownEdms(identity.id, identity, traits, identity.project, identity.settings_module)


def traits_of(manifest: Manifest) -> Traits:
    """The traits of the EDMS that a manifest belongs to; manifests of any release have them."""
    roots = tuple(sorted((index.root.name, index.root.path) for index in manifest.files))
    return (manifest.edms.settings_module, manifest.engine, manifest.edms.secret_key_fingerprint, roots)


def owners(manifests: Mapping[str, Manifest], this_edms: KnownEdms) -> dict[str, str]:
    """Id of each snapshot -> key of its EDMS: the EDMS's id, or one made of the traits."""
    known: dict[Traits, set[str]] = {}
    for manifest in manifests.values():
        if manifest.identity is not None and manifest.converted is None:
            known.setdefault(traits_of(manifest), set()).add(manifest.identity.id)
    if this_edms.id is not None and this_edms.traits is not None:
        known.setdefault(this_edms.traits, set()).add(this_edms.id)
    return {name: _owner(manifest, known) for name, manifest in manifests.items()}


def _owner(manifest: Manifest, known: Mapping[Traits, set[str]]) -> str:
    if manifest.converted is not None:
        return recorded_key(manifest)
    if manifest.identity is not None:
        return manifest.identity.id
    fitting = known.get(traits_of(manifest), set())
    return next(iter(fitting)) if len(fitting) == 1 else recorded_key(manifest)


def recorded_key(manifest: Manifest) -> str:
    """The key of a snapshot's EDMS by its manifest alone: the id, or one made of the traits; of a converted one, `CONVERTED` and the id."""
    if manifest.owner is not None:
        return manifest.owner
    return UNRECORDED + hashlib.sha256(json.dumps(traits_of(manifest)).encode()).hexdigest()[:32]


def same_edms(identity: EdmsIdentity, manifests: Iterable[Manifest]) -> str:
    """The id of the one EDMS whose snapshots have exactly these names; "" if there is none, or more than one."""
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
    return describe_edms(identity)


def describe_edms(identity: EdmsIdentity) -> str:
    """An EDMS in words: settings module, project, database, host and id."""
    project = f" in {identity.project}" if identity.project else ""
    return f"{identity.settings_module}{project}, database {identity.database}, host {identity.host} (id {identity.id})"


def changed_names(then: EdmsIdentity, now: EdmsIdentity) -> str:
    """The changes of host, database and project between two identities, in words; "" if there are none."""
    pairs = [
        ("host", then.host, now.host),
        ("database", then.database, now.database),
        ("project", then.project, now.project),
    ]
    return "; ".join(f"{name} was {before}, is {after}" for name, before, after in pairs if before != after)
