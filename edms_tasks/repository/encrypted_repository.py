"""Make an encrypted repository, and write the files of its keys."""

from __future__ import annotations

import secrets
from pathlib import Path

from edms_tasks.encryption.key_file import write_key_file
from edms_tasks.encryption.recovery_key import new_recovery_key, read_recovery_key, recovery_key_text
from edms_tasks.encryption.repository_secret import new_secret
from edms_tasks.encryption.write_key import new_write_key, store_write_key
from edms_tasks.errors import CommandError, RepositoryLocked, SettingsError
from edms_tasks.repository.backend import open_backend
from edms_tasks.repository.config import CONFIG, RepositoryConfig, read_config, require_empty, write_config
from edms_tasks.repository.key_holders import holder_with_key, write_holder
from edms_tasks.settings import RepositorySettings

FIRST_HOLDER = "recovery"


def is_encrypted(settings: RepositorySettings) -> bool:
    """Whether the repository at that URL is encrypted; no key is needed to tell."""
    return read_config(open_backend(settings), settings).recipient is not None


def make_encrypted(settings: RepositorySettings, machine: str) -> RepositoryConfig:
    """Write the keys of a new encrypted repository, and then the repository; returns its config.

    The files are those that the settings name: the write key must not exist, a recovery key that exists is used.

    Raises:
        SettingsError: the folder has something else.
        CommandError: the file of a key cannot be written.
    """
    assert settings.write_key is not None and settings.identity is not None
    backend = open_backend(settings)
    require_empty(backend)
    backend.require_immutable()
    if settings.write_key.exists():
        raise SettingsError(
            "The file for the write key exists.",
            where=str(settings.write_key),
            why="It may be the only key to another repository.",
            fix="Move it away, or name another settings file with --config.",
        )
    identity = secrets.token_hex(16)
    secret = new_secret(identity)
    write_key = new_write_key(identity, secret, machine)
    secret = secret.with_signer(write_key.signer, machine)
    there = read_recovery_key(settings.identity)
    recovery = there.keys[0] if there is not None else new_recovery_key()
    # Keys first: a repository without them would be one that nobody can open.
    if there is None:
        said = recovery_key_text(recovery, repository=identity, display=backend.display, root_key=secret.root_key)
        write_key_file(settings.identity, said)
    store_write_key(write_key, settings.write_key)
    write_holder(backend, holder_with_key(secret, FIRST_HOLDER, recovery.recipient))
    config = RepositoryConfig(id=identity, recipient=secret.recipient, signed=True)
    if not write_config(backend, config):
        raise RepositoryLocked(
            "Another run made a repository here at the same time.",
            where=f"{backend.display}: {CONFIG}",
            fix=f"Remove {settings.write_key}, and run `edms-backup init --force` again.",
        )
    return config


def store_new_file(path: Path, text: str) -> None:
    """Write a key's file where there is none, readable by its owner only.

    Raises:
        CommandError: there is a file, or it cannot be written.
    """
    if path.exists():
        raise CommandError(
            "The file exists.", where=str(path), why="It may be the only copy of a key.", fix="Name another file."
        )
    write_key_file(path, text)
