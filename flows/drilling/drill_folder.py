"""The folder of a drill: removed when it ends, or by the next drill if it was killed.

It may be made in a folder that others use, such as /var/tmp. So another one is removed only if it has our mark in it, belongs to
this user, and its lock is free, which the kernel gives back when its holder dies.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from edms_tasks.durable import private_folder
from edms_tasks.errors import TerminalError

_PREFIX = "edms-drill-"
_MARK = ".made-by-an-edms-backup-drill"
_TEXT = "This folder is removed with everything in it when the drill that made it has ended.\n"
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW


@contextmanager
def drill_folder(parent: Path) -> Iterator[Path]:
    """Create a folder in `parent`, and remove those of drills that were killed."""
    private_folder(parent)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    held = os.open(folder, _FOLDER)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)  # before the mark: what is marked and not locked was left
        (folder / _MARK).write_text(_TEXT, encoding="utf-8")
        for other in sorted(parent.glob(f"{_PREFIX}*")):
            if other != folder:
                _remove_if_left(other)
        yield folder
    except BaseException:
        with suppress(TerminalError):  # the drill's own error is the one to tell; the next drill removes the folder
            _remove(folder)
        raise
    else:
        _remove(folder)
    finally:
        os.close(held)


def _remove_if_left(folder: Path) -> None:
    try:
        found = os.open(folder, _FOLDER)
    except OSError:
        return  # no folder, or another user's
    try:
        fcntl.flock(found, fcntl.LOCK_EX | fcntl.LOCK_NB)
        mark = folder / _MARK
        ours = os.fstat(found).st_uid == os.geteuid() and mark.is_file() and not mark.is_symlink()
        if ours and mark.read_text(encoding="utf-8", errors="replace") == _TEXT:
            _remove(folder)
    except BlockingIOError:
        return  # another drill is at work in it
    finally:
        os.close(found)


def _remove(folder: Path) -> None:
    """Remove a folder, also with folders in it that their modes, as they were in the EDMS, close to their owner."""
    try:
        for path, names, _ in os.walk(folder):
            for name in names:
                inner = Path(path, name)
                if not inner.is_symlink() and stat.S_IMODE(inner.stat().st_mode) & 0o700 != 0o700:
                    inner.chmod(0o700)
        shutil.rmtree(folder)
    except OSError as error:
        raise TerminalError(
            "The copy that a drill made could not be removed.",
            where=str(folder),
            why=error.strerror or str(error),
            fix="Remove the folder: it may hold rows and files of the EDMS. The next drill tries it, too.",
        ) from error
