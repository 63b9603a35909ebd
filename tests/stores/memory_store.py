"""An object store in memory, as strict as a server: for what would take a real one minutes."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from edms_tasks.repository.backends.object_store import ListingPage, NoConditionalWrites, ObjectPiece
from edms_tasks.repository.retention_of_objects import Retention


class MemoryStore:
    """Objects in a dictionary.

    Args:
        conditional: "yes": `put_new` is one step; "refused": it is not known; "ignored": it replaces what is there.
        page: how many names a page of a listing has.
    """

    display = "memory"

    def __init__(self, *, conditional: str = "yes", page: int = 1000) -> None:
        self.objects: dict[str, bytes] = {}
        self.uploads: dict[str, dict[int, bytes]] = {}
        self.retained: set[str] = set()
        self.times: dict[str, float] = {}
        self._conditional, self._page = conditional, page
        self._mutex = threading.Lock()

    def size(self, name: str) -> int | None:
        return len(self.objects[name]) if name in self.objects else None

    def read(self, name: str, start: int, length: int) -> ObjectPiece:
        if name not in self.objects:
            raise FileNotFoundError(name)
        data = self.objects[name]
        return ObjectPiece(data[start : start + length], len(data))

    def page(self, folder: str, following: str) -> ListingPage:
        names = sorted(name for name in self.objects if name.startswith(f"{folder}/") and name > following)
        shown = tuple((name, len(self.objects[name])) for name in names[: self._page])
        return ListingPage(shown, shown[-1][0] if len(names) > self._page else "")

    def top_level(self) -> set[str]:
        return {name.split("/")[0] for name in self.objects}

    def put(self, name: str, data: bytes) -> None:
        self.objects[name] = data
        self.times[name] = time.time()

    def put_new(self, name: str, data: bytes) -> bool:
        if self._conditional == "refused":
            raise NoConditionalWrites
        with self._mutex:
            if self._conditional == "yes" and name in self.objects:
                return False
            self.put(name, data)
            return True

    def remove(self, name: str) -> None:
        self.objects.pop(name, None)

    def begin(self, name: str) -> str:
        upload = secrets.token_hex(4)
        self.uploads[upload] = {}
        return upload

    def part(self, name: str, upload: str, number: int, offset: int, data: bytes) -> str:
        self.uploads[upload][number] = data
        return str(number)

    def complete(self, name: str, upload: str, parts: Sequence[str], size: int) -> None:
        if upload not in self.uploads:
            assert len(self.objects[name]) == size  # asked again after the answer was lost
            return
        found = self.uploads.pop(upload)
        data = b"".join(found[int(tag)] for tag in parts)
        assert len(data) == size
        self.put(name, data)

    def abandon(self, name: str, upload: str) -> None:
        self.uploads.pop(upload, None)

    def modified(self, name: str) -> datetime:
        if name not in self.objects:
            raise FileNotFoundError(name)
        return datetime.fromtimestamp(self.times[name], UTC)

    def age(self, name: str) -> float | None:
        return (datetime.now(UTC) - self.modified(name)).total_seconds()

    def require_immutable(self) -> bool:
        return False

    def retain(self, name: str) -> None:
        self.retained.add(name)

    def retained(self, name: str) -> Retention | None:
        return None
