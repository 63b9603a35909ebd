"""Access paths of any length: Linux accepts at most 4,095 bytes in a call (PATH_MAX), and folders can be nested far deeper.

A longer path is opened in pieces, each relative to the folder that the previous piece opened.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

_LONGEST = 4000
"""Bytes given to one system call; some below PATH_MAX."""


def list_folder(path: bytes) -> list[bytes]:
    """The names in a folder. Raises OSError."""
    with _reached(path) as (folder, name):
        if folder is None:
            return os.listdir(name)  # noqa: PTH208 - names may not be UTF-8
        descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=folder)
        try:
            return [os.fsencode(found) for found in os.listdir(descriptor)]  # noqa: PTH208 - of a descriptor
        finally:
            os.close(descriptor)


def status_of(path: bytes, *, follow_links: bool) -> os.stat_result:
    """The status of a path. Raises OSError."""
    if len(path) <= _LONGEST:  # this runs for every file
        return os.stat(path, follow_symlinks=follow_links)  # noqa: PTH116 - bytes, which may not be UTF-8
    with _reached(path) as (folder, name):
        return os.stat(name, dir_fd=folder, follow_symlinks=follow_links)


def open_path(path: bytes, flags: int) -> int:
    """A descriptor, which the caller closes. Raises OSError."""
    with _reached(path) as (folder, name):
        return os.open(name, flags, dir_fd=folder)


@contextmanager
def _reached(path: bytes) -> Iterator[tuple[int | None, bytes]]:
    """The folder to start from (None: the path is short enough as it is), and what is left of the path."""
    folder: int | None = None
    try:
        while len(path) > _LONGEST:
            cut = path.rfind(b"/", 1, _LONGEST)
            if cut < 0:
                break  # a single name is longer than PATH_MAX; the system refuses it
            above, folder = folder, os.open(path[:cut], os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=folder)
            if above is not None:
                os.close(above)
            path = path[cut:].lstrip(b"/")
        yield folder, path
    finally:
        if folder is not None:
            os.close(folder)
