"""Who can open an encrypted repository: `keys/<name>.json`, the repository's secret encrypted for one holder.

{"name": "office", "kind": "key", "recipient": "age1…", "created": "…", "secret": "-----BEGIN AGE ENCRYPTED FILE-----…"}
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from pydantic import Field, SecretStr, ValidationError

from edms_tasks.encryption.recovery_key import RecoveryKey, checked_recipient
from edms_tasks.encryption.repository_secret import (
    RepositorySecret,
    decrypt_with_keys,
    decrypt_with_passphrase,
    encrypt_for_key,
    encrypt_with_passphrase,
    parsed_secret,
)
from edms_tasks.errors import CommandError
from edms_tasks.inventory.model import Value
from edms_tasks.repository.backend import Backend

_FOLDER = "keys"
_LARGEST = 64 * 1024
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class KeyHolder(Value):
    """A holder, and the secret that is encrypted for them."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    kind: Literal["key", "passphrase"]
    recipient: str | None = None  # the holder's public key; None for a passphrase
    created: datetime
    secret: str


@dataclass(frozen=True)
class KeyHolders:
    """All holders, by name, and the names of files that cannot be read as one."""

    holders: tuple[KeyHolder, ...]
    unreadable: tuple[str, ...]

    def open_with_keys(self, repository: str, keys: Sequence[RecoveryKey]) -> tuple[str, RepositorySecret] | None:
        """The name of the holder whose key is among these, and the repository's secret; None if none of them opens it."""
        for holder in self.holders:
            text = decrypt_with_keys(holder.secret, keys) if holder.kind == "key" else None
            if (found := _secret_in(text, repository)) is not None:
                return holder.name, found
        return None

    def open_with_passphrase(self, repository: str, passphrase: SecretStr) -> tuple[str, RepositorySecret] | None:
        """The name of the holder with this passphrase, and the repository's secret; None if nobody has it."""
        for holder in self.holders:
            text = decrypt_with_passphrase(holder.secret, passphrase) if holder.kind == "passphrase" else None
            if (found := _secret_in(text, repository)) is not None:
                return holder.name, found
        return None


def read_holders(backend: Backend) -> KeyHolders:
    """All holders in the repository."""
    found: list[KeyHolder] = []
    unreadable: list[str] = []
    for name, _ in backend.names(_FOLDER):
        try:
            holder = KeyHolder.model_validate_json(backend.read(name, _LARGEST))
        except FileNotFoundError:
            continue
        except ValidationError:
            unreadable.append(name)
            continue
        if name == _file_of(holder.name):
            found.append(holder)
        else:
            unreadable.append(name)
    return KeyHolders(tuple(found), tuple(unreadable))


def holder_with_key(secret: RepositorySecret, name: str, recipient: str) -> KeyHolder:
    """A holder of a recovery key; raises SettingsError if `recipient` is no public key."""
    checked = checked_recipient(recipient)
    return KeyHolder(
        name=_checked_name(name), kind="key", recipient=checked, created=_now(), secret=encrypt_for_key(secret, checked)
    )


def holder_with_passphrase(secret: RepositorySecret, name: str, passphrase: SecretStr) -> KeyHolder:
    """A holder of a passphrase."""
    armored = encrypt_with_passphrase(secret, passphrase)
    return KeyHolder(name=_checked_name(name), kind="passphrase", created=_now(), secret=armored)


def write_holder(backend: Backend, holder: KeyHolder, *, replace: bool = False) -> None:
    """Write a holder's file; raises CommandError if the name is taken, unless it is to be replaced."""
    data = holder.model_dump_json(indent=1).encode() + b"\n"
    if replace:
        backend.write(_file_of(holder.name), [data])
    elif not backend.create(_file_of(holder.name), data):
        raise CommandError(
            "There is a holder of that name.",
            where=f"{backend.display}: {holder.name}",
            fix="Choose another name, or remove the present one: `edms-backup key remove NAME`.",
        )


def remove_holder(backend: Backend, name: str) -> None:
    """Remove a holder's file."""
    backend.remove(_file_of(_checked_name(name)))


def _secret_in(text: str | None, repository: str) -> RepositorySecret | None:
    """The secret in the text; None if there is no text, or it is that of another repository, which may have been put here."""
    try:
        return None if text is None else parsed_secret(text, repository)
    except ValueError:
        return None


def _checked_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise CommandError(
            "This cannot be the name of a holder.",
            where=name[:80],
            why="A name has up to 64 letters, digits, dots, dashes and underscores, and begins with a letter or digit.",
            fix="For example `office`, or `j.doe`.",
        )
    return name


def _file_of(name: str) -> str:
    return f"{_FOLDER}/{name}.json"


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)
