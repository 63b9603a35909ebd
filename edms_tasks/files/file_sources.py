"""Where the files of a root are: in a folder, or in a store of objects. A backup lists and reads them through one interface."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from pydantic import SecretStr

from edms_tasks.files.exclusions import LeaveOut
from edms_tasks.files.folder_walk import Tell, WalkedEntry, walk
from edms_tasks.files.live_stores import package_missing
from edms_tasks.files.own_headers import HeadersOfPaths
from edms_tasks.files.read_ahead import FileBeingRead, FileToRead, OpenFile
from edms_tasks.inventory.file_stores import is_store
from edms_tasks.inventory.model import FileRoot
from edms_tasks.repository.backends.kept_headers import Headers


class FileSource(Protocol):
    """The files of one root."""

    def walk(self, tell: Tell, leave_out: LeaveOut, ours: Sequence[Path], scratch: Path) -> Iterator[WalkedEntry]:
        """Files and folders in the order of the index, the root first; `tell` gets the code of a finding and a path for each problem."""

    def open(self, file: FileToRead) -> FileBeingRead:
        """A file, to be read."""

    def is_readable(self, path: bytes) -> bool:
        """Whether a file could be read, as far as that can be told without reading it."""

    def noted_headers(self) -> HeadersOfPaths | None:
        """The headers of the objects that were read since the walk, where their names do not say them; None: files have none."""

    def ask_headers(self, paths: Iterator[bytes]) -> Iterator[tuple[bytes, Headers]]:
        """The headers of objects that are not read, where their names do not say them."""


class FolderSource:
    """A folder of this machine."""

    def __init__(self, folder: str) -> None:
        self._base = os.fsencode(folder)

    def walk(self, tell: Tell, leave_out: LeaveOut, ours: Sequence[Path], scratch: Path) -> Iterator[WalkedEntry]:
        """See `folder_walk.walk`."""
        return walk(self._base, tell, leave_out=leave_out, ours=ours)

    def open(self, file: FileToRead) -> FileBeingRead:
        """See `OpenFile`."""
        return OpenFile(self._base, file)

    def is_readable(self, path: bytes) -> bool:
        """By its permissions."""
        return os.access(os.path.join(self._base, path), os.R_OK)  # noqa: PTH118 - names may not be UTF-8

    def noted_headers(self) -> HeadersOfPaths | None:
        """Files have none."""
        return None

    def ask_headers(self, paths: Iterator[bytes]) -> Iterator[tuple[bytes, Headers]]:
        """Files have none."""
        return iter(())


def source_of(root: FileRoot, options: Mapping[str, Mapping[str, SecretStr]]) -> FileSource:
    """The source of a root's files; `options` are those of `[files] options`, by the name of the root.

    Raises:
        SettingsError: the address or an option is not valid, or a package is not installed.
    """
    if not is_store(root.path):
        return FolderSource(root.path)
    try:
        from edms_tasks.files.store_source import open_store_source  # botocore is an extra
    except ImportError as error:
        raise package_missing(root.name, root.path, error) from error
    return open_store_source(root, options.get(root.name, {}))
