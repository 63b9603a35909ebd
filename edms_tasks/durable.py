"""Files that must survive a power failure: written whole, flushed, readable only by their owner.

The repository's objects, the journal of promotions and the record of the last backup are all written by `NewFile`.
"""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from pathlib import Path
from typing import Self

_NOT_SUPPORTED = frozenset({errno.EPERM, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})


def write_durably(path: Path, content: str | bytes) -> None:
    """Replace `path` whole and wait for the disk, for the file and for its folder; mode 0600 whatever the umask."""
    with NewFile(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)
        file.put_in_place()


class NewFile:
    """A new file under a temporary name; it gets its own name when all bytes are on the disk.

    Args:
        path: the name that it is to get; its folder is made then, where it is missing.
        made_in: the folder in which it is made, on the same disk; by default the one where it will stand.
    """

    def __init__(self, path: Path, *, made_in: Path | None = None) -> None:
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".new", dir=made_in or path.parent)
        self._file = os.fdopen(descriptor, "wb")  # 0600, by mkstemp
        self._temporary = Path(temporary)
        self._path = path

    def __enter__(self) -> Self:
        return self

    def write(self, data: bytes) -> None:
        """Append bytes."""
        self._file.write(data)

    def put_in_place(self) -> None:
        """Give it its name, in place of what stands there."""
        self._finish()
        self._temporary.replace(self._path)
        flush_folder(self._path.parent)

    def put_where_nothing_is(self) -> bool:
        """Give it its name unless that is taken; False where it is.

        A hard link appears whole or not at all, and never over an existing name. Network shares often know none; two
        who make the same file at one instant then both succeed.
        """
        self._finish()
        try:
            self._path.hardlink_to(self._temporary)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in _NOT_SUPPORTED or self._path.exists():
                raise
            self._temporary.replace(self._path)
        flush_folder(self._path.parent)
        return True

    def __exit__(self, *failure: object) -> None:
        try:
            self._file.close()
        except OSError:
            pass  # it was given up, so what did not reach the disk is not missed
        finally:
            self._temporary.unlink(missing_ok=True)

    def _finish(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        private_folder(self._path.parent)


def remove_durably(path: Path) -> None:
    """Remove a file, if it is there, and wait for the disk."""
    try:
        path.unlink()
    except FileNotFoundError:
        return
    flush_folder(path.parent)


def flush_file(path: Path) -> None:
    """Wait until a file that somebody else has written is on the disk, with its name."""
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
        if error.errno not in _NOT_SUPPORTED:
            raise  # some network shares cannot sync a folder, and are as durable as they are
    finally:
        os.close(descriptor)


def private_folder(folder: Path) -> Path:
    """Make a folder and those above it where they are missing; one that is made here is its owner's alone, whatever the umask.

    Each new name is flushed into its folder, or a power failure could lose it with all that is in it.
    """
    if not folder.is_dir():
        private_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
        if stat.S_IMODE(folder.stat().st_mode) & 0o700 != 0o700:  # a umask can take our own bits away too
            folder.chmod(0o700)
        flush_folder(folder.parent)
    return folder


def keep_private(folder: Path) -> None:
    """Make a folder with all that is in it its owner's alone, whatever the umask was when it was written."""
    folder.chmod(0o700)
    for path in folder.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o700 if path.is_dir() else 0o600)
