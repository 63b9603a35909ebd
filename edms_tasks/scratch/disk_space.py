"""Check for disk space before anything is written."""

from __future__ import annotations

import shutil
from pathlib import Path

from edms_tasks.errors import NoSpace


def require_space(folder: Path, needed: int, what: str) -> None:
    """Check that the disk of `folder`, which may not exist yet, has `needed` bytes and a tenth more free.

    Raises:
        NoSpace: it has not; the message says that the space is for `what`.
    """
    existing, free = _free(folder)
    if free < needed * 1.1:
        raise NoSpace(
            f"There is not enough disk space for {what}.",
            where=str(existing),
            why=f"{needed:,} bytes are needed, {free:,} are free.",
            fix="Free some space, or point `workdir` (or the target) at a larger disk.",
        )


def has_space(folder: Path, needed: int) -> bool:
    """The same as an answer, for work that can be done in another way that needs less."""
    return _free(folder)[1] >= needed * 1.1


def _free(folder: Path) -> tuple[Path, int]:
    """The part of a path that exists, and the free bytes there."""
    existing = folder
    while not existing.exists():
        existing = existing.parent
    return existing, shutil.disk_usage(existing).free
