"""The folder of named bytes that the repository needs, made of the requests of an object store.

Objects are written in one request, or in parts where they are large; never more than one part is in memory. What is below
`objects/` may be listed once instead of being asked for one by one.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime

from edms_tasks.errors import EdmsBackupError, RepositoryForbidden
from edms_tasks.repository.backend import Backend
from edms_tasks.repository.backends.object_store import NoConditionalWrites, ObjectStore
from edms_tasks.repository.retention_of_objects import Retention

PART = 8 * 1024 * 1024
"""So much is in memory, and asked for again after a failure. Stores want at least 5 MiB a part, and 10,000 parts at most."""

_LARGER_PART, _PARTS_OF_THE_FIRST_SIZE = 64 * 1024 * 1024, 1000
_LARGEST_LISTING = 200
_TOGETHER = 8


class StoreBackend(Backend):
    """A backend over an object store."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self.display = store.display
        self._there: _Listing | None = None
        self._retains: bool | None = None

    def size(self, name: str) -> int | None:
        """The size of a file in bytes; None if it does not exist."""
        return self._store.size(name)

    def size_when_listed(self, name: str) -> int | None:
        """The same; within `listed_once` from a listing, and from what was written since."""
        there = self._there
        return self._store.size(name) if there is None else there.size(name)

    @contextmanager
    def listed_once(self) -> Iterator[None]:
        """While no other run adds or removes files, ask what there is only once."""
        self._there = _Listing(self._store)
        try:
            yield
        finally:
            self._there = None

    def read(self, name: str, limit: int) -> bytes:
        """The bytes of a file, at most `limit` + 1; raises FileNotFoundError."""
        pieces: list[bytes] = []
        left = limit + 1
        for block in self.opened(name)[1]:
            pieces.append(block[:left])
            left -= len(pieces[-1])
            if not left:
                break
        return b"".join(pieces)

    def blocks(self, name: str) -> Iterator[bytes]:
        """The bytes of a file in blocks of at most `PART` bytes; raises FileNotFoundError."""
        return self.opened(name)[1]

    def opened(self, name: str) -> tuple[int, Iterator[bytes]]:
        """The size of a file and its bytes, by one request if it is not large; raises FileNotFoundError."""
        first = self._store.read(name, 0, PART)

        def following() -> Iterator[bytes]:
            if first.data:
                yield first.data
            done = len(first.data)
            while done < first.total:
                piece = self._store.read(name, done, PART)
                if not piece.data:
                    return  # it became shorter; whoever reads it compares the bytes
                yield piece.data
                done += len(piece.data)

        return first.total, following()

    def names(self, folder: str) -> Iterator[tuple[str, int]]:
        """Names of all files below `folder`, sorted, each with its size in bytes."""
        found: dict[str, int] = {}
        following = ""
        while True:
            page = self._store.page(folder, following)
            found.update(page.names)
            following = page.following
            if not following:
                break
        yield from sorted(found.items())

    def top_level(self) -> set[str]:
        """Names of the files and folders at the root of the backend."""
        return self._store.top_level()

    def write(self, name: str, blocks: Iterable[bytes]) -> None:
        """Write a file atomically, replacing an existing one."""
        parts = in_parts(blocks)
        first = next(parts, b"")
        second = next(parts, None)
        if second is None:
            self._store.put(name, first)
            self._wrote(name, len(first))
            return
        upload = self._store.begin(name)
        try:
            tags, size = [self._store.part(name, upload, 1, 0, first)], len(first)
            del first
            while second is not None:
                tags.append(self._store.part(name, upload, len(tags) + 1, size, second))
                size += len(second)
                second = next(parts, None)
            self._store.complete(name, upload, tags, size)
        except BaseException:
            try:
                self._store.abandon(name, upload)
            except EdmsBackupError:
                pass  # the first error says more; the next run sweeps what was begun
            raise
        self._wrote(name, size)

    def create(self, name: str, data: bytes) -> bool:
        """Write a file unless it exists; False if it does."""
        try:
            return self._store.put_new(name, data)
        except NoConditionalWrites:
            if self._store.size(name) is not None:
                return False
            self._store.put(name, data)
            return True

    def refuses_to_replace(self, name: str, data: bytes) -> bool:
        """Whether `create` is one step here, tried on a file that exists and may be replaced."""
        try:
            return not self._store.put_new(name, data)
        except NoConditionalWrites:
            return False

    def remove(self, name: str) -> None:
        """Remove the file if it exists."""
        self._store.remove(name)
        if self._there is not None:
            self._there.removed(name)

    def modified(self, name: str) -> datetime:
        """When a file was written, by the server's clock; raises FileNotFoundError."""
        return self._store.modified(name)

    def age(self, name: str) -> float | None:
        """Seconds since a file was written, by the server's clock; None if it does not tell."""
        try:
            return self._store.age(name)
        except (FileNotFoundError, RepositoryForbidden):
            return None

    @property
    def retains(self) -> bool:  # type: ignore[override]
        """Whether what is written is kept from being changed or removed for some days."""
        if self._retains is None:
            self._retains = self._store.require_immutable()
        return self._retains

    def require_immutable(self) -> None:
        """Raise SettingsError if the store cannot keep files for the days in the settings."""
        self._retains = self._store.require_immutable()

    def retain(self, names: Iterable[str]) -> None:
        """Keep files from being changed or removed for the days in the settings; those written by this run are kept already."""
        there = self._there
        with ThreadPoolExecutor(_TOGETHER) as threads:
            for _ in threads.map(self._store.retain, (one for one in names if there is None or not there.is_new(one))):
                pass

    def retained(self, name: str) -> Retention | None:
        """How a file is kept from being changed or removed; None if it is not. Raises FileNotFoundError."""
        return self._store.retained(name)

    def _wrote(self, name: str, size: int) -> None:
        if self._there is not None:
            self._there.wrote(name, size)


class _Listing:
    """What is below `objects/`: listed when first asked for, because a listing tells a thousand at once."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._sizes: dict[str, int] | None = None
        self._written: dict[str, int] = {}
        self._too_large = False
        self._mutex = threading.Lock()

    def size(self, name: str) -> int | None:
        """The size of an object; None if there is none."""
        with self._mutex:
            if name in self._written:
                return self._written[name]
            if self._sizes is None and not self._too_large:
                self._sizes = self._listed()
            if self._sizes is not None:
                return self._sizes.get(name)
        return self._store.size(name)

    def is_new(self, name: str) -> bool:
        """Whether this run wrote it."""
        with self._mutex:
            return name in self._written

    def wrote(self, name: str, size: int) -> None:
        """An object was written by this run."""
        if name.startswith("objects/"):
            with self._mutex:
                self._written[name] = size

    def removed(self, name: str) -> None:
        """An object was removed by this run."""
        with self._mutex:
            self._written.pop(name, None)
            if self._sizes is not None:
                self._sizes.pop(name, None)

    def _listed(self) -> dict[str, int] | None:
        """All objects; None if there are too many, or this user may not list them, and they are asked for one by one."""
        sizes: dict[str, int] = {}
        following = ""
        for _ in range(_LARGEST_LISTING):
            try:
                page = self._store.page("objects", following)
            except RepositoryForbidden:
                break
            sizes.update(page.names)
            following = page.following
            if not following:
                return sizes
        self._too_large = True
        return None


def in_parts(blocks: Iterable[bytes | memoryview]) -> Iterator[bytes]:
    """The same bytes in parts of equal size, which grow for the largest objects."""
    waiting, number, size = bytearray(), 0, PART
    for block in blocks:
        waiting += block
        while len(waiting) >= size:
            # The last part may be small, but a file of exactly one part is written by one request.
            yield bytes(waiting[:size])
            del waiting[:size]
            number += 1
            size = PART if number < _PARTS_OF_THE_FIRST_SIZE else _LARGER_PART
    if waiting:
        yield bytes(waiting)
