"""A restore beside the live system must be beside it: not the live database, and not in its folders of files."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from edms_tasks.databases import Database
from edms_tasks.errors import CommandError

_OF_SQLITE = ("", "-wal", "-shm", "-journal")


def require_apart(live: Database | None, into: str | None, finals: Iterable[Path], folders: Iterable[Path]) -> None:
    """Check the place of a restore with `into`.

    Args:
        live: the live database; None: it is on another server or of another engine.
        into: the file of the new database; None if it is on a server, which knows the names that are taken.
        finals: the folders that files will be restored to.
        folders: the live folders.

    Raises:
        CommandError: it is the live system's.
    """
    living = [Path(os.path.realpath(one)) for one in folders]
    if into is not None:
        place = Path(os.path.realpath(into))
        if live is not None and str(place) in {f"{os.path.realpath(live.address.name)}{end}" for end in _OF_SQLITE}:
            raise _not_apart("This is the live database, or a file that SQLite keeps beside it.", place)
        _require_outside(place, living)
    for final in finals:
        place = Path(os.path.realpath(final))
        _require_outside(place, living)
        if any(one.is_relative_to(place) for one in living):
            raise _not_apart("A live folder of files is inside this folder.", place)


def _require_outside(place: Path, living: Iterable[Path]) -> None:
    if inside := next((one for one in living if place.is_relative_to(one)), None):
        raise _not_apart(f"This is inside {inside}, a live folder of files.", place)


def _not_apart(why: str, place: Path) -> CommandError:
    return CommandError(
        "A restore with --into goes beside the live system, and this is part of it: nothing was restored.",
        where=str(place),
        why=why,
        fix="Name another place with --into and --into-files. Do not remove anything there.",
    )
