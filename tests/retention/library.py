"""Repositories of small snapshots with objects of their own and shared ones, and places that fail at the n-th request."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from edms_tasks.errors import RepositoryForbidden, RepositoryUnreachable
from edms_tasks.inventory.model import FileRoot
from edms_tasks.lineage.owner import KnownEdms
from edms_tasks.lineage.snapshot_history import history_of
from edms_tasks.manifest import ConvertedFrom, FileIndex, Manifest
from edms_tasks.pruning.carry_out import Pruned, prune
from edms_tasks.pruning.prune_plan import PrunePlan, Wishes, plan_prune
from edms_tasks.repository import Repository
from edms_tasks.repository.backend import Backend
from edms_tasks.repository.retention_rules import Rules
from edms_tasks.settings import RepositorySettings
from tests.lineage.conftest import this_edms
from tests.repository.samples import Store, identity_of, manifest_of

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
NOW = NOON + timedelta(days=300)


class Library:
    """A repository, and a working folder to prune it from."""

    def __init__(self, settings: RepositorySettings, workdir: Path) -> None:
        self.settings, self.workdir = settings, workdir
        self.repository = Repository.create(settings)
        self.store = Store(settings)

    def add(
        self,
        day: float,
        *contents: str,
        edms: str = "ours",
        tag: str | None = None,
        previous: str | None = None,
        with_head: bool = True,
        converted: bool = False,
    ) -> str:
        """A snapshot made as a backup makes it, with these objects (and one of its own); `previous`: a fork.

        `converted`: it was made from an old backup of another tool, and stands in no order with the backups.
        """
        repository = self.repository
        history = history_of(repository, this_edms(edms))
        newest, number = history.next_mark
        schema = repository.put_bytes(f"only day {day} of {edms} {previous}".encode())
        base = Manifest.from_json(
            manifest_of(schema, edms=identity_of(edms), previous=previous or newest, number=number, tag=tag), where=""
        )
        packs = tuple(repository.put_bytes(content.encode()) for content in contents)
        index = FileIndex(
            root=FileRoot(name="media", path="/srv/media"), files=0, bytes=0, digest="0" * 32, index=(), packs=packs
        )
        made = base.model_copy(update={"created": NOON + timedelta(days=day), "files": (index,)})
        if converted:
            old = ConvertedFrom(format="dumpdata", name="old.json", bytes=1, exact=False, losses=0)
            made = made.model_copy(update={"converted": old, "previous": None, "number": None})
        snapshot = repository.write_snapshot(made.to_json())
        if with_head and not converted:
            repository.write_head(edms, snapshot, number)
        return snapshot

    def plan(self, edms: str | None = "ours", now: datetime = NOW, **wishes: Any) -> PrunePlan:
        return plan_prune(self.repository, this_edms(edms), self._wishes(**wishes), now)

    def prune(
        self, edms: str | None = "ours", grace: timedelta = timedelta(0), now: datetime = NOW, **wishes: Any
    ) -> Pruned:
        return prune(
            self.repository,
            lambda: self.plan(edms, now, **wishes),
            by="Ann",
            reason="in a test",
            grace=grace,
            workdir=self.workdir,
        )

    def _wishes(self, **wishes: Any) -> Wishes:
        from edms_tasks.lineage.known_records import known_records

        own = {name: wishes.pop(name) for name in list(wishes) if name in Wishes.__dataclass_fields__}
        known = known_records(self.workdir, self.repository.place)
        return Wishes(rules=Rules(**wishes), known_records=known, **own)

    def there(self) -> set[str]:
        return set(self.repository.survey().intact)

    def objects(self) -> set[str]:
        return {name for name, _ in self.repository.backend.names("objects")}

    def codes(self, edms: str = "ours") -> list[str]:
        return [one.code for one in history_of(self.repository, this_edms(edms)).findings()]

    def require_whole(self) -> None:
        """Every snapshot that is there can be read with all its objects, and none is missed."""
        found = self.repository.survey()
        assert (found.damaged, found.strays, found.missing, found.records.doubts()) == ((), (), (), ())
        for manifest in found.intact.values():
            for ref in manifest.objects().values():
                self.repository.check(ref)
        assert not {"snapshot-missing", "snapshots-forked"} & set(self.codes())


class Killed(BaseException):
    """The process was killed."""


@dataclass
class Faults:
    """What goes wrong at which request. After a kill nothing is done any more."""

    at: int = -1
    kind: str = ""
    count: int = 0
    dead: bool = False
    log: list[str] = field(default_factory=list)


class FaultyBackend(Backend):
    """A backend whose n-th request fails, is carried out without an answer, is repeated, or is the last before a kill."""

    def __init__(self, inner: Backend, faults: Faults) -> None:
        self._inner, self._faults = inner, faults
        self.display = inner.display
        self.local_folder = inner.local_folder

    def size(self, name: str) -> int | None:
        return self._do("size", name, lambda: self._inner.size(name))

    def modified(self, name: str) -> datetime:
        return self._do("modified", name, lambda: self._inner.modified(name))

    def read(self, name: str, limit: int) -> bytes:
        return self._do("read", name, lambda: self._inner.read(name, limit))

    def blocks(self, name: str) -> Iterator[bytes]:
        return self._do("blocks", name, lambda: self._inner.blocks(name))

    def names(self, folder: str) -> Iterator[tuple[str, int]]:
        return self._do("names", folder, lambda: iter(list(self._inner.names(folder))))

    def top_level(self) -> set[str]:
        return self._do("top_level", "", self._inner.top_level)

    def write(self, name: str, blocks: Iterable[bytes]) -> None:
        data = list(blocks)
        self._do("write", name, lambda: self._inner.write(name, data), half=lambda: self._half(data))

    def create(self, name: str, data: bytes) -> bool:
        return self._do("create", name, lambda: self._inner.create(name, data))

    def remove(self, name: str) -> None:
        self._do("remove", name, lambda: self._inner.remove(name))

    def translating(self, name: str) -> Any:
        return self._inner.translating(name)

    def _half(self, data: list[bytes]) -> None:
        """What a torn write leaves: never a half file under its name, since writes are atomic."""
        whole = b"".join(data)
        self._inner.write("tmp/torn", [whole[: len(whole) // 2]])

    def _do(self, call: str, name: str, act: Callable[[], Any], half: Callable[[], None] | None = None) -> Any:
        faults = self._faults
        if faults.dead:
            raise Killed
        number, faults.count = faults.count, faults.count + 1
        faults.log.append(f"{call} {name}")
        if number != faults.at:
            return act()
        if faults.kind == "duplicated":
            act()
            return act()
        if faults.kind == "done, then killed":
            act()
        if faults.kind == "torn" and half is not None:
            half()
        if faults.kind == "unanswered":
            act()
        if "killed" in faults.kind:
            faults.dead = True
            raise Killed
        raise RepositoryUnreachable("The repository does not answer.", where=name, why="a fault of the test")


class RefusingBackend(FaultyBackend):
    """A backend under an object lock: what is in `locked` is not removed."""

    def __init__(self, inner: Backend, locked: tuple[str, ...]) -> None:
        super().__init__(inner, Faults())
        self._locked = locked

    def remove(self, name: str) -> None:
        if name.startswith(self._locked):
            raise RepositoryForbidden("This user may not read or write the repository.", where=name, why="object lock")
        self._inner.remove(name)


def known(edms: str) -> KnownEdms:
    return this_edms(edms)


def ids_in(path: Path) -> list[str]:
    found: list[str] = json.loads(path.read_bytes())
    return found
