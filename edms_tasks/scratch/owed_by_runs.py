"""Remember on disk what a run would owe if it were killed: a file `<token>.json` in a folder, locked by the run that made it.

The kernel gives the lock back when that run dies, so what is there and not locked is of a run that was killed.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edms_tasks.durable import private_folder, write_durably


@contextmanager
def owed(folder: Path, text: str) -> Iterator[None]:
    """Keep the text in the folder for as long as the block runs; the folder is made if it is not there."""
    private_folder(private_folder(folder.parent) / folder.name)
    path = folder / f"{secrets.token_hex(8)}.json"
    with _alone(folder):  # a file that is there and not locked yet would look abandoned
        write_durably(path, text)
        held = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        fcntl.flock(held, fcntl.LOCK_EX)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(held)


def left_by_killed_runs(folder: Path) -> Iterator[Path]:
    """The files of killed runs; each stays locked until the next one is asked for, so that no other run has it, too."""
    if not folder.is_dir():
        return
    with _alone(folder):
        found = sorted(folder.glob("*.json"))
    for path in found:
        try:
            held = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue  # its run has just ended
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.exists():
                yield path
        except BlockingIOError:
            continue  # its run is at work
        finally:
            os.close(held)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)
