"""The record of the last backup in the working folder: its repository and its snapshot.

Only a record outside the repository shows that the repository is missing, or an older copy of itself. It is one file for
each EDMS and repository, `last/….json`. If it is lost, the next backup cannot make this comparison; nothing else is lost.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import Field, ValidationError

from edms_tasks.durable import private_folder, write_durably
from edms_tasks.inventory.model import EdmsIdentity, Value
from edms_tasks.lineage.owner import KnownEdms
from edms_tasks.repository.chain import Mark
from edms_tasks.settings import Settings

_FOLDER = "last"
_SECRET_NAME = re.compile(r"PASS|PWD|SECRET|KEY|TOKEN|CREDENTIAL", re.IGNORECASE)
_PASSWORD_IN_URL = re.compile(r"(?<=//)[^/?#]*@")  # and the user name


class BackupRecord(Value):
    """The last backup of an EDMS into a repository."""

    repository: str
    url: str  # without secrets
    identity: EdmsIdentity
    described: str = ""  # hash of how the settings describe the EDMS; "": written by an earlier release
    snapshot: str = Field(pattern=r"^[0-9a-f]{64}$")
    number: int = Field(ge=1)
    at: datetime

    @property
    def mark(self) -> Mark:
        """The snapshot of this record and its number."""
        return Mark(self.snapshot, self.number)


@dataclass(frozen=True)
class BackupRecords:
    """All records in the working folder, the newest first."""

    witnesses: tuple[BackupRecord, ...] = ()
    unreadable: tuple[str, ...] = ()  # paths of files that contain no record

    def of(self, edms: str | None, repository: str) -> BackupRecord | None:
        """The last backup of this EDMS into this repository."""
        return next((w for w in self.witnesses if w.identity.id == edms and w.repository == repository), None)


def remembered(workdir: Path) -> BackupRecords:
    """Read the records; the newest first."""
    witnesses: list[BackupRecord] = []
    unreadable: list[str] = []
    for path in sorted((workdir / _FOLDER).glob("*.json")):
        try:
            witnesses.append(BackupRecord.model_validate_json(path.read_bytes()))
        except (OSError, ValidationError):
            unreadable.append(str(path))
    return BackupRecords(tuple(sorted(witnesses, key=lambda one: one.at, reverse=True)), tuple(unreadable))


def remember(workdir: Path, witness: BackupRecord) -> None:
    """Write the record atomically, readable by its owner only; raises OSError."""
    key = f"{witness.identity.id}\0{witness.repository}".encode("utf-8", "backslashreplace")
    path = workdir / _FOLDER / f"{hashlib.sha256(key).hexdigest()[:32]}.json"
    private_folder(path.parent)
    write_durably(path, witness.model_dump_json(indent=1))


def known_edms_uninspected(settings: Settings, repository: str) -> KnownEdms:
    """The EDMS as the settings or the records in the working folder describe it, without inspecting it."""
    project, module = str(settings.edms.project or ""), settings.edms.settings or ""
    fitting = [
        witness
        for witness in remembered(settings.workdir).witnesses
        if witness.repository == repository
        and (settings.edms.id is None or witness.identity.id == settings.edms.id)
        and (not project or witness.identity.project == project)
        and (not module or witness.identity.settings_module == module)
    ]
    # Two settings files may share a working folder, and one project may serve two databases.
    ours = [one for one in fitting if one.described == described(settings)]
    ours = ours or [one for one in fitting if not one.described or settings.edms.id is not None]
    found = ours[0].identity if len({one.identity.id for one in ours}) == 1 else None
    others = frozenset(one.identity.id for one in fitting) - {one.identity.id for one in ours}
    return KnownEdms(settings.edms.id or (found.id if found else None), found, None, project, module, others)


def described(settings: Settings) -> str:
    """Hash of how the settings describe the EDMS. Passwords are not part of it: a new one does not make it another EDMS."""
    edms = settings.edms
    url = edms.database_url.get_secret_value() if edms.database_url is not None else ""
    env = {
        name: _PASSWORD_IN_URL.sub("@", value.get_secret_value())
        for name, value in edms.env.items()
        if not _SECRET_NAME.search(name)
    }
    module = edms.settings or os.environ.get("DJANGO_SETTINGS_MODULE", "")
    parts = [str(edms.project or ""), module, edms.database, list(edms.command), _PASSWORD_IN_URL.sub("@", url), env]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode("utf-8", "backslashreplace")).hexdigest()[:32]
