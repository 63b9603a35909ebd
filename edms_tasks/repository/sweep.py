"""Remove objects that no snapshot names. The caller holds the repository's lock and knows every object that is needed.

On a local file system the kernel keeps that lock, and a listing is complete: what is not needed is removed at once. Elsewhere a lock
can expire and a listing can be behind. There an object is first *marked* (`marks/<token>.json`), and removed by a later sweep, at least
a grace period after that, if still no snapshot names it. Times are the store's own where it tells them, so a wrong clock here
shortens nothing.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from edms_tasks.errors import RepositoryForbidden
from edms_tasks.json_text import parsed_json
from edms_tasks.repository.backend import Backend

GRACE = timedelta(hours=24)
_LARGEST_MARK = 256 * 1024 * 1024
_REFUSALS = 20
_SECONDS_BETWEEN_CHECKS = 20.0


@dataclass(frozen=True)
class Swept:
    """The result of a sweep: removed objects that no snapshot names, and partially written files."""

    objects: int = 0
    bytes: int = 0
    temporary: int = 0
    skipped: str = ""  # why no object was removed; "" if nothing prevented it
    marked: int = 0  # objects that a later sweep removes
    marked_bytes: int = 0
    refused: int = 0  # objects that the store did not let go, as under an object lock
    why_refused: str = ""


def sweep_objects(
    backend: Backend, needed: Collection[str], require_lock: Callable[[], None], *, grace: timedelta = GRACE
) -> Swept:
    """Remove the objects whose names are not in `needed`, or mark them."""
    there = [(name, size) for name, size in backend.names("objects") if name not in needed]
    if backend.local_folder is not None:
        return _remove(backend, there, require_lock)
    old, young = _marked(backend, grace)
    swept = _remove(backend, [one for one in there if one[0] in old], require_lock)
    left = [(name, size) for name, size in there if name not in old]
    if new := [name for name, _ in left if name not in young]:
        content = {"at": datetime.now(UTC).isoformat(), "objects": new}
        backend.write(f"marks/{secrets.token_hex(8)}.json", [json.dumps(content).encode()])
    # The marks have done their work. What was refused is marked anew, and asked for again after another grace period.
    for mark in set(old.values()):
        _discard(backend, mark)
    return Swept(
        objects=swept.objects,
        bytes=swept.bytes,
        marked=len(left),
        marked_bytes=sum(size for _, size in left),
        refused=swept.refused,
        why_refused=swept.why_refused,
    )


def _remove(backend: Backend, names: Iterable[tuple[str, int]], require_lock: Callable[[], None]) -> Swept:
    objects = total = refused = in_a_row = 0
    why, checked = "", float("-inf")
    for name, size in names:
        if time.monotonic() - checked > _SECONDS_BETWEEN_CHECKS:
            require_lock()
            checked = time.monotonic()
        if in_a_row >= _REFUSALS:
            refused += 1  # it refuses the others as well; each would be a request for nothing
            continue
        try:
            backend.remove(name)
        except RepositoryForbidden as error:
            refused, in_a_row, why = refused + 1, in_a_row + 1, error.why or error.what
            continue
        objects, total, in_a_row = objects + 1, total + size, 0
    return Swept(objects=objects, bytes=total, refused=refused, why_refused=why)


def _marked(backend: Backend, grace: timedelta) -> tuple[dict[str, str], set[str]]:
    """The objects that were marked a grace period ago, each with the name of its mark; and those marked since."""
    old: dict[str, str] = {}
    young: set[str] = set()
    for mark in [name for name, _ in backend.names("marks")]:
        try:
            names, at = _read(backend, mark)
            if not names:
                _discard(backend, mark)
                continue
            seconds = backend.age(mark)
        except FileNotFoundError:
            continue
        age = timedelta(seconds=max(0.0, seconds)) if seconds is not None else datetime.now(UTC) - at
        if age >= grace:
            old |= dict.fromkeys(names, mark)
        else:
            young |= set(names)
    return old, young


def _read(backend: Backend, mark: str) -> tuple[list[str], datetime]:
    """What was marked, and when by the clock of that run; nothing if it is no mark."""
    try:
        found = parsed_json(backend.read(mark, _LARGEST_MARK))
        at = datetime.fromisoformat(found["at"])
        names = [one for one in found["objects"] if isinstance(one, str)]
    except (ValueError, KeyError, TypeError):
        return [], datetime.now(UTC)  # what it marked is marked anew
    return names, at if at.tzinfo else at.replace(tzinfo=UTC)


def _discard(backend: Backend, mark: str) -> None:
    try:
        backend.remove(mark)
    except RepositoryForbidden:
        pass  # under an object lock; it names nothing that is still there
