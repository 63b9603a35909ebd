"""A database's own files in a folder of files: the file, the links that lead to it, and what stands beside these.

Backups leave them out, since the rows are stored; restores swap the folder around them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

# What SQLite and we keep beside a database: its log, what is staged, locked or set aside.
_BESIDE = re.compile(rb"(-wal|-shm|-journal|\.(edms|previous|undone)-[^/]*)?$")
_MOST_LINKS = 40


def names_in(folder: Path, files: Sequence[Path]) -> tuple[bytes, ...]:
    """The names of databases' files inside a folder, relative to it; the files need not exist.

    Args:
        folder: with or without links on the way to it.
        files: the databases' files. Each may be a link: then every name on the way to the file counts.
    """
    real = folder.resolve()
    found = {name for file in files for name in _names_of(file) if name.is_relative_to(real) and name != real}
    return tuple(sorted(os.fsencode(name.relative_to(real)) for name in found))


def belongs(path: bytes, names: Sequence[bytes]) -> bool:
    """Whether a path below the folder is one of the names, or one of its companions such as a log or lock."""
    return any(path.startswith(name) and _BESIDE.match(path[len(name) :]) for name in names)


def leads_to(path: bytes, names: Sequence[bytes]) -> bool:
    """Whether a path below the folder is a folder that contains one of the names."""
    return any(name.startswith(path + b"/") for name in names)


def _names_of(file: Path) -> Iterator[Path]:
    """Each link on the way to a file, and the file, with no link on the way to them."""
    here, ahead, links = Path("/"), list(file.absolute().parts[1:]), 0
    while ahead:
        part = ahead.pop(0)
        step = here.parent if part == ".." else here / part
        if part != ".." and step.is_symlink() and links < _MOST_LINKS:
            links += 1
            yield step
            to = step.readlink()
            here = Path("/") if to.is_absolute() else here
            ahead = [*(to.parts[1:] if to.is_absolute() else to.parts), *ahead]
        else:
            here = step
    yield here
