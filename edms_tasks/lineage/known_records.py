"""The records of a repository that this working folder has seen: `records/<hash of its id and place>.json` in it.

A hold that is deleted from the repository is missed by whoever made it, or pruned before. If this file is lost, the next run starts it
again; records in the repository name each other as well.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from edms_tasks.durable import private_folder, write_durably
from edms_tasks.json_text import parsed_json
from edms_tasks.repository import Repository
from edms_tasks.repository.records import Records

_FOLDER = "records"


def known_records(workdir: Path, repository: str) -> tuple[str, ...]:
    """Ids of the records that were there when this was last written; none if it cannot be read."""
    try:
        found = parsed_json(_path(workdir, repository).read_bytes())
    except (OSError, ValueError):
        return ()
    return tuple(one for one in found if isinstance(one, str)) if isinstance(found, list) else ()


def remember_records(workdir: Path, repository: str, records: Records) -> None:
    """Remember the records that no other one follows; these name all others."""
    path = _path(workdir, repository)
    private_folder(path.parent)
    write_durably(path, json.dumps(records.last))


def remember_written(workdir: Path, repository: Repository) -> None:
    """Remember a record that was just written; not while one is missing, because what is missed must not be forgotten."""
    records = repository.records.read()
    if not records.lost(known_records(workdir, repository.place)):
        remember_records(workdir, repository.place, records)


def _path(workdir: Path, repository: str) -> Path:
    return workdir / _FOLDER / f"{hashlib.sha256(repository.encode()).hexdigest()[:32]}.json"
