"""Check that every object that snapshots name is in the repository with the right size. No object is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edms_tasks.manifest import Manifest, ObjectRef
from edms_tasks.repository import Repository
from flows.running.flow_decorators import task

_NAMED = 20


@dataclass(frozen=True)
class NamedObject:
    """An object that a snapshot names, and for what."""

    name: str  # in the repository
    ref: ObjectRef
    snapshot: str
    use: str  # e.g. "documents.Document"


@task(name="list objects", tags=["verify"])
def list_objects(repository: Repository) -> dict[str, int]:
    """The objects that are there -> their sizes."""
    return dict(repository.backend.names("objects"))


def named_objects(repository: Repository, manifests: Mapping[str, Manifest]) -> dict[str, NamedObject]:
    """Every object that the snapshots name, by its name in the repository; its use is that of the first one."""
    found: dict[str, NamedObject] = {}
    for snapshot, manifest in manifests.items():
        for ref, use in manifest.uses():
            name = repository.stored_name(ref)
            found.setdefault(name, NamedObject(name, ref, snapshot, use))
    return found


def missing_or_cut(
    repository: Repository, objects: Mapping[str, NamedObject], there: Mapping[str, int]
) -> tuple[list[NamedObject], list[NamedObject]]:
    """The objects that are missing, and those that have a wrong size."""
    missing = [one for name, one in objects.items() if name not in there]
    other = [one for name, one in objects.items() if name in there and not repository.may_be(one.ref, there[name])]
    return missing, other


def structure_problems(
    repository: Repository, objects: Mapping[str, NamedObject], there: Mapping[str, int]
) -> tuple[str, ...]:
    """A sentence for each object that is missing or has a wrong size, up to twenty of each kind, and how many more."""
    missing, other = missing_or_cut(repository, objects, there)
    problems = [f"{_where(one)} is missing" for one in missing[:_NAMED]]
    problems += [f"{_where(one)} has {there[one.name]} bytes, which is another size" for one in other[:_NAMED]]
    left = len(missing) + len(other) - len(problems)
    return (*problems, *([f"{left} more objects are missing or have another size"] if left else []))


def _where(one: NamedObject) -> str:
    return f"snapshot {one.snapshot[:12]}: {one.use}: {one.name}"
