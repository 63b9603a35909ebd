"""Merge files into a folder: staged in a folder inside it, and linked to their names from there.

A file that is replaced is so in one step, never missing in between, and stays linked in the staging folder: taking it back gives back
the file itself, with its owner and times. On shares without hard links it is moved there, so that for a moment it is missing.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from edms_tasks.durable import NOT_SUPPORTED
from edms_tasks.errors import MergeRefused, TerminalError
from edms_tasks.files.deep_paths import open_path
from edms_tasks.files.folder_walk import MERGE_STAGING, walk
from edms_tasks.files.index import OpenedIndex
from edms_tasks.files.index_fetch import folders_of
from edms_tasks.files.index_part import part_of
from edms_tasks.files.progress import Progress
from edms_tasks.files.root_restore import restore_opened
from edms_tasks.merging.live_files import Compare, There, Writes
from edms_tasks.repository import Repository
from edms_tasks.scratch.disk_space import require_space

_STAGING = os.fsdecode(MERGE_STAGING)
_STAGED, _NEXT, _REPLACED = f"{_STAGING}/staged", f"{_STAGING}/next", f"{_STAGING}/replaced"
_NAMED = 5


@dataclass(frozen=True)
class _Replaced:
    before: Path  # the file itself, in the staging folder
    target: Path
    kept: Path  # the same for people, below `workdir`

    def take_back(self) -> None:
        self.before.replace(self.target)
        self.kept.unlink(missing_ok=True)


class MergedFolder:
    """A folder of the EDMS; see `LiveFiles`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._added: list[Path] = []
        self._replaced: list[_Replaced] = []

    @property
    def address(self) -> str:
        """Its path."""
        return str(self._path)

    def names(self) -> Iterator[bytes]:
        """See `LiveFiles`."""
        for found in walk(os.fsencode(self._path), lambda _code, _path: None):
            if found.kind == "file" and not found.path.startswith(MERGE_STAGING + b"/"):
                yield found.path

    @contextmanager
    def looked_at(self, opened: OpenedIndex) -> Iterator[Compare]:
        """See `LiveFiles`. Files of the same size are read."""
        yield partial(_compare, self._path)

    def stage(
        self, opened: OpenedIndex, writes: Writes, size: int, repository: Repository, progress: Progress | None
    ) -> None:
        """See `LiveFiles`."""
        self.remove_staged()
        self._path.mkdir(parents=True, exist_ok=True)
        require_space(self._path, size, f"the files of {opened.index.root.name}")
        folders = {folder for name in writes for folder in folders_of(name, is_folder=False)} | {b""}
        part = part_of(opened, {path: path for path in (*writes, *folders)})
        (self._path / _STAGING).mkdir(mode=0o700)
        (self._path / _REPLACED).mkdir(mode=0o700)
        restore_opened(part, repository, self._path / _STAGED, progress)

    def move_in(self, root: str, writes: Writes, aside: Path) -> None:
        """See `LiveFiles`."""
        for name, (final, replaces) in sorted(writes.items()):
            staged, target = _place(self._path / _STAGED, name), _place(self._path, final)
            _require_plain_folders(self._path, final)
            _make_folders(self._path, self._path / _STAGED, final)
            if replaces:
                kept = _place(aside / root, final)
                kept.parent.mkdir(parents=True, exist_ok=True)
                _keep(target, kept)
                self._replace(staged, target, kept)
            else:
                _add(staged, target)
                self._added.append(target)

    def _replace(self, staged: Path, target: Path, kept: Path) -> None:
        before, following = self._path / _REPLACED / str(len(self._replaced)), self._path / _NEXT
        try:
            os.link(target, before)
            os.link(staged, following)
        except OSError as error:
            if error.errno not in NOT_SUPPORTED:
                raise
            target.rename(before)
            following = staged
        self._replaced.append(_Replaced(before, target, kept))
        following.replace(target)

    def take_back(self) -> None:
        """See `LiveFiles`: the added files are removed, and the replaced ones moved back. Raises TerminalError."""
        undo: list[tuple[Path, Callable[[], None]]] = [
            (target, partial(target.unlink, missing_ok=True)) for target in reversed(self._added)
        ]
        undo += [(one.target, one.take_back) for one in reversed(self._replaced)]
        self._added, self._replaced = [], []
        left: list[str] = []
        why = ""
        for target, taken_back in undo:
            try:
                taken_back()
            except OSError as error:
                left.append(str(target))
                why = error.strerror or str(error)
        if left:
            raise TerminalError(
                "The database is unchanged, but files that the merge had written could not be taken back.",
                where=str(self._path),
                why=f"{why} {len(left):,} files: {', '.join(left[:_NAMED])}",
                fix="Those that were replaced are kept below replaced-by-merges in `workdir`: put these back. The others belong to no "
                "row, and the next merge finds them equal.",
            )

    def remove_staged(self) -> None:
        """See `LiveFiles`."""
        staged = self._path / _STAGING
        if staged.exists():
            shutil.rmtree(staged)


def _compare(live: Path, name: bytes, size: int, sha256: str) -> There:
    path = _place(live, name)
    try:
        descriptor = open_path(os.fsencode(path), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return "missing"
    except NotADirectoryError:
        return "no file"
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):  # a link, a socket
            return "no file"
        raise MergeRefused(
            "A file of the EDMS cannot be read.",
            where=str(path),
            why=error.strerror or str(error),
            fix="Fix its permissions, or run as the user that the EDMS runs as.",
        ) from error
    held = os.fstat(descriptor)
    if not stat.S_ISREG(held.st_mode):  # Python opens no folder as a file
        os.close(descriptor)
        return "no file"
    with os.fdopen(descriptor, "rb") as stream:
        if held.st_size != size:
            return "differs"
        return "same" if hashlib.file_digest(stream, "sha256").hexdigest() == sha256 else "differs"


def _keep(target: Path, kept: Path) -> None:
    try:
        os.link(target, kept)  # it stays as it is: the live name gets another file
    except OSError as error:
        if error.errno not in {*NOT_SUPPORTED, errno.EXDEV}:
            raise
        shutil.copy2(target, kept)


def _add(staged: Path, target: Path) -> None:
    """Give a staged file its name; a file that has appeared there meanwhile is never replaced. Raises MergeRefused."""
    try:
        try:
            os.link(staged, target)
        except OSError as error:
            if error.errno not in NOT_SUPPORTED:
                raise
            with target.open("xb"):  # the name is ours from here on
                staged.replace(target)
    except FileExistsError as error:
        raise MergeRefused(
            "A file has appeared where the merge was to add one of the snapshot's.",
            where=str(target),
            fix="Nothing was changed. Run the merge again.",
        ) from error


def _make_folders(live: Path, staged: Path, name: bytes) -> None:
    """Create the folders of a file, with their permissions and owner in the snapshot, or else those of the parent folder."""
    for folder in folders_of(name, is_folder=False):
        path = _place(live, folder)
        if path.exists():
            continue
        path.mkdir()
        like = _place(staged, folder)
        held = (like if like.is_dir() else path.parent).stat()
        if os.geteuid() == 0:
            os.chown(path, held.st_uid, held.st_gid)
        path.chmod(stat.S_IMODE(held.st_mode))


def _place(root: Path, name: bytes) -> Path:
    """A name of the index, which stays inside the root (`fetch.open_index`), below a folder."""
    return root / os.fsdecode(name)


def _require_plain_folders(live: Path, name: bytes) -> None:
    """Refuse symbolic links among the folders, because they could lead out of the root."""
    for folder in folders_of(name, is_folder=False):
        path = _place(live, folder)
        if path.is_symlink():
            raise MergeRefused(
                "A folder that the merge would write files into is a link.",
                where=str(path),
                fix="Nothing was changed. Make it a folder, or copy the files by hand.",
            )
