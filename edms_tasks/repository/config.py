"""config.json: marks a folder as a repository, and holds its id, and what its objects are encrypted to."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict, Field

from edms_tasks.errors import AnotherRepository, DamagedRepository, SettingsError
from edms_tasks.json_text import parsed_json
from edms_tasks.repository.backend import Backend
from edms_tasks.settings import RepositorySettings

FORMAT = 2
READABLE = (1, 2)
LARGEST = 64 * 1024
CONFIG = "config.json"
_SCHEME = "age"
OWN_NAMES = frozenset(
    {
        CONFIG,
        "objects",
        "snapshots",
        "signatures",
        "heads",
        "records",
        "reports",
        "proved",
        "keys",
        "log",
        "locks",
        "pending",
        "marks",
        "tmp",
    }
)


class RepositoryConfig(BaseModel):
    """The config of a repository.

    Args:
        id: its id.
        recipient: the public key that its objects are encrypted to; None if they are not.
        signed: whether every snapshot in it is signed.
        format: the format of its newest snapshots.
    """

    model_config = ConfigDict(frozen=True)

    id: str = Field(min_length=1)
    recipient: str | None = None
    signed: bool = False
    format: int = FORMAT


def write_config(backend: Backend, made: RepositoryConfig) -> bool:
    """Write the config of a new repository; False if there is one, as when two runs do so at the same time."""
    config = {
        "format": FORMAT,
        "id": made.id,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        **({"encryption": _encryption(made.recipient)} if made.recipient else {}),
        **({"signed": True} if made.signed else {}),
    }
    return backend.create(CONFIG, json.dumps(config, indent=1).encode())


def change_recipient(backend: Backend, recipient: str) -> None:
    """Name the public key that objects are encrypted to from now on."""
    config = {**_config(backend), "encryption": _encryption(recipient)}
    backend.write(CONFIG, [json.dumps(config, indent=1).encode()])


def _encryption(recipient: str) -> dict[str, str]:
    return {"scheme": _SCHEME, "recipient": recipient}


def upgrade_config(backend: Backend) -> None:
    """Mark a repository of an earlier format as one of this format: a release that cannot read new snapshots refuses it then."""
    config = _config(backend)
    if config["format"] != FORMAT:
        backend.write(CONFIG, [json.dumps({**config, "format": FORMAT}, indent=1).encode()])


def read_config(backend: Backend, settings: RepositorySettings) -> RepositoryConfig:
    """The config of the repository at this backend.

    Raises:
        AnotherRepository: the settings name another one.
        DamagedRepository, SettingsError: its config cannot be read, or is of another format.
    """
    found = _config(backend)
    encryption = found.get("encryption")
    recipient = encryption.get("recipient") if isinstance(encryption, dict) else None
    scheme = encryption.get("scheme") if isinstance(encryption, dict) else None
    if encryption is not None and (scheme != _SCHEME or not isinstance(recipient, str)):
        raise SettingsError(
            "The repository is encrypted in a way that this version does not know.",
            where=f"{backend.display}: {CONFIG}",
            why=f"It names the scheme {scheme!r}; this version knows {_SCHEME!r}.",
            fix="Use the version of edms-backup that wrote it, or a newer one.",
        )
    identity = str(found["id"])
    if settings.id is not None and settings.id != identity:
        raise AnotherRepository(
            "This is not the repository that the settings name.",
            where=backend.display,
            why=f"[repository] id is {settings.id}; this one has the id {identity}.",
            fix="Mount the right disk or fix [repository] url; or, if you mean this one, put its id into [repository] id.",
        )
    return RepositoryConfig(
        id=identity,
        recipient=recipient,
        signed=recipient is not None or found.get("signed") is True,
        format=int(str(found["format"])),
    )


def require_empty(backend: Backend) -> None:
    """Refuse to make a repository in a folder with other files, or with snapshots."""
    if strangers := sorted(backend.top_level() - OWN_NAMES):
        raise SettingsError(
            "The repository's folder contains something else.",
            where=backend.display,
            why=f"It has no config.json, but {strangers[0]!r}.",
            fix="Name a new or empty folder in [repository] url.",
        )
    if any(True for folder in ("snapshots", "heads") for _ in backend.names(folder)):
        raise no_config(backend)


def no_config(backend: Backend) -> DamagedRepository:
    """The error for a folder with snapshots but without a config."""
    return DamagedRepository(
        "The repository's config.json is missing.",
        where=backend.display,
        why="There are snapshots, but no config.json.",
        fix='Put it back: {"format": 2, "id": "<that of [repository] id, else any>", "created": "<any date>"}; then run'
        " `edms-backup verify`.",
    )


def _config(backend: Backend) -> dict[str, object]:
    where = f"{backend.display}: {CONFIG}"
    try:
        config = parsed_json(backend.read(CONFIG, LARGEST))
        version, _ = config["format"], config["id"]
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedRepository(
            "The repository's config.json cannot be read.",
            where=where,
            why=str(error),
            fix="Take it from a copy of the repository. Without one: its id is in the settings ([repository] id) and in the key files, "
            'and the write key of an encrypted one has the recipient: {"format": 2, "id": "…", "created": "<any date>", "encryption": '
            '{"scheme": "age", "recipient": "age1…"}}.',
        ) from error
    if version not in READABLE:
        raise SettingsError(
            "The repository has another format.",
            where=where,
            why=f"It says format {version!r}, this version reads {' and '.join(map(str, READABLE))}.",
            fix="Use the version of edms-backup that wrote it, or a newer one.",
        )
    return dict(config)
