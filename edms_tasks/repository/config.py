"""config.json: marks a folder as a repository, and holds its id."""

from __future__ import annotations

import json
import secrets
from datetime import UTC, datetime

from edms_tasks.errors import AnotherRepository, DamagedRepository, SettingsError
from edms_tasks.repository.backend import Backend
from edms_tasks.settings import RepositorySettings

FORMAT = 2
READABLE = (1, 2)
LARGEST = 64 * 1024
CONFIG = "config.json"


def write_config(backend: Backend) -> None:
    """Write the config of a new repository. If two runs do so at the same time, the first one's config is used by both."""
    config = {
        "format": FORMAT,
        "id": secrets.token_hex(16),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    backend.create(CONFIG, json.dumps(config, indent=1).encode())


def upgrade_config(backend: Backend) -> None:
    """Mark a repository of an earlier format as one of this format: a release that cannot read new snapshots refuses it then."""
    config = _config(backend)
    if config["format"] != FORMAT:
        backend.write(CONFIG, [json.dumps({**config, "format": FORMAT}, indent=1).encode()])


def read_identity(backend: Backend, settings: RepositorySettings) -> str:
    """The id of the repository at this backend.

    Raises:
        AnotherRepository: the settings name another one.
        DamagedRepository, SettingsError: its config cannot be read, or is of another format.
    """
    identity = str(_config(backend)["id"])
    if settings.id is not None and settings.id != identity:
        raise AnotherRepository(
            "This is not the repository that the settings name.",
            where=backend.display,
            why=f"[repository] id is {settings.id}; this one has the id {identity}.",
            fix="Mount the right disk or fix [repository] url; or, if you mean this one, put its id into [repository] id.",
        )
    return identity


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
        config = json.loads(backend.read(CONFIG, LARGEST))
        version, _ = config["format"], config["id"]
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedRepository(
            "The repository's config.json cannot be read.",
            where=where,
            why=str(error),
            fix='Fix it: {"format": 2, "id": "<any>", "created": "<any date>"}.',
        ) from error
    if version not in READABLE:
        raise SettingsError(
            "The repository has another format.",
            where=where,
            why=f"It says format {version!r}, this version reads {' and '.join(map(str, READABLE))}.",
            fix="Use the version of edms-backup that wrote it, or a newer one.",
        )
    return dict(config)
