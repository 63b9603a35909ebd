"""The locks of a target: its database and its folders, for runs with any settings.

A restore, merge or rollback holds the *work* locks exclusively from beginning to end. Backups share the *still* locks while they read
rows and files; a run that swaps these holds them exclusively during the swap.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from edms_tasks.databases import Database
from edms_tasks.databases.database_locks import SUFFIXES, HeldLock, LockKind
from edms_tasks.errors import DatabaseRefused, LockUnavailable, TargetLocked
from edms_tasks.locking.file_locks import Wait, file_lock, give_up, locked_by

_PAUSE_SECONDS = 0.5


@dataclass(frozen=True)
class Patience:
    """How to wait for a lock that another run holds; each holder is reported once."""

    say: Callable[[str], None]
    waits: bool = True
    pause: Callable[[float], None] = time.sleep

    def waiting(self) -> Wait:
        """The wait for one lock."""
        reported: set[str] = set()

        def wait(locked: TargetLocked) -> None:
            if not self.waits:
                raise locked
            if locked.why not in reported:
                reported.add(locked.why)
                self.say(f"Waiting. {locked.what} ({locked.why})")
            self.pause(_PAUSE_SECONDS)

        return wait


@dataclass(frozen=True)
class HeldLocks:
    """The locks that this run holds."""

    locks: tuple[HeldLock, ...]

    def require_held(self) -> None:
        """Check that all locks are still held; raises LockLost."""
        for lock in self.locks:
            lock.require_held()


@dataclass(frozen=True)
class LiveTarget:
    """A live database and its folders of files.

    Args:
        database: the database, or another one on the same server.
        name: the name of the database.
        folders: the folders, with links resolved.
    """

    database: Database
    name: str
    folders: tuple[Path, ...]

    @contextmanager
    def working(self, purpose: str) -> Iterator[HeldLocks]:
        """Hold the work locks, so that no other run restores, merges or rolls back; raises TargetLocked without waiting."""
        with self._locked("work", shared=False, purpose=purpose, wait=give_up) as held:
            yield held

    @contextmanager
    def still(self, purpose: str, patience: Patience) -> Iterator[HeldLocks]:
        """Hold the still locks exclusively for a swap: wait for running backups, and make new ones wait."""
        with self._locked("still", shared=False, purpose=purpose, wait=patience.waiting()) as held:
            yield held

    @contextmanager
    def read_together(self, purpose: str, patience: Patience) -> Iterator[tuple[HeldLocks, tuple[str, ...]]]:
        """Share the still locks while rows and files are read; also returns sentences on what could not be locked."""
        unlocked: list[str] = []
        with self._locked("still", shared=True, purpose=purpose, wait=patience.waiting(), unlocked=unlocked) as held:
            yield held, tuple(unlocked)

    def worked_on_by(self) -> TargetLocked | None:
        """The error naming the run that is restoring, merging or rolling back now; None if there is none."""
        for folder in self._sorted():
            if locked := locked_by(_beside(folder, "work"), f"the folder {folder}"):
                return locked
        return self.database.locked_by(self.name, "work")

    @contextmanager
    def _locked(
        self, kind: LockKind, *, shared: bool, purpose: str, wait: Wait, unlocked: list[str] | None = None
    ) -> Iterator[HeldLocks]:
        """Take all locks of a kind, always in the same order; with `unlocked`, report locks that cannot be taken there."""
        with ExitStack() as stack:
            held: list[HeldLock] = []
            try:
                held.append(
                    stack.enter_context(self.database.lock(self.name, kind, shared=shared, purpose=purpose, wait=wait))
                )
            except (LockUnavailable, DatabaseRefused) as error:
                if unlocked is None:
                    raise
                unlocked.append(f"{error.what} {error.where} {error.why}")
            for folder in self._sorted():
                _make_room(folder, stack, made=not shared)
                try:
                    lock = file_lock(
                        _beside(folder, kind),
                        f"the folder {folder}",
                        shared=shared,
                        purpose=purpose,
                        like=folder,
                        wait=wait,
                    )
                    held.append(stack.enter_context(lock))
                except LockUnavailable as error:
                    if unlocked is None:
                        raise
                    unlocked.append(f"{error.what} {error.where} {error.why}")
            yield HeldLocks(tuple(held))

    def _sorted(self) -> Sequence[Path]:
        return sorted(set(self.folders))


def _beside(folder: Path, kind: LockKind) -> Path:
    return folder.with_name(folder.name + SUFFIXES[kind])


def _make_room(folder: Path, stack: ExitStack, *, made: bool) -> None:
    """Create the folder for the lock file if it is missing, and remove it afterwards if it is empty."""
    if not made or folder.parent.is_dir():
        return
    missing = [above for above in folder.parents if not above.exists()]
    folder.parent.mkdir(parents=True, exist_ok=True)
    for above in reversed(missing):
        stack.callback(_remove_if_empty, above)


def _remove_if_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:
        pass  # no longer empty
