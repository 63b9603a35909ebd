"""Who can open an encrypted repository, and what it is encrypted to.

Every change keeps what is there readable at each moment: a secret that holds the old and the new key is in place before
anything is encrypted to the new one, and the old one leaves it after everything was encrypted anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from edms_tasks.durable import private_folder, write_durably
from edms_tasks.encryption.repository_secret import RepositorySecret, decrypt_with_passphrase
from edms_tasks.errors import RepositoryForbidden
from edms_tasks.repository.backend import Backend
from edms_tasks.repository.config import change_recipient, read_config
from edms_tasks.repository.key_holders import (
    KeyHolder,
    KeyHolders,
    holder_with_key,
    holder_with_passphrase,
    read_holders,
    remove_holder,
    write_holder,
)
from edms_tasks.repository.opened_keys import OpenedKeys
from edms_tasks.settings import RepositorySettings


@dataclass(frozen=True)
class RenewedHolders:
    """Which holders have the repository's secret as it is now, and which still have the earlier one."""

    written: tuple[str, ...]
    left: tuple[str, ...]


class Keyring:
    """The keys of a repository, as they are in it."""

    def __init__(self, backend: Backend, keys: OpenedKeys) -> None:
        self._backend, self._keys = backend, keys

    @property
    def recipient(self) -> str | None:
        """The public key that objects are encrypted to, by the repository's config; None if they are not."""
        return read_config(self._backend, RepositorySettings()).recipient

    def problem(self, copies: Path | None = None, *, keep: bool = False) -> str:
        """Why nobody, or not everybody, could open the repository; "" if all is well, or it is not encrypted.

        Args:
            copies: folder on this machine for copies of the holders' files, which are encrypted.
            keep: make them. Without these files nobody can open the repository.
        """
        if self._keys.recipient is None:
            return ""
        try:
            found = self.holders()
        except RepositoryForbidden:
            return ""  # credentials that only write: a machine that may read them has to look
        has_copies = copies is not None and any(copies.glob("*.json"))
        fix = f"Put them back: there are copies in {copies}." if has_copies else "Put them back from a copy."
        if not found.holders:
            return f"The keys of the repository are gone (keys/): nobody can open the backups. {fix}"
        if found.unreadable:
            return f"Keys of the repository are damaged: {', '.join(found.unreadable)}. {fix}"
        if copies is not None and keep:
            _keep_copies(found, copies)
        return ""

    def holders(self) -> KeyHolders:
        """Who can open the repository."""
        return read_holders(self._backend)

    def add(self, name: str, *, recipient: str | None, passphrase: SecretStr | None) -> KeyHolder:
        """Let a public key, or else a passphrase, open it. Raises CommandError if the name is taken."""
        assert self._keys.secret is not None and (recipient or passphrase)
        if recipient is not None:
            holder = holder_with_key(self._keys.secret, name, recipient)
        else:
            holder = holder_with_passphrase(self._keys.secret, name, passphrase or SecretStr(""))
        write_holder(self._backend, holder)
        return holder

    def remove(self, name: str) -> None:
        """Remove a holder."""
        remove_holder(self._backend, name)

    def not_renewable(self, passphrases: Sequence[SecretStr] = ()) -> tuple[str, ...]:
        """The holders for whom a changed secret cannot be encrypted: nobody gives their passphrase, or their file is damaged."""
        found = read_holders(self._backend)
        return (*found.unreadable, *(one.name for one in found.holders if not _can_renew(one, passphrases)))

    def write_secret(self, secret: RepositorySecret, passphrases: Sequence[SecretStr] = ()) -> RenewedHolders:
        """Encrypt a changed secret for every holder.

        A holder of a passphrase gets it only if the passphrase is among `passphrases`: nobody else can encrypt with it.
        """
        found = read_holders(self._backend)
        written: list[str] = []
        left: list[str] = list(found.unreadable)
        for holder in found.holders:
            if (again := _again(holder, secret, passphrases)) is None:
                left.append(holder.name)
            else:
                write_holder(self._backend, again, replace=True)
                written.append(holder.name)
        return RenewedHolders(tuple(written), tuple(left))

    def encrypt_to(self, recipient: str) -> None:
        """Name the public key that objects are encrypted to from now on."""
        change_recipient(self._backend, recipient)


def _again(holder: KeyHolder, secret: RepositorySecret, passphrases: Sequence[SecretStr]) -> KeyHolder | None:
    if holder.recipient is not None:
        made = holder_with_key(secret, holder.name, holder.recipient)
    else:
        right = _passphrase_of(holder, passphrases)
        if right is None:
            return None
        made = holder_with_passphrase(secret, holder.name, right)
    return made.model_copy(update={"created": holder.created})


def _can_renew(holder: KeyHolder, passphrases: Sequence[SecretStr]) -> bool:
    return holder.recipient is not None or _passphrase_of(holder, passphrases) is not None


def _passphrase_of(holder: KeyHolder, passphrases: Sequence[SecretStr]) -> SecretStr | None:
    return next((one for one in passphrases if decrypt_with_passphrase(holder.secret, one) is not None), None)


def _keep_copies(found: KeyHolders, folder: Path) -> None:
    private_folder(folder)
    for holder in found.holders:
        path, text = folder / f"{holder.name}.json", holder.model_dump_json(indent=1)
        if path.exists():
            there = path.read_bytes()
            if there == text.encode():
                continue
            # Somebody may have replaced the file in the repository; then this is the last one that opens it.
            path.replace(folder / f"{holder.name}.before-{hashlib.sha256(there).hexdigest()[:12]}")
        write_durably(path, text)
