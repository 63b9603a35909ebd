"""Remove the lock of a run that is gone, where this machine cannot know that it is."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edms_tasks.errors import RepositoryLocked
from edms_tasks.json_text import parsed_json
from edms_tasks.repository.backend import Backend
from edms_tasks.repository.repository_lock import NAME, holders, is_over


@dataclass(frozen=True)
class LockHolder:
    """A run that locked the repository.

    Args:
        name: of the object that says so.
        body: its content.
        over: whether the next run takes the lock over by itself.
        age: seconds since the lock was renewed, by the server's clock; None if it does not tell.
    """

    name: str
    body: dict[str, Any]
    over: bool
    age: float | None

    @property
    def described(self) -> str:
        """Whose lock it is, in one line."""
        body = self.body
        renewed = f", renewed {self.age:.0f} seconds ago" if self.age is not None else ""
        return (
            f"{body.get('purpose', 'a run of unknown kind')}: process {body.get('pid', '?')} on {body.get('host', '?')}, "
            f"since {body.get('since', '?')}{renewed}"
        )


def find_locks(backend: Backend) -> tuple[LockHolder, ...]:
    """Who locks the repository.

    Raises:
        RepositoryLocked: a process on this machine does, or one of the machine that the folder is on; only its end unlocks that.
    """
    if backend.local_folder is not None:
        _require_no_process(backend)
        return ()
    return tuple(
        LockHolder(name, body, is_over(backend, name, body), backend.age(name))
        for name, body in holders(backend).items()
    )


def remove_locks(backend: Backend, found: Sequence[LockHolder]) -> None:
    """Remove these locks, unless others have taken their place.

    Raises:
        RepositoryLocked: one was renewed or taken since it was shown, so its holder lives.
    """
    there = holders(backend)
    for one in found:
        if one.name in there and there[one.name] != one.body:
            raise RepositoryLocked(
                "The lock is in use: it was renewed since it was shown.",
                where=f"{backend.display}: {one.name}",
                why=one.described,
                fix="Wait until that run has ended, or end it.",
            )
    for one in found:
        backend.remove(one.name)


def _require_no_process(backend: Backend) -> None:
    assert backend.local_folder is not None
    path = backend.local_folder / NAME
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        try:
            body = parsed_json(os.pread(descriptor, 65536, 0))
        except ValueError:
            body = {}
        raise RepositoryLocked(
            "A running process holds the repository, so there is no lock to remove.",
            where=backend.display,
            why=LockHolder(NAME, body if isinstance(body, dict) else {}, over=False, age=None).described,
            fix="Wait until it has ended, or end it; its lock ends with it.",
        ) from error
    finally:
        os.close(descriptor)
