"""The repository's lock: one run at a time may write.

Where the repository is a local folder the kernel keeps the lock (`flock`), so a killed run's lock is gone with it.
Elsewhere the lock is an object that is created only if absent and renewed while its holder runs. It is taken over if it was not
renewed for `VOID_SECONDS` by the server's clock, or if its holder ran on this machine and no longer exists. Whether the store really
creates an object only once is tried each time; where it does not, runs write claims and wait until they see each other's.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from edms_tasks.durable import private_folder
from edms_tasks.errors import EdmsBackupError, RepositoryLocked
from edms_tasks.json_text import parsed_json
from edms_tasks.repository.backend import Backend

NAME = "locks/repository.json"
RENEW_SECONDS = 20.0
VOID_SECONDS = 120.0
SKEW_SECONDS = 600.0
"""So much may the clocks of two hosts differ, where the server does not tell the age of a lock."""

SETTLE_SECONDS = 5.0
_CLAIM = "locks/claim-"
_TICKET = "locks/takeover-"
_LARGEST = 64 * 1024


def hold(backend: Backend, purpose: str) -> AbstractContextManager[Callable[[], bool]]:
    """Hold the repository's lock; yields a function that says whether it is still held. Raises RepositoryLocked."""
    if backend.local_folder is not None:
        return _hold_folder(backend, backend.local_folder / NAME, purpose)
    return _hold_object(backend, purpose)


@contextmanager
def _hold_folder(backend: Backend, path: Path, purpose: str) -> Iterator[Callable[[], bool]]:
    with backend.translating(NAME):
        private_folder(path.parent)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise _locked(backend, _parsed(os.pread(descriptor, _LARGEST, 0))) from error
        with backend.translating(NAME):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps(holder_body(purpose)).encode(), 0)
        yield lambda: True
        # The file stays: if it were removed, two runs could lock two different files of that name.
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


@contextmanager
def _hold_object(backend: Backend, purpose: str) -> Iterator[Callable[[], bool]]:
    body = holder_body(purpose)
    name = _taken(backend, body)
    stop, lost = threading.Event(), threading.Event()
    keeper = threading.Thread(
        target=_renew, args=(backend, name, body, stop, lost), name="repository lock", daemon=True
    )
    keeper.start()

    def still_held() -> bool:
        return not lost.is_set() and (_read(backend, name) or {}).get("token") == body["token"]

    try:
        yield still_held
    finally:
        stop.set()
        keeper.join()
        try:
            for one in {name, NAME}:
                if (_read(backend, one) or {}).get("token") == body["token"]:
                    backend.remove(one)
        except EdmsBackupError:
            pass  # it ends by itself, and an error of the run says more


def _taken(backend: Backend, body: dict[str, Any]) -> str:
    """Take the lock; returns the name of the object that says so. Raises RepositoryLocked."""
    # Read first: a store that ignores the condition of a write would replace another run's lock.
    holder = _read(backend)
    if holder is not None:
        if holder and not is_over(backend, NAME, holder):
            raise _locked(backend, holder)
        _take_over(backend, holder, body)
    elif not _created(backend, NAME, body):
        raise _locked(backend, _read(backend) or {})
    if backend.refuses_to_replace(NAME, json.dumps(body | {"again": True}).encode()):
        return NAME
    return _claimed(backend, body)


def _take_over(backend: Backend, holder: dict[str, Any], body: dict[str, Any]) -> None:
    """Replace the lock of a run that is gone. Of several runs that find it so, the one that creates the ticket may."""
    of = hashlib.sha256(json.dumps(holder, sort_keys=True).encode()).hexdigest()[:16]
    ticket = f"{_TICKET}{of}.json"
    if not _created(backend, ticket, body):
        other = _read(backend, ticket)
        if other is None or not is_over(backend, ticket, other):
            raise _locked(backend, other or {})
        backend.remove(ticket)
        if not _created(backend, ticket, body):
            raise _locked(backend, _read(backend, ticket) or {})
    try:
        if _read(backend) != holder:
            raise _locked(backend, _read(backend) or {})
        backend.remove(NAME)
        if not _created(backend, NAME, body):
            raise _locked(backend, _read(backend) or {})
    finally:
        backend.remove(ticket)


def _claimed(backend: Backend, body: dict[str, Any]) -> str:
    """Take the lock of a store that cannot create an object only once; returns the name of the claim.

    Each run writes a claim of its own, waits until every claim can be seen, and yields to whoever holds the lock, or else claims it
    with a lower token. This relies on a listing showing after `SETTLE_SECONDS` what was written before.
    """
    mine = f"{_CLAIM}{body['token']}.json"
    backend.write(mine, [json.dumps(body).encode()])
    time.sleep(SETTLE_SECONDS)
    for name, _ in list(backend.names("locks")):
        if not name.startswith(_CLAIM) or name == mine:
            continue
        other = _read(backend, name)
        if other is None:
            continue
        if is_over(backend, name, other):
            backend.remove(name)
        elif other.get("held") or str(other.get("token")) < body["token"]:
            backend.remove(mine)
            if (_read(backend) or {}).get("token") == body["token"]:
                backend.remove(NAME)
            raise _locked(backend, other)
    body["held"] = True
    backend.write(mine, [json.dumps(body).encode()])
    return mine


def _created(backend: Backend, name: str, body: dict[str, Any]) -> bool:
    """Whether the object was created by this run: perhaps by a request whose answer was lost."""
    return backend.create(name, json.dumps(body).encode()) or _read(backend, name) == body


def _renew(backend: Backend, name: str, body: dict[str, Any], stop: threading.Event, lost: threading.Event) -> None:
    renewed = time.monotonic()
    while not stop.wait(RENEW_SECONDS):
        try:
            if (_read(backend, name) or {}).get("token") != body["token"]:
                lost.set()
                return
            backend.write(name, [json.dumps(body | {"renewed": time.time()}).encode()])
            renewed = time.monotonic()
        except (EdmsBackupError, OSError):
            # The backend may answer again; until other runs find the lock void, it is still held.
            if time.monotonic() - renewed > VOID_SECONDS:
                lost.set()
                return


def holders(backend: Backend) -> dict[str, dict[str, Any]]:
    """What keeps runs from writing, by the name of the object: the lock, claims, tickets. Not of a folder on this machine."""
    found: dict[str, dict[str, Any]] = {}
    for name, _ in list(backend.names("locks")):
        if name == NAME or name.startswith((_CLAIM, _TICKET)):
            body = _read(backend, name)
            if body is not None:
                found[name] = body
    return found


def is_over(backend: Backend, name: str, holder: dict[str, Any]) -> bool:
    """Whether a holder is provably gone: its process, on this machine; or its lock was not renewed, by the server's own clock."""
    if is_dead(holder):
        return True
    age = backend.age(name)
    if age is not None:
        return age > VOID_SECONDS
    try:
        return time.time() - float(holder["renewed"]) > VOID_SECONDS + SKEW_SECONDS
    except (KeyError, TypeError, ValueError):
        return True  # not written by a run of this tool


def holder_body(purpose: str) -> dict[str, Any]:
    """Who holds a lock, as it is written down."""
    return {
        "token": secrets.token_hex(16),
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "machine": _machine(),
        "purpose": purpose,
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
        "renewed": time.time(),
    }


def is_void(holder: dict[str, Any], seconds: float | None = None) -> bool:
    """Whether a holder has not renewed its lock for so long (None: `VOID_SECONDS`), or ran on this host and no longer exists."""
    try:
        if time.time() - float(holder["renewed"]) > (VOID_SECONDS if seconds is None else seconds):
            return True
    except (KeyError, TypeError, ValueError):
        return True  # not written by a run of this tool, or only in part
    return is_dead(holder)


def is_dead(holder: dict[str, Any]) -> bool:
    """Whether the process is known to be gone. A host of the same name may be another one, as of containers: then nobody knows."""
    try:
        return (
            holder["host"] == socket.gethostname()
            and holder["machine"] == _machine()
            and not _lives(int(holder["pid"]))
        )
    except (KeyError, TypeError, ValueError):
        return False


@cache
def _machine() -> str:
    """This boot of this machine, and the space in which its process ids count."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}/{Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return secrets.token_hex(16)  # not known: no other process is of the same


def _lives(pid: int) -> bool:
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # another user's process
    return True


def _read(backend: Backend, name: str = NAME) -> dict[str, Any] | None:
    try:
        return _parsed(backend.read(name, _LARGEST))
    except FileNotFoundError:
        return None


def _parsed(data: bytes) -> dict[str, Any]:
    try:
        body = parsed_json(data)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _locked(backend: Backend, holder: dict[str, Any]) -> RepositoryLocked:
    who = f"process {holder.get('pid', '?')} on {holder.get('host', '?')}, since {holder.get('since', '?')}"
    return RepositoryLocked(
        f"Another run holds the repository: {holder.get('purpose', 'unknown')}.",
        where=backend.display,
        why=who,
        fix="Wait until it has ended."
        if backend.local_folder is not None
        else f"Wait until it has ended. If it is gone, its lock is taken over {VOID_SECONDS:.0f} seconds after it was last renewed;"
        " to remove it at once: `edms-backup unlock`.",
    )


def lock_lost(display: str) -> RepositoryLocked:
    """The error of a run that finds that it does not have the lock of a repository any more."""
    return RepositoryLocked(
        "This run lost the lock of the repository.",
        where=display,
        why="The lock could not be renewed in time, and another run may have taken it.",
        fix="Run it again; what it stored is reused.",
    )
