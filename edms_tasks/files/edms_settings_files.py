"""Files that the EDMS needs besides its data, such as `.env` with its SECRET_KEY: kept in encrypted repositories only.

A restore does not put them in place. The EDMS must work before anything can be restored into it, so they are written into a folder,
for a person to look at.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from edms_tasks.durable import private_folder, write_durably
from edms_tasks.errors import CommandError, DamagedRepository
from edms_tasks.findings import make_finding
from edms_tasks.inventory.model import Finding
from edms_tasks.manifest import ConfigFile
from edms_tasks.repository import Repository

_LARGEST = 16 * 1024 * 1024


def store_config_files(repository: Repository, paths: Sequence[Path]) -> tuple[tuple[ConfigFile, ...], list[Finding]]:
    """Store the files; those that cannot be read are findings, so that a backup does not stop for them."""
    assert repository.is_encrypted or not paths
    stored: list[ConfigFile] = []
    findings: list[Finding] = []
    for path in paths:
        try:
            with path.open("rb") as file:
                data = file.read(_LARGEST + 1)
                mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        except OSError as error:
            why = error.strerror or str(error)
            findings.append(make_finding("config-file-not-stored", str(path), f"It cannot be read: {why}."))
            continue
        if len(data) > _LARGEST:
            findings.append(make_finding("config-file-not-stored", str(path), "It has more than 16 MB."))
            continue
        stored.append(ConfigFile(path=str(path), mode=mode, object=repository.put_bytes(data)))
    return tuple(stored), findings


def write_config_files(repository: Repository, files: Sequence[ConfigFile], folder: Path) -> list[Path]:
    """Write a snapshot's files below a folder, each under its whole former path, readable by their owner only.

    Raises:
        CommandError: a file is there, or cannot be written.
        DamagedRepository: an object is damaged, or a path in the manifest is none.
    """
    written: list[Path] = []
    for one in files:
        target = folder.joinpath(*_parts(one.path))
        if target.exists() or target.is_symlink():
            raise CommandError("A file is there already.", where=str(target), fix="Name a new folder.")
        data = repository.read(one.object)
        try:
            private_folder(target.parent)
            write_durably(target, data)
        except OSError as error:
            raise CommandError(
                "A file cannot be written.",
                where=str(target),
                why=error.strerror or str(error),
                fix="Name a new folder, where this user can write.",
            ) from error
        written.append(target)
    return written


def _parts(path: str) -> tuple[str, ...]:
    """The names on the way to the file, without the root. The manifest is hostile."""
    parts = PurePosixPath(path).parts[1:]
    if not path.startswith("/") or not parts or any(part in (".", "..") or "\0" in part for part in parts):
        raise DamagedRepository(
            "The manifest names a file that cannot be one.", where=path[:200], why="It is not an absolute path."
        )
    return parts
