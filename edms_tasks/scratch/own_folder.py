"""A folder for one attempt at a task. A worker that was taken for lost may still write, and must not write into the next attempt's."""

from __future__ import annotations

import tempfile
from pathlib import Path


def own_folder(folder: Path) -> Path:
    """A path below `folder` (created) that nobody else uses; nothing is there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix="attempt-", dir=folder)) / "made"
