"""A prune of the source while it is copied, and two prunes at once: what there is afterwards is whole, and the next run completes it."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edms_tasks.errors import RepositoryLocked
from edms_tasks.repository import Repository
from edms_tasks.repository.backend import open_backend
from edms_tasks.repository.mirror import Mirrored, mirror
from edms_tasks.settings import RepositorySettings
from tests.retention.library import Faults, FaultyBackend, Library


class Interrupted(FaultyBackend):
    """A backend before whose n-th request something else happens."""

    def __init__(self, inner: Any, at: int, happens: Callable[[], object]) -> None:
        super().__init__(inner, Faults())
        self._at, self._happens = at, happens

    def _do(self, call: str, name: str, act: Callable[[], Any], half: Callable[[], None] | None = None) -> Any:
        if self._faults.count == self._at:
            self._faults.count += 1
            self._happens()
        return super()._do(call, name, act, half)


def library(folder: Path) -> Library:
    made = Library(RepositorySettings(url=str(folder / "backups")), folder / "work")
    for day in range(4):
        snapshot = made.add(day, f"of {day}", "of all")
        made.repository.log.append("backup", "success", version="1", edms="ours", snapshot=snapshot)
    return made


def copied(source: Any, target: RepositorySettings) -> Mirrored:
    return mirror(
        source,
        open_backend(target),
        named_by_content=True,
        jobs=1,
        expect=lambda *_: None,
        progress=lambda *_: None,
    )


def require_whole(place: RepositorySettings) -> set[str]:
    """Every snapshot that is there has all its objects."""
    repository = Repository.open(place)
    found = repository.survey()
    assert (found.damaged, found.strays) == ((), ())
    for manifest in found.intact.values():
        for ref in manifest.objects().values():
            repository.check(ref)
    return set(found.intact)


def _at_each_request(tmp_path: Path, step: int) -> None:
    for at in itertools.count(0, step):
        folder = tmp_path / str(at)
        source, target = library(folder), RepositorySettings(url=str(folder / "copy"))
        interrupted = Interrupted(open_backend(source.settings), at, lambda source=source: source.prune(last=1))  # type: ignore[misc]
        made = copied(interrupted, target)
        if interrupted._faults.count <= at:
            return  # the copy was complete before
        there = require_whole(target) if not made.problems else set()
        source.require_whole()
        again = copied(open_backend(source.settings), target)
        assert again.problems == []
        assert source.there() <= require_whole(target)
        assert there <= require_whole(target)
        assert not Repository.open(target).log.check().problems


def test_a_prune_at_some_requests_of_a_copy(tmp_path: Path) -> None:
    _at_each_request(tmp_path, 17)


@pytest.mark.long
def test_a_prune_at_each_request_of_a_copy(tmp_path: Path) -> None:
    _at_each_request(tmp_path, 1)


def test_two_hosts_that_prune_at_once_are_told_of_each_other(tmp_path: Path) -> None:
    ours = library(tmp_path)
    theirs = Library.__new__(Library)
    theirs.settings, theirs.workdir = ours.settings, tmp_path / "elsewhere"
    told: list[RepositoryLocked] = []

    def prune_too() -> None:
        theirs.repository = Repository.open(ours.settings)
        with pytest.raises(RepositoryLocked) as refused:
            theirs.prune(last=2)
        told.append(refused.value)

    with ours.repository.lock("prune"):
        prune_too()
    done = ours.prune(last=1)

    assert len(told) == 1 and "prune" in str(told[0])
    assert len(done.removed) == 3
    ours.require_whole()
