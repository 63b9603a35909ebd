"""Locks on a database as a whole, which every run takes that replaces it, writes to it as a whole, or copies it.

They stand at the database itself, not in a run's own folder: what two runs share is the target, and often nothing else.
"""

from __future__ import annotations

from typing import Literal, Protocol

LockKind = Literal["work", "still"]
"""work: held alone by whoever restores, merges or rolls back, from the beginning to the end.
still: shared by backups while they read rows and files; held alone for the moment in which these change as a whole."""

SUFFIXES: dict[LockKind, str] = {"work": ".edms-restore-lock", "still": ".edms-swap-lock"}
"""Of lock files, which stand beside a database file or a folder."""


class HeldLock(Protocol):
    """A lock that is held."""

    def require_held(self) -> None:
        """Raises LockLost where it is not held any more."""
