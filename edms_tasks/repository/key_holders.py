"""Who can open an encrypted repository: `keys/<name>.json`, the repository's secret encrypted for one holder.

{"name": "office", "kind": "key", "recipient": "age1…", "created": "…", "secret": "-----BEGIN AGE ENCRYPTED FILE-----…"}
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, Self

from pydantic import Field, SecretStr, ValidationError, model_validator

from edms_tasks.encryption.recovery_key import Recipient, RecoveryKey, checked_recipient
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
    # The holder's public key; None for a passphrase. A damaged one would only be noticed by the next rotation of keys, half-way.
    recipient: Recipient | None = None
    created: datetime
    secret: str

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if (self.kind == "key") != (self.recipient is not None):
            raise ValueError("A holder of a key has a public key, and one of a passphrase has none.")
        return self


@dataclass(frozen=True)
class OpenedSecret:
    """The repository's secret, and the name of the holder whose key opened it; None if none did.

    `unusable` names holders whose key does open theirs, but what is in it is not the secret of this repository.
    """

    holder: str = ""
    secret: RepositorySecret | None = None
    unusable: tuple[str, ...] = ()


@dataclass(frozen=True)
class KeyHolders:
    """All holders, by name, and the names of files that cannot be read as one."""

    holders: tuple[KeyHolder, ...]
    unreadable: tuple[str, ...]

    def open_with_keys(self, repository: str, keys: Sequence[RecoveryKey]) -> OpenedSecret:
        """The repository's secret, if one of these keys is a holder's."""
        texts = ((one.name, decrypt_with_keys(one.secret, keys)) for one in self.holders if one.kind == "key")
        return _opened(texts, repository)

    def open_with_passphrase(self, repository: str, passphrase: SecretStr) -> OpenedSecret:
        """The repository's secret, if a holder has this passphrase."""
        with_one = (one for one in self.holders if one.kind == "passphrase")
        return _opened(((one.name, decrypt_with_passphrase(one.secret, passphrase)) for one in with_one), repository)


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


def _opened(texts: Iterable[tuple[str, str | None]], repository: str) -> OpenedSecret:
    """The first text that is the secret of this repository. Others may be forged: anybody can encrypt to a public key."""
    unusable: list[str] = []
    for name, text in texts:
        if text is None:
            continue
        try:
            return OpenedSecret(name, parsed_secret(text, repository))
        except ValueError as error:
            unusable.append(f"{name} ({error})")
    return OpenedSecret(unusable=tuple(unusable))


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
