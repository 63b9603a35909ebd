"""A run's own folder for temporary files, gone when the run ends and cleared away by the next one if it was killed."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def spool(workdir: Path, purpose: str) -> Iterator[Path]:
    """A fresh folder `<purpose>-…` in `workdir`, which is created; such folders that no living run holds are removed.

    The folder itself is locked while it is in use, and the kernel releases the lock when its holder dies.
    """
    workdir.mkdir(parents=True, exist_ok=True)
    for left in workdir.glob(f"{purpose}-*"):
        _remove_if_abandoned(left)
    folder = Path(tempfile.mkdtemp(prefix=f"{purpose}-", dir=workdir))
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield folder
    finally:
        shutil.rmtree(folder)
        os.close(held)


def _remove_if_abandoned(folder: Path) -> None:
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return  # a living run's
    else:
        shutil.rmtree(folder)
    finally:
        os.close(held)
