"""Check that every object that snapshots name is in the repository with the right size. No object is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from edms_tasks.manifest import Manifest, ObjectRef
from edms_tasks.repository import Repository
from flows.running.flow_decorators import task

_NAMED = 20


@dataclass(frozen=True)
class NamedObject:
    """An object that a snapshot names, and for what."""

    name: str  # in the repository
    ref: ObjectRef
    snapshot: str  # the first one that names it
    use: str  # e.g. "documents.Document"
    others: int = 0  # how many other snapshots name it, too

    def __str__(self) -> str:
        others = f" and {self.others} {'other' if self.others == 1 else 'others'}" if self.others else ""
        return f"snapshot {self.snapshot[:12]}{others}: {self.use}: {self.name}"


@task(name="list objects", tags=["verify"])
def list_objects(repository: Repository) -> dict[str, int]:
    """The objects that are there -> their sizes."""
    return dict(repository.backend.names("objects"))


def named_objects(repository: Repository, manifests: Mapping[str, Manifest]) -> dict[str, NamedObject]:
    """Every object that the snapshots name, by its name in the repository; its use is that of the first one."""
    found: dict[str, NamedObject] = {}
    for snapshot, manifest in manifests.items():
        uses = {repository.stored_name(ref): (ref, use) for ref, use in reversed([*manifest.uses()])}
        for name, (ref, use) in uses.items():
            known = found.get(name)
            found[name] = replace(known, others=known.others + 1) if known else NamedObject(name, ref, snapshot, use)
    return found


def missing_or_cut(
    repository: Repository, objects: Mapping[str, NamedObject], there: Mapping[str, int]
) -> tuple[list[NamedObject], list[NamedObject]]:
    """The objects that are missing, and those that have a wrong size."""
    missing = [one for name, one in objects.items() if name not in there]
    other = [one for name, one in objects.items() if name in there and not repository.may_be(one.ref, there[name])]
    return missing, other


def structure_problems(
    missing: Sequence[NamedObject], other: Sequence[NamedObject], there: Mapping[str, int]
) -> tuple[str, ...]:
    """A sentence for each object that is missing or has a wrong size, up to twenty of each kind, and how many more."""
    problems = [f"{one} is missing" for one in missing[:_NAMED]]
    problems += [f"{one} has {there[one.name]} bytes, which is another size" for one in other[:_NAMED]]
    left = len(missing) + len(other) - len(problems)
    return (*problems, *([f"{left} more objects are missing or have another size"] if left else []))
