"""A lock file beside what it protects. The kernel holds the lock (`flock`) and lets go of it when the holder dies.

Who opens the same file is kept out: another settings file, another user, another container that mounts the folder. Over NFS the lock
reaches other hosts where the mount has locking (not with `nolock` or `local_lock=flock`).
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
from edms_tasks.locking.holders import Holder

Wait = Callable[[TargetLocked], None]
"""Called each time somebody else holds the lock: raises the error it is given, or returns after a while to try again."""

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
        """Raises LockLost where somebody removed the lock file, so that others lock another one."""
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
    """Hold a lock file; it is removed afterwards, unless somebody else holds it too.

    Args:
        path: the lock file; its folder exists.
        what: what it protects, for people.
        shared: whether others may hold it at the same time, if they share it too.
        purpose: "restore", "backup", …
        like: whose owner and permissions the lock file gets, if that is there: whoever uses it must be able to lock it.
        wait: what to do while somebody else holds it.

    Raises:
        TargetLocked: as `wait` says.
        LockUnavailable: no lock file can be made here, or the file system has no locks.
    """
    descriptor, writable = _acquire(path, what, shared=shared, like=like, wait=wait)
    try:
        if writable:
            _sign(descriptor, purpose)
        yield FileLock(path, descriptor)
    finally:
        _release(descriptor, path, shared=shared)


def locked_by(path: Path, what: str) -> TargetLocked | None:
    """Who holds a lock file exclusively, without creating one."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None  # nobody has made one, or it will be reported by whoever wants to hold it
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
                # Its last holder may have removed it between our opening and our locking it.
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
        return  # nothing there yet: ours alone
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
        pass  # others share it, or the folder is not ours to remove from: an unlocked file that stays harms nobody
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
        return json.loads(os.pread(descriptor, 4096, 0))
    except ValueError:
        return None  # being written, or its holder may not write to it


def _unavailable(path: Path, why: str) -> LockUnavailable:
    return LockUnavailable(
        "The lock file cannot be used.",
        where=str(path),
        why=why,
        fix="Run this as a user who may write to that folder, on a file system with locks (NFS: mounted without nolock).",
    )
