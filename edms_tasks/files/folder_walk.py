"""Walk a folder in the index's order, and report what cannot be stored.

A symbolic link to a regular file is treated as that file; links to folders are not followed. Anything else that is not a file or
folder, and anything unreadable, is reported and skipped: it never ends a backup.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from edms_tasks.databases.database_files import belongs, names_in
from edms_tasks.files.deep_paths import list_folder, status_of
from edms_tasks.files.exclusions import NOTHING, LeaveOut
from edms_tasks.files.index import readable
from edms_tasks.files.read_ahead import FileStatus
from edms_tasks.findings import make_finding
from edms_tasks.inventory.model import Finding

Tell = Callable[[str, bytes], None]  # code, path

MERGE_STAGING = b".edms-backup-merge"
"""The folder at the top of a root in which a merge stages files; it is there only while one runs, or was killed."""


class WalkedEntry(NamedTuple):
    """A file or folder found on the walk."""

    path: bytes  # relative to the root; b"" is the root itself
    kind: str  # "file" | "dir"
    stat: FileStatus
    link: bool = False  # a symbolic link to a regular file


def walk(
    root: bytes,
    tell: Tell,
    *,
    leave_out: LeaveOut = NOTHING,
    ours: Sequence[Path] = (),
) -> Iterator[WalkedEntry]:
    """Walk a root depth first, names in byte order. Memory holds one folder's names for each level, not the whole tree.

    Args:
        root: the folder; it may be a link to one.
        tell: called with the code of a finding and a path for each problem.
        leave_out: the patterns of what is left out.
        ours: folders of the backup itself, which are not entered, and files of live databases, which are left out with their
            companions. Paths that do not exist are ignored.
    """
    try:
        status = status_of(root, follow_links=True)
    except OSError:
        tell("file-root-missing", b"")
        return
    if not stat.S_ISDIR(status.st_mode):
        tell("file-root-missing", b"")
        return
    yield WalkedEntry(b"", "dir", status)
    folders = {(there.st_dev, there.st_ino) for one in ours if one.is_dir() for there in [one.stat()]}
    databases = names_in(Path(os.fsdecode(root)), [one for one in ours if one.is_file()])
    pending = [iter(_names(root, b"", tell))]
    above = [b""]
    while pending:
        name = next(pending[-1], None)
        if name is None:
            pending.pop()
            above.pop()
            continue
        path = above[-1] + b"/" + name if above[-1] else name
        if path == MERGE_STAGING:
            tell("merge-cut-short", path)
            continue
        if belongs(path, databases):
            tell("database-inside-root", path)
            continue
        if leave_out.excludes(path):
            tell("file-excluded", path)
            continue
        found = _look(root, path, tell)
        if found is None:
            continue
        if found.kind == "dir":
            if (found.stat.st_dev, found.stat.st_ino) in folders:
                tell("repository-inside-root", path)
                continue
            yield found
            names = _names(root, path, tell)
            if leave_out.is_index(names):
                tell("search-index", path)
                continue
            pending.append(iter(names))
            above.append(path)
        elif leave_out.is_of_a_running_program(path, found.stat.st_size):
            tell("file-of-a-running-program", path)
        else:
            yield found


def _names(root: bytes, path: bytes, tell: Tell) -> list[bytes]:
    try:
        return sorted(list_folder(root + b"/" + path if path else root))
    except FileNotFoundError:
        tell("file-vanished", path)
    except OSError:
        tell("folder-unreadable", path)
    return []


def _look(root: bytes, path: bytes, tell: Tell) -> WalkedEntry | None:
    full = root + b"/" + path
    try:
        status = status_of(full, follow_links=False)
        link = stat.S_ISLNK(status.st_mode)
        if link:
            try:
                status = status_of(full, follow_links=True)
            except OSError:
                tell("link-dangling", path)
                return None
    except FileNotFoundError:
        tell("file-vanished", path)
        return None
    except OSError:
        tell("file-unreadable", path)
        return None
    if stat.S_ISREG(status.st_mode):
        return WalkedEntry(path, "file", status, link)
    if not stat.S_ISDIR(status.st_mode):
        tell("file-special", path)
    elif link:
        tell("link-to-folder", path)
    else:
        return WalkedEntry(path, "dir", status)
    return None


@dataclass
class Troubles:
    """Collects the problems of a walk, with up to five examples of each kind."""

    root: str

    def __post_init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._examples: dict[str, list[str]] = {}

    def tell(self, code: str, path: bytes) -> None:
        """Count a problem; `code` is the code of a finding."""
        self._counts[code] = self._counts.get(code, 0) + 1
        examples = self._examples.setdefault(code, [])
        if len(examples) < 5:
            examples.append(readable(path) or ".")

    def findings(self) -> tuple[Finding, ...]:
        """One finding for each kind of problem."""
        return tuple(
            make_finding(code, f"files of {self.root}", count=count, examples=tuple(self._examples[code]))
            for code, count in sorted(self._counts.items())
        )
