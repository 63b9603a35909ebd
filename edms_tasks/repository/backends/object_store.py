"""The requests that a repository makes of a server. Each is small, and may be made again after it failed without an answer.

Errors are those of `edms_tasks.errors`: RepositoryUnreachable for what may work later, others for what will not. A missing name
is a FileNotFoundError.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar

from edms_tasks.repository.retention_of_objects import Retention

T = TypeVar("T")


@dataclass(frozen=True)
class ObjectPiece:
    """Bytes of an object, and the size of the whole object."""

    data: bytes
    total: int


@dataclass(frozen=True)
class ListingPage:
    """A part of a listing: names with sizes. `following` asks for the next part; "" if this is the last one."""

    names: tuple[tuple[str, int], ...]
    following: str = ""


@dataclass(frozen=True)
class Request:
    """What is asked of a store, for those that stand around it: the method's name, the object's, and the bytes that go there."""

    kind: str
    name: str
    sent: int = 0


class NoConditionalWrites(Exception):
    """The store cannot write an object only if there is none of its name."""


class ObjectStore(Protocol):
    """A place for objects."""

    display: str
    """The place in messages, without secrets."""

    def size(self, name: str) -> int | None:
        """The size of an object; None if there is none."""

    def read(self, name: str, start: int, length: int) -> ObjectPiece:
        """At most `length` bytes from `start` on; raises FileNotFoundError."""

    def page(self, folder: str, following: str) -> ListingPage:
        """A part of the listing of everything below a folder; "" for the first one."""

    def top_level(self) -> set[str]:
        """Names of the objects and folders at the top."""

    def put(self, name: str, data: bytes) -> None:
        """Write an object; it is there with all its bytes, or not at all. Replaces one of that name."""

    def put_new(self, name: str, data: bytes) -> bool:
        """Write an object if there is none of that name, as one step; False if there is one. Raises NoConditionalWrites."""

    def remove(self, name: str) -> None:
        """Remove an object, if it exists."""

    def begin(self, name: str) -> str:
        """Begin to write an object in parts; returns what the following calls name it by."""

    def part(self, name: str, upload: str, number: int, offset: int, data: bytes) -> str:
        """Write a part, the first of number 1; returns what `complete` needs of it."""

    def complete(self, name: str, upload: str, parts: Sequence[str], size: int) -> None:
        """Make an object of the parts, with all its bytes at once, replacing one of that name."""

    def abandon(self, name: str, upload: str) -> None:
        """Give up an object that was begun."""

    def modified(self, name: str) -> datetime:
        """When the object was written, by the server's clock; raises FileNotFoundError."""

    def age(self, name: str) -> float | None:
        """Seconds since the object was written, by the server's clock alone; None if the server does not tell."""

    def require_immutable(self) -> bool:
        """Whether objects are kept for days after they are written. Raises SettingsError if that is set, and cannot be."""

    def retain(self, name: str) -> None:
        """Keep the object from being changed or removed for the days in the settings, counted from now."""

    def retained(self, name: str) -> Retention | None:
        """How the object is kept from being changed or removed; None if it is not. Raises FileNotFoundError."""


class Around:
    """A store that makes the requests of another one, each through `_around`. Wrappers change only that."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self.display = store.display

    def _around(self, request: Request, ask: Callable[[], T]) -> T:
        return ask()

    def size(self, name: str) -> int | None:
        """See `ObjectStore`."""
        return self._around(Request("size", name), lambda: self._store.size(name))

    def read(self, name: str, start: int, length: int) -> ObjectPiece:
        """See `ObjectStore`."""
        return self._around(Request("read", name), lambda: self._store.read(name, start, length))

    def page(self, folder: str, following: str) -> ListingPage:
        """See `ObjectStore`."""
        return self._around(Request("page", folder), lambda: self._store.page(folder, following))

    def top_level(self) -> set[str]:
        """See `ObjectStore`."""
        return self._around(Request("top_level", ""), self._store.top_level)

    def put(self, name: str, data: bytes) -> None:
        """See `ObjectStore`."""
        return self._around(Request("put", name, len(data)), lambda: self._store.put(name, data))

    def put_new(self, name: str, data: bytes) -> bool:
        """See `ObjectStore`."""
        return self._around(Request("put_new", name, len(data)), lambda: self._store.put_new(name, data))

    def remove(self, name: str) -> None:
        """See `ObjectStore`."""
        return self._around(Request("remove", name), lambda: self._store.remove(name))

    def begin(self, name: str) -> str:
        """See `ObjectStore`."""
        return self._around(Request("begin", name), lambda: self._store.begin(name))

    def part(self, name: str, upload: str, number: int, offset: int, data: bytes) -> str:
        """See `ObjectStore`."""
        return self._around(
            Request("part", name, len(data)), lambda: self._store.part(name, upload, number, offset, data)
        )

    def complete(self, name: str, upload: str, parts: Sequence[str], size: int) -> None:
        """See `ObjectStore`."""
        return self._around(Request("complete", name), lambda: self._store.complete(name, upload, parts, size))

    def abandon(self, name: str, upload: str) -> None:
        """See `ObjectStore`."""
        return self._around(Request("abandon", name), lambda: self._store.abandon(name, upload))

    def modified(self, name: str) -> datetime:
        """See `ObjectStore`."""
        return self._around(Request("modified", name), lambda: self._store.modified(name))

    def age(self, name: str) -> float | None:
        """See `ObjectStore`."""
        return self._around(Request("age", name), lambda: self._store.age(name))

    def require_immutable(self) -> bool:
        """See `ObjectStore`."""
        return self._around(Request("require_immutable", ""), self._store.require_immutable)

    def retain(self, name: str) -> None:
        """See `ObjectStore`."""
        return self._around(Request("retain", name), lambda: self._store.retain(name))

    def retained(self, name: str) -> Retention | None:
        """See `ObjectStore`."""
        return self._around(Request("retained", name), lambda: self._store.retained(name))
