"""The repository's lock: one run at a time may write.

Where the repository is a local folder the kernel keeps the lock (`flock`), so a killed run's lock is gone with it.
Elsewhere the lock is an object that is created only if absent and renewed while its holder runs. It is void if it was not
renewed for `VOID_SECONDS`, or if its holder ran on this host and no longer exists.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from edms_tasks.errors import EdmsBackupError, RepositoryLocked
from edms_tasks.repository.backend import Backend

NAME = "locks/repository.json"
RENEW_SECONDS = 20.0
VOID_SECONDS = 120.0
_LARGEST = 64 * 1024


def hold(backend: Backend, purpose: str) -> AbstractContextManager[Callable[[], bool]]:
    """Hold the repository's lock; yields a function that says whether it is still held. Raises RepositoryLocked."""
    if backend.local_folder is not None:
        return _hold_folder(backend, backend.local_folder / NAME, purpose)
    return _hold_object(backend, purpose)


@contextmanager
def _hold_folder(backend: Backend, path: Path, purpose: str) -> Iterator[Callable[[], bool]]:
    with backend.translating(NAME):
        path.parent.mkdir(mode=0o700, exist_ok=True)
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
    if not backend.create(NAME, json.dumps(body).encode()):
        holder = _read(backend)
        is_ours = holder == body  # the store carried out a request whose answer was lost, and then the repeated one
        if holder is not None and not is_ours and not is_void(holder):
            raise _locked(backend, holder)
        # Remove the lock only if it is still the void one: another run may have taken it meanwhile.
        if holder is not None and not is_ours and _read(backend) == holder:
            backend.remove(NAME)
        if not is_ours and not backend.create(NAME, json.dumps(body).encode()) and _read(backend) != body:
            raise _locked(backend, _read(backend) or {})
    stop, lost = threading.Event(), threading.Event()
    keeper = threading.Thread(target=_renew, args=(backend, body, stop, lost), name="repository lock", daemon=True)
    keeper.start()

    def still_held() -> bool:
        return not lost.is_set() and (_read(backend) or {}).get("token") == body["token"]

    try:
        yield still_held
    finally:
        stop.set()
        keeper.join()
        if still_held():
            backend.remove(NAME)


def _renew(backend: Backend, body: dict[str, Any], stop: threading.Event, lost: threading.Event) -> None:
    renewed = time.monotonic()
    while not stop.wait(RENEW_SECONDS):
        try:
            if (_read(backend) or {}).get("token") != body["token"]:
                lost.set()
                return
            backend.write(NAME, [json.dumps(body | {"renewed": time.time()}).encode()])
            renewed = time.monotonic()
        except EdmsBackupError:
            # The backend may answer again; until other runs find the lock void, it is still held.
            if time.monotonic() - renewed > VOID_SECONDS:
                lost.set()
                return


def holder_body(purpose: str) -> dict[str, Any]:
    """Who holds a lock, as it is written down."""
    return {
        "token": secrets.token_hex(16),
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "purpose": purpose,
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
        "renewed": time.time(),
    }


def is_void(holder: dict[str, Any], seconds: float | None = None) -> bool:
    """Whether a holder has not renewed its lock for so long (None: `VOID_SECONDS`), or ran on this host and no longer exists."""
    try:
        if time.time() - float(holder["renewed"]) > (VOID_SECONDS if seconds is None else seconds):
            return True
        return holder["host"] == socket.gethostname() and not _lives(int(holder["pid"]))
    except (KeyError, TypeError, ValueError):
        return True  # not written by a run of this tool, or only in part


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


def _read(backend: Backend) -> dict[str, Any] | None:
    try:
        return _parsed(backend.read(NAME, _LARGEST))
    except FileNotFoundError:
        return None


def _parsed(data: bytes) -> dict[str, Any]:
    try:
        body = json.loads(data)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _locked(backend: Backend, holder: dict[str, Any]) -> RepositoryLocked:
    who = f"process {holder.get('pid', '?')} on {holder.get('host', '?')}, since {holder.get('since', '?')}"
    return RepositoryLocked(
        f"Another run holds the repository: {holder.get('purpose', 'unknown')}.",
        where=backend.display,
        why=who,
        fix="Wait until it has ended. If that process is gone, run the command again.",
    )
