"""Read a part of the objects: those that were not read for the longest time first, so that all are read in 100 / percent runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edms_tasks.package import object_problem
from edms_tasks.repository import Repository
from edms_tasks.repository.seen_whole import SeenWhole
from flows.running.flow_decorators import task
from flows.running.run import Run
from flows.verifying.listed_objects import NamedObject

_BATCH_BYTES = 64 * 1024 * 1024
_BATCH_OBJECTS = 256


@dataclass(frozen=True)
class ReadBatch:
    """The objects that were read: which were whole, and what is wrong with the others."""

    whole: tuple[str, ...]
    problems: Mapping[str, str]  # name -> what is wrong


@task(
    name="read objects",
    tags=["verify"],
    task_run_name="read {batch[0].use} and others",
    weight=lambda batch: len(batch),
)
def read_objects(batch: Sequence[NamedObject], repository: Repository) -> ReadBatch:
    """Read objects and compare their bytes with their SHA-256s."""
    problems = {one.name: found for one in batch if (found := object_problem(repository, one.ref))}
    return ReadBatch(tuple(one.name for one in batch if one.name not in problems), problems)


def choose_sample(objects: Mapping[str, NamedObject], seen: SeenWhole, percent: float) -> list[NamedObject]:
    """Objects with at least that many percent of all bytes, and of all objects; those not read for the longest time."""
    bytes_left = sum(one.ref.size for one in objects.values()) * percent / 100
    objects_left = len(objects) * percent / 100
    chosen = []
    for name in seen.longest_unread(objects):
        if bytes_left <= 0 and objects_left <= 0:
            break
        chosen.append(objects[name])
        bytes_left -= objects[name].ref.size
        objects_left -= 1
    return chosen


def read_sample(run: Run, repository: Repository, sample: Sequence[NamedObject]) -> ReadBatch:
    """Read the sample, several batches at a time."""
    read = run.map(read_objects, _batches(sample), repository)
    problems = {name: problem for one in read for name, problem in one.problems.items()}
    return ReadBatch(tuple(name for one in read for name in one.whole), problems)


def _batches(objects: Sequence[NamedObject]) -> list[tuple[NamedObject, ...]]:
    found: list[tuple[NamedObject, ...]] = []
    batch: list[NamedObject] = []
    for one in objects:
        if batch and (
            len(batch) >= _BATCH_OBJECTS or sum(item.ref.size for item in batch) + one.ref.size > _BATCH_BYTES
        ):
            found.append(tuple(batch))
            batch = []
        batch.append(one)
    return [*found, tuple(batch)] if batch else found
