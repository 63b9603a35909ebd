"""A run's own folder: for temporary files, which goes when the run ends, or for evidence, which stays.

It is locked while it is in use, and the kernel releases the lock when its holder dies. So what is there, not locked and not complete is
of a run that was killed, and the next run removes it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from edms_tasks.durable import private_folder


@contextmanager
def run_folder(workdir: Path, purpose: str) -> Iterator[Path]:
    """Create a folder `<purpose>-…` in `workdir` for temporary files, and remove it at the end, with those that killed runs have left."""
    with _new_folder(workdir, purpose, lambda left: True) as folder:
        try:
            yield folder
        finally:
            shutil.rmtree(folder)


@contextmanager
def kept_folder(parent: Path, purpose: str, *, complete: str) -> Iterator[Path]:
    """Create a folder `<purpose>-…` in `parent` that stays. What killed runs have left there without the file `complete` is removed."""
    with _new_folder(parent, purpose, lambda left: not (left / complete).exists()) as folder:
        yield folder


@contextmanager
def _new_folder(parent: Path, purpose: str, may_be_removed: Callable[[Path], bool]) -> Iterator[Path]:
    private_folder(parent)
    # The lock on `parent`: a folder that another run has created and not locked yet would look abandoned.
    with _opened(parent) as held_parent:
        fcntl.flock(held_parent, fcntl.LOCK_EX)
        for left in parent.glob(f"{purpose}-*"):
            _remove_if_abandoned(left, may_be_removed)
        folder = Path(tempfile.mkdtemp(prefix=f"{purpose}-", dir=parent))
        held = os.open(folder, _FOLDER)
        fcntl.flock(held, fcntl.LOCK_EX)
    try:
        yield folder
    finally:
        os.close(held)


_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    descriptor = os.open(folder, _FOLDER)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _remove_if_abandoned(folder: Path, may_be_removed: Callable[[Path], bool]) -> None:
    try:
        with _opened(folder) as held:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if may_be_removed(folder):
                shutil.rmtree(folder)
    except (BlockingIOError, FileNotFoundError):
        return  # another run uses it, or has just removed it
