"""A read-only backend with a local folder for writes, so that the repository is unchanged.

What stands in the folder is found first. A file that the disk cannot read is *damaged* here: whoever reads through this
place wants what is left of a repository, and no retry will bring back a bad sector.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator

from edms_tasks.errors import DamagedRepository, RepositoryUnreachable
from edms_tasks.repository.backend import Backend


class OverlayBackend(Backend):
    """`own` over `below`.

    Args:
        below: what is only read.
        own: where writes go.
    """

    def __init__(self, below: Backend, own: Backend) -> None:
        self._below = below
        self._own = own
        self.display = below.display

    def size(self, name: str) -> int | None:
        """The size of a file in bytes; None if it does not exist."""
        own = self._own.size(name)
        return self._below.size(name) if own is None else own

    def read(self, name: str, limit: int) -> bytes:
        """All bytes under that name, never more than `limit` and one; raises FileNotFoundError."""
        return self._holder(name).read(name, limit)

    def blocks(self, name: str) -> Iterator[bytes]:
        """The bytes under that name; raises DamagedRepository where the disk cannot read them."""
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
        """Names of all files below `folder` of the place that is only read."""
        return self._below.names(folder)

    def top_level(self) -> set[str]:
        """Names of files and folders directly in the place that is only read."""
        return self._below.top_level()

    def write(self, name: str, blocks: Iterable[bytes]) -> None:
        """Write into the folder."""
        self._own.write(name, blocks)

    def create(self, name: str, data: bytes) -> bool:
        """Write into the folder unless the name is taken."""
        return self._below.size(name) is None and self._own.create(name, data)

    def remove(self, name: str) -> None:
        """Remove it from the folder."""
        self._own.remove(name)

    def _holder(self, name: str) -> Backend:
        return self._below if self._own.size(name) is None else self._own
