"""Values on their way between the coordinator and a worker, as bytes. No secret is in them, and no open connection.

What only one process can hold is replaced by what another needs to open the same: a view by the name of its snapshot, a workspace
by a file with its tables, a repository by its address, to which each worker has its own keys. Passwords are left out; each worker
has them in its own settings or environment. The bytes are pickled: whoever can write to the scratch folder, or reach the scheduler,
can run code on the workers (docs/scale.md).
"""

from __future__ import annotations

import io
import pickle
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field, fields
from functools import cached_property
from types import MappingProxyType
from typing import Any, cast

from pydantic import SecretStr

from edms_tasks.databases.address import DatabaseAddress
from edms_tasks.databases.elsewhere import (
    LoadedElsewhere,
    ReadElsewhere,
    as_reached_from_here,
)
from edms_tasks.errors import WorkersDiffer
from edms_tasks.repository import Repository
from edms_tasks.repository.backend import open_backend
from edms_tasks.repository.overlay import OverlayBackend
from edms_tasks.scratch.sent_workspace import SentWorkspace, send_workspace
from edms_tasks.scratch.workspace import Workspace
from edms_tasks.settings import Settings
from flows.running.run import Run

_opened_elsewhere: dict[type, bool] = {}

Opened = tuple[str, Any]
"""What stands for a value: its kind, and what the other side makes it of."""


class NotSent(Exception):
    """A value that must stay in this process; the text says why."""


@dataclass
class Sender:
    """The coordinator's side. It remembers the repositories that it has sent, which come back in results."""

    settings: Settings
    repositories: dict[str, Repository] = field(default_factory=dict)  # by place

    @cached_property
    def _display(self) -> str:
        return open_backend(self.settings.repository).display

    def pickled(self, value: object) -> bytes:
        """The value as bytes; raises NotSent."""
        workspaces: dict[int, SentWorkspace] = {}

        def stand_in(one: object) -> Opened | None:
            if isinstance(one, Workspace):
                if id(one) not in workspaces:
                    workspaces[id(one)] = send_workspace(one)
                return "workspace", workspaces[id(one)]
            if isinstance(one, Repository):
                return self._repository(one)
            if _is_opened_elsewhere(one):
                return "opened", cast(ReadElsewhere, one).elsewhere()
            return _common(one)

        return _pickled(value, stand_in)

    def unpickled(self, data: bytes) -> Any:
        """A value that a worker sent."""

        def original(kind: str, of: Any) -> object:
            if kind == "repository":
                return self.repositories[of]
            return DatabaseAddress(**of)

        return _unpickled(data, original)

    def _repository(self, repository: Repository) -> Opened:
        if isinstance(repository.backend, OverlayBackend):
            raise NotSent("what is written goes to a folder of this machine")
        if repository.display != self._display:
            raise NotSent("it is not the repository of the settings, which the workers have")
        if not repository.is_readable:
            raise NotSent("the repository cannot be read with the keys of this machine")
        self.repositories[repository.place] = repository
        return "repository", (repository.place, repository.objects.distrusted, _identity(repository))


@dataclass
class Receiver:
    """A worker's side, for one task: what it opens is closed with `stack`, and repositories stay open for the run."""

    settings: Settings
    repositories: dict[str, Repository]
    stack: ExitStack

    def unpickled(self, data: bytes) -> tuple[Any, bool]:
        """A value that the coordinator sent, with everything in it opened here; and whether it is good for other tasks as well."""
        workspaces: dict[SentWorkspace, Workspace] = {}
        views: list[object] = []

        def opened(kind: str, of: Any) -> object:
            if kind == "workspace":
                if of not in workspaces:
                    here = of.opened(memory_limit_mb=self.settings.memory_limit_mb)
                    workspaces[of] = self.stack.enter_context(here)
                return workspaces[of]
            if kind == "repository":
                return self._repository(*of)
            if kind == "address":
                return as_reached_from_here(DatabaseAddress(**of), self.settings)
            there: AbstractContextManager[object] = of.opened()
            views.append(self.stack.enter_context(there))
            return views[-1]

        value = _unpickled(data, opened)
        return value, not workspaces and not views

    def pickled(self, value: object) -> bytes:
        """A result as bytes."""

        def stand_in(one: object) -> Opened | None:
            return ("repository", one.place) if isinstance(one, Repository) else _common(one)

        return _pickled(value, stand_in)

    def _repository(self, place: str, distrusted: frozenset[str], identity: object) -> Repository:
        if place not in self.repositories:
            # Without copies on this machine: nobody looks after them here, and what a worker reads is evidence.
            repository = Repository.open(self.settings.repository.model_copy(update={"copies": None}))
            if repository.place != place or _identity(repository) != identity:
                raise WorkersDiffer(
                    "A worker's settings name another repository.",
                    where=repository.place,
                    why=f"The coordinator writes to {place}.",
                    fix="Give all of them the same [repository] url. A folder must be one that all of them share.",
                )
            repository.distrust(distrusted)
            self.repositories[place] = repository
        return self.repositories[place]


def _is_opened_elsewhere(one: object) -> bool:
    """Looked up once for each class: to look for a protocol's methods takes longer than to pickle a value."""
    kind = type(one)
    if kind not in _opened_elsewhere:
        _opened_elsewhere[kind] = issubclass(kind, LoadedElsewhere | ReadElsewhere)
    return _opened_elsewhere[kind]


def _common(one: object) -> Opened | None:
    if isinstance(one, DatabaseAddress):
        plain = {f.name: getattr(one, f.name) for f in fields(one) if f.name != "password"}
        return "address", plain
    if isinstance(one, Settings | Run | SecretStr):
        raise NotSent(f"{type(one).__name__} holds what only this machine may know")
    return None


def _identity(repository: Repository) -> object:
    """What tells a folder from another of the same path on another machine; None for a store on the network."""
    if repository.local_folder is None:
        return None
    found = (repository.local_folder / "config.json").stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


def _pickled(value: object, stand_in: Any) -> bytes:
    class Pickler(pickle.Pickler):
        def persistent_id(self, one: object) -> Opened | None:
            found: Opened | None = stand_in(one)
            return found

        def reducer_override(self, one: object) -> Any:
            return (_read_only, (dict(one),)) if isinstance(one, MappingProxyType) else NotImplemented

    into = io.BytesIO()
    Pickler(into, protocol=5).dump(value)
    return into.getvalue()


def _read_only(content: dict[Any, Any]) -> MappingProxyType[Any, Any]:
    """A function of ours stands for the type, which pickle looks for among the built-in names, where it is not."""
    return MappingProxyType(content)


def _unpickled(data: bytes, original: Any) -> Any:
    class Unpickler(pickle.Unpickler):
        def persistent_load(self, sent: Opened) -> object:
            return original(*sent)

    return Unpickler(io.BytesIO(data)).load()
