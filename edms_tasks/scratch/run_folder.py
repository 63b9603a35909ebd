"""A run's folder for temporary files. It is removed when the run ends, or by the next run if it was killed."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edms_tasks.durable import private_folder


@contextmanager
def run_folder(workdir: Path, purpose: str) -> Iterator[Path]:
    """Create a folder `<purpose>-…` in `workdir`, and remove those of runs that were killed. Creates `workdir` if needed.

    The folder is locked while it is in use. The kernel releases the lock when its holder dies.
    """
    private_folder(workdir)
    # The lock on `workdir`: a folder that another run has created and not locked yet would look abandoned.
    with _opened(workdir) as parent:
        fcntl.flock(parent, fcntl.LOCK_EX)
        for left in workdir.glob(f"{purpose}-*"):
            _remove_if_abandoned(left)
        folder = Path(tempfile.mkdtemp(prefix=f"{purpose}-", dir=workdir))
        held = os.open(folder, _FOLDER)
        fcntl.flock(held, fcntl.LOCK_EX)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
        os.close(held)


_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    descriptor = os.open(folder, _FOLDER)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _remove_if_abandoned(folder: Path) -> None:
    try:
        with _opened(folder) as held:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder)
    except (BlockingIOError, FileNotFoundError):
        return  # another run uses it, or has just removed it
