"""A lock file beside what it protects. The kernel holds the lock (`flock`) and releases it when the holder dies.

The lock works for everyone who opens the same file: with other settings, as another user, in another container that mounts
the folder. Over NFS it works between hosts if the mount has locking (not with `nolock` or `local_lock=flock`).
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edms_tasks.errors import LockLost, LockUnavailable, TargetLocked
from edms_tasks.json_text import parsed_json
from edms_tasks.locking.holders import Holder

Wait = Callable[[TargetLocked], None]
"""Called while another run holds the lock: raises the given error, or returns after a while to try again."""

_UNSUPPORTED = (errno.ENOLCK, errno.EOPNOTSUPP, errno.EBADF, errno.ENOSYS)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ELOOP)


def give_up(locked: TargetLocked) -> None:
    """Do not wait; raises at once."""
    raise locked


@dataclass(frozen=True)
class FileLock:
    """A lock that is held."""

    path: Path
    descriptor: int

    def require_held(self) -> None:
        """Raise LockLost if the lock file was removed: another run could create and lock a new one."""
        if not _is_at(self.descriptor, self.path):
            raise LockLost(
                "The lock file is gone.",
                where=str(self.path),
                why="Somebody removed it while it was in use.",
                fix="Leave lock files alone; run the command again.",
            )


@contextmanager
def file_lock(
    path: Path, what: str, *, shared: bool, purpose: str, like: Path, wait: Wait = give_up
) -> Iterator[FileLock]:
    """Hold a lock file. It is removed afterwards, unless others hold it too.

    Args:
        path: the lock file; its folder exists.
        what: what the lock protects, for messages.
        shared: whether other runs may hold it at the same time, also shared.
        purpose: "restore", "backup", …
        like: the protected file or folder; if it exists, the lock file gets its owner and permissions, so that its users can lock.
        wait: called while another run holds the lock.

    Raises:
        TargetLocked: another run holds it, and `wait` raised.
        LockUnavailable: the lock file cannot be created, or the file system has no locks.
    """
    descriptor, writable = _acquire(path, what, shared=shared, like=like, wait=wait)
    try:
        if writable:
            _sign(descriptor, purpose)
        yield FileLock(path, descriptor)
    finally:
        _release(descriptor, path, shared=shared)


def locked_by(path: Path, what: str) -> TargetLocked | None:
    """The error that names who holds the lock exclusively; None if nobody does. Creates no lock file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None  # there is none, or `file_lock` will report why it cannot be opened
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _locked(descriptor, path, what)
    except OSError:
        return None
    else:
        return None
    finally:
        os.close(descriptor)


def _acquire(path: Path, what: str, *, shared: bool, like: Path, wait: Wait) -> tuple[int, bool]:
    while True:
        descriptor, writable = _open(path, like)
        try:
            try:
                fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
            except BlockingIOError:
                locked = _locked(descriptor, path, what)
            except OSError as error:
                if error.errno not in _UNSUPPORTED:
                    raise
                raise _unavailable(path, f"The file system does not lock: {error.strerror}.") from error
            else:
                # Its last holder may have removed it between our open and our lock.
                if _is_at(descriptor, path):
                    kept, descriptor = descriptor, -1
                    return kept, writable
                continue
        finally:
            if descriptor >= 0:
                os.close(descriptor)
        wait(locked)


def _open(path: Path, like: Path) -> tuple[int, bool]:
    try:
        try:
            made = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            return os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC), True
        _open_to_users_of(like, made)
        return made, True
    except FileNotFoundError:
        if path.parent.is_dir():
            return _open(path, like)  # removed by its last holder just now
        raise _unavailable(path, "Its folder does not exist.") from None
    except OSError as error:
        if error.errno not in _FORBIDDEN:
            raise
        refused = error
    try:
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), False
    except OSError:
        raise _unavailable(path, refused.strerror or str(refused)) from refused


def _open_to_users_of(like: Path, descriptor: int) -> None:
    try:
        status = like.stat()
    except OSError:
        return  # the protected file does not exist yet, so it has no users
    if os.geteuid() == 0:
        os.fchown(descriptor, status.st_uid, status.st_gid)
    elif status.st_gid in os.getgroups():
        os.fchown(descriptor, -1, status.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(status.st_mode) & 0o666 | 0o600)


def _release(descriptor: int, path: Path, *, shared: bool) -> None:
    try:
        if shared:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is_at(descriptor, path):
            path.unlink()
    except OSError:
        pass  # others share it, or we may not remove it: a lock file that stays is harmless
    finally:
        os.close(descriptor)


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        there = os.lstat(path)
    except FileNotFoundError:
        return False
    ours = os.fstat(descriptor)
    return (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)


def _sign(descriptor: int, purpose: str) -> None:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(Holder.present(purpose).as_json()).encode(), 0)


def _locked(descriptor: int, path: Path, what: str) -> TargetLocked:
    return Holder.from_json(_signature(descriptor)).locked(what, where=str(path))


def _signature(descriptor: int) -> Any:
    try:
        return parsed_json(os.pread(descriptor, 4096, 0))
    except ValueError:
        return None  # the holder is just writing it, or may not write to it


def _unavailable(path: Path, why: str) -> LockUnavailable:
    return LockUnavailable(
        "The lock file cannot be used.",
        where=str(path),
        why=why,
        fix="Run this as a user who may write to that folder, on a file system with locks (NFS: mounted without nolock).",
    )
