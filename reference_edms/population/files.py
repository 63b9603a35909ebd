"""Writes files straight into the media root: faster than the storage API, and under exact names."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings


@dataclass(frozen=True)
class StoredFile:
    """A file as its row describes it."""

    name: str
    size: int
    checksum: str


class FileWriter:
    """Puts files of varied size and content below the media root, and counts them."""

    def __init__(self, rng: random.Random) -> None:
        self.files = 0
        self._root = Path(settings.MEDIA_ROOT)
        self._rng = rng
        self._folders: set[Path] = set()

    def store(self, name: str, content: bytes | None = None) -> StoredFile:
        """Write one file, with made-up content unless some is given."""
        content = self._content() if content is None else content
        path = self._root / name
        if path.parent not in self._folders:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._folders.add(path.parent)
        path.write_bytes(content)
        self.files += 1
        return StoredFile(name, len(content), hashlib.sha256(content).hexdigest())

    def _content(self) -> bytes:
        chance = self._rng.random()
        if chance < 0.02:
            return b""
        if chance < 0.06:
            return b"%PDF-1.4\nthe same form, stored again and again\n%%EOF\n"
        size = 300_000 if chance > 0.995 else self._rng.randrange(40, 8_000)
        return b"%PDF-1.4\n" + self._rng.randbytes(size) + b"\n%%EOF\n"
