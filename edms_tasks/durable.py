"""Files that must survive a power failure and be nobody else's business: written whole, flushed, for their owner only."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path


def write_durably(path: Path, text: str) -> None:
    """Replace `path` whole and wait for the disk, for the file and for its folder; mode 0600 whatever the umask."""
    descriptor, fresh = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".new", dir=path.parent)  # 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(fresh, path)
    except BaseException:
        Path(fresh).unlink(missing_ok=True)
        raise
    flush_folder(path.parent)


def remove_durably(path: Path) -> None:
    """Remove a file, if it is there, and wait for the disk."""
    try:
        path.unlink()
    except FileNotFoundError:
        return
    flush_folder(path.parent)


def flush_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def private_folder(folder: Path) -> Path:
    """Make a folder and those above it where they are missing; one that is made here is its owner's alone, whatever the umask."""
    if not folder.is_dir():
        private_folder(folder.parent) if not folder.parent.is_dir() else None
        folder.mkdir(mode=0o700, exist_ok=True)
        if stat.S_IMODE(folder.stat().st_mode) & 0o700 != 0o700:  # a umask can take our own bits away too
            folder.chmod(0o700)
    return folder


def keep_private(folder: Path) -> None:
    """Make a folder with all that is in it its owner's alone, whatever the umask was when it was written."""
    folder.chmod(0o700)
    for path in folder.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o700 if path.is_dir() else 0o600)
