"""Write files that must survive a power failure: completely, flushed, readable only by their owner.

The repository's objects, the journal of promotions and the record of the last backup are all written by `NewFile`.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Self

NOT_SUPPORTED = frozenset({errno.EPERM, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})
"""Error numbers of file systems, network shares above all, that lack an operation: hard links, flushing a folder."""


def write_durably(path: Path, content: str | bytes) -> None:
    """Replace `path` and wait until the file and its folder are on the disk; its mode is 0600 whatever the umask."""
    with NewFile(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)
        file.put_in_place()


class NewFile:
    """A new file under a temporary name; it gets its own name when all bytes are on the disk.

    Args:
        path: its final name; the folder is created with it if it is missing.
        made_in: the folder for the temporary file, on the same disk; by default that of `path`. There it is locked while it is written,
            so that whoever clears that folder can tell it from what a killed run has left (`is_being_written`).
    """

    def __init__(self, path: Path, *, made_in: Path | None = None) -> None:
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".new", dir=made_in or path.parent)
        self._file = os.fdopen(descriptor, "wb")  # 0600, by mkstemp
        if made_in is not None:
            with suppress(OSError):  # a network share without locks
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._temporary = Path(temporary)
        self._path = path

    def __enter__(self) -> Self:
        return self

    def write(self, data: bytes) -> None:
        """Append bytes."""
        self._file.write(data)

    def put_in_place(self) -> None:
        """Give the file its name, replacing any file of that name."""
        self._finish()
        self._temporary.replace(self._path)
        flush_folder(self._path.parent)

    def put_where_nothing_is(self) -> bool:
        """Give the file its name unless a file of that name exists; returns whether it got it.

        A hard link is atomic and never replaces an existing name. Network shares often have no hard links; there, two runs that
        create the same file at the same time both succeed.
        """
        self._finish()
        try:
            self._path.hardlink_to(self._temporary)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in NOT_SUPPORTED or self._path.exists():
                raise
            self._temporary.replace(self._path)
        flush_folder(self._path.parent)
        return True

    def __exit__(self, *failure: object) -> None:
        try:
            self._file.close()
        except OSError:
            pass  # the file is removed below, so a failed write does not matter
        finally:
            self._temporary.unlink(missing_ok=True)

    def _finish(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        private_folder(self._path.parent)
        self._file.close()  # and with it the lock: last of all


def is_being_written(path: Path) -> bool:
    """Whether a process is writing this temporary file (`NewFile.made_in`). The kernel gives the lock of a killed one back."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False  # it is gone, or no file
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False  # a network share without locks
    finally:
        os.close(descriptor)
    return False


def remove_durably(path: Path) -> None:
    """Remove a file if it exists, and wait for the disk."""
    try:
        path.unlink()
    except FileNotFoundError:
        return
    flush_folder(path.parent)


def flush_file(path: Path) -> None:
    """Wait until a file that other code has written is on the disk, with its name."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    flush_folder(path.parent)


def flush_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in NOT_SUPPORTED:
            raise  # some network shares cannot sync a folder; nothing more can be done there
    finally:
        os.close(descriptor)


def private_folder(folder: Path) -> Path:
    """Create a folder and its missing parents with mode 0700, whatever the umask; returns the folder.

    Each new name is flushed to the disk, because a power failure could otherwise lose it with all its files.
    """
    if not folder.is_dir():
        private_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
        if stat.S_IMODE(folder.stat().st_mode) & 0o700 != 0o700:  # a umask may also remove the owner's bits
            folder.chmod(0o700)
        flush_folder(folder.parent)
    return folder


def keep_private(folder: Path) -> None:
    """Make a folder and everything in it accessible to its owner only, whatever the umask was when it was written."""
    folder.chmod(0o700)
    for path in folder.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o700 if path.is_dir() else 0o600)
