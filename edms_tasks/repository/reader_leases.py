"""Leases of readers: while a restore reads a snapshot, no prune removes what it reads.

    locks/reading-<token>.json     which snapshots a run reads, and when it last said so

A reader writes its lease first and reads the manifest after that. A prune removes the manifest first and looks at the leases after
that, before it removes an object. So either the prune sees the lease, or the reader does not find the manifest and says so.
"""

from __future__ import annotations

import json
import re
import secrets
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

from edms_tasks.errors import EdmsBackupError, RepositoryForbidden, UnknownSnapshot
from edms_tasks.json_text import parsed_json
from edms_tasks.repository.backend import Backend
from edms_tasks.repository.repository_lock import RENEW_SECONDS, holder_body, is_dead, is_void
from edms_tasks.repository.stored_manifests import snapshot_name

VOID_SECONDS = 3600.0
"""A lease lasts that long after it was last renewed, by the clock of the place if it tells the time."""

_PREFIX = "locks/reading-"
_LARGEST = 1024 * 1024
_ID = re.compile(r"[0-9a-f]{64}")


@contextmanager
def reading(backend: Backend, snapshots: Collection[str], purpose: str) -> Iterator[str]:
    """While inside, no prune removes these snapshots. Yields why there is no lease, or "": a reader may have no right to write.

    Raises:
        UnknownSnapshot: a prune has removed one of them before the lease was written.
    """
    if backend.read_only:
        yield ""  # nothing can be removed from it
        return
    body = {**holder_body(purpose), "snapshots": sorted(snapshots)}
    name = f"{_PREFIX}{secrets.token_hex(8)}.json"
    try:
        backend.write(name, [json.dumps(body).encode()])
    except EdmsBackupError as error:
        yield " ".join(part for part in (error.what, error.why) if part)
        return
    stop = threading.Event()
    keeper = threading.Thread(target=_renew, args=(backend, name, body, stop), name="reader's lease", daemon=True)
    keeper.start()
    try:
        for snapshot in snapshots:
            if backend.size(snapshot_name(snapshot)) is None:
                raise UnknownSnapshot(
                    "A prune has removed the snapshot.",
                    where=f"{backend.display}: {snapshot[:12]}",
                    fix="Choose another one: `edms-backup list`.",
                )
        yield ""
    finally:
        stop.set()
        keeper.join()
        try:
            backend.remove(name)
        except EdmsBackupError:
            pass  # it is void in an hour, or when the next prune on this host sees that this process is gone


def readers(backend: Backend) -> dict[str, str]:
    """The snapshots that are being read -> who reads them. Leases of readers that are gone are removed."""
    found: dict[str, str] = {}
    for name, _ in list(backend.names("locks")):
        if not name.startswith(_PREFIX):
            continue
        try:
            body = parsed_json(backend.read(name, _LARGEST))
            snapshots = [one for one in body["snapshots"] if _ID.fullmatch(one)]
            void = is_void(body, VOID_SECONDS) and _is_over(backend, name, body)
        except FileNotFoundError:
            continue
        except (ValueError, KeyError, TypeError):
            snapshots, void = [], True  # leases are written atomically: this is none
        if void:
            backend.remove(name)
            continue
        who = f"{body.get('purpose')} of process {body.get('pid')} on {body.get('host')}, since {body.get('since')}"
        found |= dict.fromkeys(snapshots, who)
    return found


def _is_over(backend: Backend, name: str, body: dict[str, Any]) -> bool:
    """Whether a lease that this machine's clock calls void is: this clock may be wrong, so the place's own clock decides."""
    if is_dead(body) or "renewed" not in body:
        return True
    try:
        age = backend.age(name)
    except RepositoryForbidden:
        age = None  # it may only be read here
    return age is None or age > VOID_SECONDS


def being_read(backend: Backend, there: Collection[str]) -> str:
    """Who reads a snapshot that is not `there` any more, so that its objects are not known; "" if nobody does."""
    gone = {name: who for name, who in readers(backend).items() if name not in there}
    return next((f"{name[:12]} is being read by a {who}" for name, who in gone.items()), "")


def _renew(backend: Backend, name: str, body: dict[str, Any], stop: threading.Event) -> None:
    while not stop.wait(RENEW_SECONDS):
        try:
            backend.write(name, [json.dumps(body | {"renewed": time.time()}).encode()])
        except (EdmsBackupError, OSError):
            continue  # the backend may answer again; until then the lease is what it was
