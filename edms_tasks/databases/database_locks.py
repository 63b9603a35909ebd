"""Locks on a whole database, for runs that replace it, merge into it, or back it up.

They are held at the database itself, not in a run's folder: often two runs share the target and nothing else.
"""

from __future__ import annotations

from typing import Literal, Protocol

LockKind = Literal["work", "still"]
"""work: held exclusively by a restore, merge or rollback from beginning to end.
still: shared by backups while they read rows and files; held exclusively while a swap or a merge changes them."""

SUFFIXES: dict[LockKind, str] = {"work": ".edms-restore-lock", "still": ".edms-swap-lock"}
"""The suffixes of lock files, which are beside a database file or a folder."""


class HeldLock(Protocol):
    """A lock that is held."""

    def require_held(self) -> None:
        """Raise LockLost if it is not held any more."""
