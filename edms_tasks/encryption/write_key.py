"""The write key: what a machine needs to make backups in an encrypted repository. It encrypts and signs, and cannot read.

The recipient stands here and not only in the repository: whoever can write there could put a recipient of their own into its
config.json, and read what is backed up from then on.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError, field_validator, model_validator

from edms_tasks.encryption.key_file import write_key_file
from edms_tasks.encryption.recovery_key import Recipient
from edms_tasks.encryption.repository_secret import RepositorySecret
from edms_tasks.encryption.signing import new_signing_key, public_key_of
from edms_tasks.errors import SettingsError

_LARGEST = 64 * 1024
_ABOUT = (
    "Write key of edms-backup: it makes backups in this repository, and reads none. Keep it private: whoever has it can add"
    " backups in this machine's name."
)


class WriteKey(BaseModel):
    """A machine's key for one repository.

    Args:
        repository: the repository's id.
        recipient: what the repository's objects are encrypted to; None if it is not encrypted.
        names: 64 hex digits, the key of the names of objects; None if it is not encrypted.
        signing_key: 64 hex digits, the secret of the Ed25519 key pair that signs snapshots.
        machine: who signs, as people call it.
        all_signed: whether every snapshot of the repository is signed, because it was made with this key or is encrypted.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    repository: str
    recipient: Recipient | None
    names: SecretStr | None
    signing_key: SecretStr
    machine: str
    all_signed: bool = True
    created: datetime

    @field_validator("names", "signing_key")
    @classmethod
    def _is_hex(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not re.fullmatch(r"[0-9a-f]{64}", value.get_secret_value()):
            raise ValueError("It must have 64 hex digits.")
        return value

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if (self.recipient is None) != (self.names is None):
            raise ValueError("It must have both a recipient and a key of names, or neither.")
        return self

    @property
    def signer(self) -> str:
        """The public half of the signing key."""
        return public_key_of(self.signing_key)


def new_write_key(repository: str, secret: RepositorySecret | None, machine: str) -> WriteKey:
    """A key with a new signing key pair; `secret` is None if the repository is not encrypted."""
    return WriteKey(
        repository=repository,
        recipient=secret.recipient if secret else None,
        names=secret.names if secret else None,
        signing_key=new_signing_key(),
        machine=machine,
        created=datetime.now(UTC).replace(microsecond=0),
    )


def store_write_key(key: WriteKey, path: Path) -> None:
    """Write the file, readable by its owner only; raises CommandError if it cannot be written."""
    said = key.model_dump(mode="json")
    secrets = {name: value.get_secret_value() for name in ("names", "signing_key") if (value := getattr(key, name))}
    write_key_file(path, json.dumps({"about": _ABOUT, **said, **secrets}, indent=1) + "\n")


def read_write_key(path: Path) -> WriteKey:
    """The key in a file.

    Raises:
        SettingsError: there is no such file, or it holds no write key.
    """
    try:
        with path.open("rb") as file:
            return WriteKey.model_validate_json(file.read(_LARGEST))
    except OSError as error:
        raise SettingsError(
            "The write key cannot be read.",
            where=str(path),
            why=error.strerror or str(error),
            fix="Put the file back, or make another with `edms-backup key writer FILE`; [repository] write_key names it.",
        ) from error
    except ValidationError as error:
        raise SettingsError(
            "This is not a write key.",
            where=str(path),
            # Pydantic's own text would show the values.
            why="; ".join(f"{'.'.join(map(str, one['loc'])) or 'the file'}: {one['msg']}" for one in error.errors()),
            fix="Name the file that `edms-backup init` or `edms-backup key writer` wrote: [repository] write_key.",
        ) from error
