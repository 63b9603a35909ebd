"""A backend that leaves a repository unchanged: writes go to a local folder, reads look there first.

A file that the disk cannot read counts as damaged, not as unreachable: a salvage reads what is left of a repository, and
retrying does not bring back a bad sector.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator
from datetime import datetime

from edms_tasks.errors import DamagedRepository, RepositoryUnreachable
from edms_tasks.repository.backend import Backend


class OverlayBackend(Backend):
    """A backend for writes over one that is only read.

    Args:
        below: the repository's backend; only read.
        own: the backend for writes.
    """

    def __init__(self, below: Backend, own: Backend) -> None:
        self._below = below
        self._own = own
        self.display = below.display

    def size(self, name: str) -> int | None:
        """The size of a file in bytes; None if it does not exist."""
        own = self._own.size(name)
        return self._below.size(name) if own is None else own

    def modified(self, name: str) -> datetime:
        """When a file was written; raises FileNotFoundError."""
        return self._holder(name).modified(name)

    def read(self, name: str, limit: int) -> bytes:
        """The bytes of a file, at most `limit` + 1; raises FileNotFoundError."""
        return self._holder(name).read(name, limit)

    def blocks(self, name: str) -> Iterator[bytes]:
        """The bytes of a file in blocks; raises DamagedRepository if the disk cannot read them."""
        try:
            yield from self._holder(name).blocks(name)
        except RepositoryUnreachable as error:
            if not (isinstance(error.__cause__, OSError) and error.__cause__.errno == errno.EIO):
                raise
            raise DamagedRepository(
                "An object of the repository cannot be read.",
                where=error.where,
                why=f"The disk reports an error: {error.why}.",
                fix="Check the disk, and copy what can be read to another one.",
            ) from error

    def names(self, folder: str) -> Iterator[tuple[str, int]]:
        """Names of all files below `folder` in the repository, with their sizes; written files are not among them."""
        return self._below.names(folder)

    def top_level(self) -> set[str]:
        """Names of the files and folders at the root of the repository."""
        return self._below.top_level()

    def write(self, name: str, blocks: Iterable[bytes]) -> None:
        """Write a file to the folder for writes."""
        self._own.write(name, blocks)

    def create(self, name: str, data: bytes) -> bool:
        """Write a file unless it exists in either; False if it does."""
        return self._below.size(name) is None and self._own.create(name, data)

    def remove(self, name: str) -> None:
        """Remove a file from the folder for writes."""
        self._own.remove(name)

    def _holder(self, name: str) -> Backend:
        return self._below if self._own.size(name) is None else self._own
