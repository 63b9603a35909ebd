"""Copies of objects on this machine: what the next backup needs of the previous one where the repository is elsewhere, or cannot be read.

They are of the machine's own data, and readable by its owner only. What was not used for `UNUSED_DAYS` is removed.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from edms_tasks.durable import NewFile, private_folder
from edms_tasks.manifest import ObjectRef

UNUSED_DAYS = 60
_BLOCK = 1024 * 1024


class ObjectCopies:
    """A folder of objects, named by their SHA-256."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, ref: ObjectRef, path: Path) -> None:
        """Copy a file with the object's bytes, and remove copies that were not used for long."""
        private_folder(self._folder)
        if self.has(ref):
            os.utime(self._folder / ref.sha256)
        else:
            with NewFile(self._folder / ref.sha256) as copy:
                for block in _blocks(path):
                    copy.write(block)
                copy.put_in_place()
        before = time.time() - UNUSED_DAYS * 86_400
        for old in self._folder.iterdir():
            if old.stat().st_mtime < before:
                old.unlink(missing_ok=True)

    def has(self, ref: ObjectRef) -> bool:
        """Whether there is a copy, and it has the object's bytes."""
        path = self._folder / ref.sha256
        try:
            if path.stat().st_size != ref.size:
                return False
            with path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest() == ref.sha256
        except OSError:
            return False  # then the repository is asked, which says what is wrong

    def blocks(self, ref: ObjectRef) -> Iterator[bytes]:
        """The bytes of a copy."""
        return _blocks(self._folder / ref.sha256)


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            yield block
