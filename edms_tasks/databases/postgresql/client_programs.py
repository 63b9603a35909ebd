"""Find PostgreSQL's client programs on this machine, and choose the version for a server.

pg_dump refuses a server newer than itself, pg_restore an archive newer than itself, and an old server does not accept the settings
of a much newer pg_restore. So the server's own version is used if it is installed, otherwise the next newer one. A machine often
has several, and the one in the PATH may be the wrong one.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from edms_tasks.errors import ToolMissing

# Folders of packages, besides those in the PATH.
_KNOWN_PLACES = (
    "/usr/lib/postgresql/*/bin",  # Debian, Ubuntu
    "/usr/pgsql-*/bin",  # RHEL, from postgresql.org
    "/usr/lib/postgresql*/bin",  # SUSE
    "/usr/lib64/postgresql-*/bin",  # Gentoo
    "/usr/libexec/postgresql*",  # Alpine
    "/opt/homebrew/opt/postgresql@*/bin",
    "/opt/homebrew/opt/libpq/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/usr/local/opt/libpq/bin",
    "/home/linuxbrew/.linuxbrew/opt/postgresql@*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
    "/opt/local/lib/postgresql*/bin",  # MacPorts
    "/Library/PostgreSQL/*/bin",
    "/opt/PostgreSQL/*/bin",
    "/usr/local/pgsql/bin",
    "/usr/local/bin",
)
_INSTALL = (
    "Install PostgreSQL's client programs of the server's version (Debian: apt-get install postgresql-client-{version}), "
    "or name their folder: [edms] client_programs."
)
# pg_restore sets transaction_timeout since version 17, and servers before 17 do not have it.
_SETS_TRANSACTION_TIMEOUT = 17


@dataclass(frozen=True)
class Program:
    """A client program."""

    name: str
    path: Path
    version: int  # major: 15
    full_version: str  # "15.14"

    def __str__(self) -> str:
        return f"{self.name} {self.full_version} ({self.path})"


def find_program(name: str, server: int, folder: str = "", *, archive: int = 0) -> Program:
    """The program to use with a server.

    Args:
        name: pg_dump or pg_restore.
        server: the server's major version.
        folder: [edms] client_programs; if it is set, only this folder is searched.
        archive: the version that wrote the archive to read.

    Raises:
        ToolMissing: none of the installed ones can be used.
    """
    found = installed(name, folder)
    needed = max(archive, server if name == "pg_dump" else 0)
    usable = [program for program in found if program.version >= needed and _is_accepted(program, server)]
    if not usable:
        raise _missing(name, found, server, needed, folder)
    # min returns the first of equals: the one in the PATH.
    return min(usable, key=lambda program: (program.version < server, abs(program.version - server)))


def installed(name: str, folder: str = "") -> list[Program]:
    """All installed versions of a program, those in the PATH first."""
    folders = [Path(folder)] if folder else _folders()
    found = [_asked(folder / name) for folder in folders]
    return [program for program in found if program is not None]


def _is_accepted(program: Program, server: int) -> bool:
    return not (program.name == "pg_restore" and 0 < server < _SETS_TRANSACTION_TIMEOUT <= program.version)


def _folders() -> list[Path]:
    named = [Path(part) for part in os.environ.get("PATH", os.defpath).split(os.pathsep) if part]
    known = [folder for pattern in _KNOWN_PLACES for folder in sorted(_matching(pattern), reverse=True)]
    return list(dict.fromkeys([*named, *known]))


def _matching(pattern: str) -> Iterable[Path]:
    return Path("/").glob(pattern.lstrip("/"))


def _asked(path: Path) -> Program | None:
    try:
        stat = path.stat()
    except OSError:  # it does not exist, or we may not read the folder
        return None
    # Debian's program in /usr/bin only starts that of a cluster; those are in the known folders.
    if path.resolve().name == "pg_wrapper" or not shutil.which(path.name, path=str(path.parent)):
        return None
    return _of_version(path, stat.st_mtime_ns)


@lru_cache(maxsize=256)
def _of_version(path: Path, changed: int) -> Program | None:
    try:
        done = subprocess.run(
            [path, "--version"], capture_output=True, text=True, errors="replace", check=False, timeout=60
        )
    except (OSError, subprocess.TimeoutExpired):
        return None  # it cannot run: another architecture, a broken link
    found = re.search(r"\(PostgreSQL\) ((\d+)\S*)", done.stdout)
    return Program(path.name, path, int(found[2]), found[1]) if found and done.returncode == 0 else None


def _missing(name: str, there: list[Program], server: int, needed: int, folder: str) -> ToolMissing:
    where = folder or "PATH and the usual folders"
    version = str(server or needed or "")
    fix = _INSTALL.format(version=version).replace("-client-)", "-client)")
    if not there:
        return ToolMissing(f"{name} is not installed.", where=where, fix=fix)
    found = "Found: " + ", ".join(_described(there)) + "."
    if needed > max(program.version for program in there):
        by = f"the server is version {server}" if server >= needed else f"the archive was written by version {needed}"
        return ToolMissing(f"{name} is too old: {by}.", where=where, why=found, fix=fix)
    return ToolMissing(
        f"{name} is too new for this server of version {server}.",
        where=where,
        why=f"{found} Since version {_SETS_TRANSACTION_TIMEOUT} it sets transaction_timeout, which the server does not know.",
        fix=fix,
    )


def _described(programs: list[Program]) -> Iterator[str]:
    for program in dict.fromkeys(programs):
        yield f"{program.full_version} in {program.path.parent}"
