"""Where the EDMS keeps the files of a root, as a merge uses it: compared with, staged beside, and written into."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Literal, Protocol

from edms_tasks.files.index import OpenedIndex
from edms_tasks.files.progress import Progress
from edms_tasks.repository import Repository

There = Literal["missing", "same", "differs", "no file"]
"""What is at a name of a live root: nothing, the same content, another, or something that is not a regular file."""

Compare = Callable[[bytes, int, str], There]
"""What is there, for a name, a size and a SHA-256."""

Writes = Mapping[bytes, tuple[bytes, bool]]
"""Name in the snapshot -> name in the target, and whether it replaces a file."""


class LiveFiles(Protocol):
    """The live files of one root."""

    @property
    def address(self) -> str:
        """The path of the folder, or the address in a store."""

    def names(self) -> Iterator[bytes]:
        """The names of all files."""

    def looked_at(self, opened: OpenedIndex) -> AbstractContextManager[Compare]:
        """Compare the files of a snapshot with those that are live."""

    def stage(
        self, opened: OpenedIndex, writes: Writes, size: int, repository: Repository, progress: Progress | None
    ) -> None:
        """Fetch the contents (`size` bytes in all) beside the live files, and verify each; nothing live changes.

        Raises:
            DamagedRepository: a content is missing or altered.
            NoSpace: there is too little space.
        """

    def move_in(self, root: str, writes: Writes, aside: Path) -> None:
        """Move what was staged to its names; the files of the root `root` that are replaced are kept in `aside`.

        Raises:
            MergeRefused: a file has appeared at one of the names since the plan.
        """

    def take_back(self) -> None:
        """Undo `move_in`, as far as it came."""

    def remove_staged(self) -> None:
        """Remove what was staged, by this run or by one that was killed."""
