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
    existing = folder
    while not existing.exists():
        existing = existing.parent
    free = shutil.disk_usage(existing).free
    if free < needed * 1.1:
        raise NoSpace(
            f"There is not enough disk space for {what}.",
            where=str(existing),
            why=f"{needed:,} bytes are needed, {free:,} are free.",
            fix="Free some space, or point `workdir` (or the target) at a larger disk.",
        )
