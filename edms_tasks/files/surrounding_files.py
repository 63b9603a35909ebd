"""List the files around an EDMS that are in no root: below folders that its settings name, and below its project.

Folders of code are not entered: Python packages, templates, static files, version control, virtual environments. Neither are
roots, which have been listed, our own folders, and folders that restores set aside. Of a root nothing is listed, even if a setting
or a link leads to a folder inside it. Links to folders are followed; each folder is entered once.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

MOST_FILES = 2_000_000
"""Files listed at most; the folders that settings name come first."""

OF_THE_MACHINE = ("/bin", "/boot", "/dev", "/etc", "/lib", "/lib64", "/proc", "/run", "/sbin", "/sys", "/usr")
"""Folders that hold no files of an EDMS."""

SCHEMA = pa.schema([pa.field("base", pa.string()), pa.field("named", pa.bool_()), pa.field("path", pa.string())])

_AT_ONCE = 65_536
_NOT_ENTERED = {os.fsencode(folder) for folder in OF_THE_MACHINE}
_CODE_NAMES = {b"node_modules", b"site-packages", b"__pycache__", b".git", b".hg", b".svn", b".tox"}
_SET_ASIDE = re.compile(rb"\.(?:previous-|undone-|edms-staging)[0-9A-Za-z-]*$")  # by restores
_CODE_MARKS = {b"__init__.py", b"pyvenv.cfg"}
_CODE_FILES = (b".py", b".pyc", b".so", b".po", b".mo", b".sqlite3", b".sqlite3-wal", b".sqlite3-shm")

Folder = tuple[Path, bool]  # and whether it was named as a folder of files


def list_around(folders: Sequence[Folder], passed_by: Sequence[Path], known: Sequence[Path], into: Path) -> bool:
    """Write (base, named, path) of the files below `folders` to a Parquet file; returns whether all were listed.

    Names that are not UTF-8 are left out, because no text can name them. Unreadable folders are skipped, because a backup could
    not store their files either.

    Args:
        folders: where to look, the likeliest first, each with whether the settings name it as a folder of files.
        passed_by: folders that are not entered. One inside may be among `folders`, such as uploads in a virtual environment.
        known: folders of which nothing is listed, at any depth.
        into: the file to write.
    """
    entered = {_identity(os.fsencode(folder)) for folder in (*passed_by, *known)}
    inside = tuple({os.path.realpath(os.fsencode(folder)) for folder in known})
    files = 0
    with pq.ParquetWriter(into, SCHEMA) as writer:
        for folder, named in folders:
            paths: list[str] = []
            for path in _files(folder, entered, inside):
                paths.append(path)
                files += 1
                if len(paths) == _AT_ONCE:
                    _write(writer, folder, named, paths)
                    paths = []
                if files == MOST_FILES:
                    break
            _write(writer, folder, named, paths)
            if files == MOST_FILES:
                return False
    return True


def below(base: str, path: str) -> str:
    """SQL: the path of a listed file below its base."""
    return f"substr({path}, length({base}) + 2)"


def top_folder(base: str, below: str) -> str:
    """SQL: the folder right below the base that holds a file; the base, if the file stands in it."""
    return f"{base} || CASE WHEN contains({below}, '/') THEN '/' || split_part({below}, '/', 1) ELSE '' END"


def _files(base: Path, entered: set[tuple[int, int]], known: tuple[bytes, ...]) -> Iterator[str]:
    if _identity(os.fsencode(base)) in entered or _is_inside(os.fsencode(base), known):
        return
    entered.add(_identity(os.fsencode(base)))
    pending = [os.fsencode(base)]
    while pending:
        above = pending.pop()
        entries = _entries(above)
        if above != os.fsencode(base) and any(entry.name in _CODE_MARKS for entry in entries):
            entered.discard(_identity(above))  # it may also be a base, like the folder of the settings
            continue
        for entry in entries:
            if _is_folder(entry):
                identity = _identity(entry.path)
                if (
                    entry.name not in _CODE_NAMES
                    and not _SET_ASIDE.search(entry.name)
                    and entry.path not in _NOT_ENTERED
                    and identity not in entered
                    and not (entry.is_symlink() and _is_inside(entry.path, known))
                ):
                    entered.add(identity)
                    pending.append(entry.path)
            elif not entry.name.endswith(_CODE_FILES) and _is_text(entry.path) and _is_file(entry):
                yield entry.path.decode()


def _entries(folder: bytes) -> list[os.DirEntry[bytes]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError:
        return []  # skipped, see the module's docstring


def _is_inside(folder: bytes, known: tuple[bytes, ...]) -> bool:
    """Whether a folder is one of these or inside one, links followed."""
    real = os.path.realpath(folder)
    return any(real == one or real.startswith(one.rstrip(b"/") + b"/") for one in known)


def _is_folder(entry: os.DirEntry[bytes]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False  # a circular link


def _is_file(entry: os.DirEntry[bytes]) -> bool:
    try:
        return entry.is_file()
    except OSError:
        return False


def _is_text(path: bytes) -> bool:
    try:
        path.decode()
    except UnicodeDecodeError:
        return False
    return True


def _identity(folder: bytes) -> tuple[int, int]:
    try:
        status = os.stat(folder)  # noqa: PTH116 - names may not be UTF-8
    except OSError:
        return (-1, -1)  # it does not exist or may not be entered, so it is not listed
    return status.st_dev, status.st_ino


def _write(writer: pq.ParquetWriter, base: Path, named: bool, paths: Sequence[str]) -> None:
    if paths:
        columns = {"base": [str(base)] * len(paths), "named": [named] * len(paths), "path": list(paths)}
        writer.write_table(pa.table(columns, schema=SCHEMA))
