"""The secret half of a repository's keys, and how it is encrypted for one holder.

As text it is a file of age identities, so that age's own program can use it:

    # edms-backup: the secret of repository 0f3a…
    # names: 64 hex digits, the key of the names of stored objects
    # root: 64 hex digits, the secret of the Ed25519 key that stays the repository's for ever
    # signer: 64 hex digits, the public key of a machine whose snapshots count; then its name
    AGE-SECRET-KEY-1…            the newest key pair; what is written now is encrypted to it
    AGE-SECRET-KEY-1…            earlier ones, which older objects still need
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pydantic import SecretStr

from edms_tasks.encryption.recovery_key import RecoveryKey, new_recovery_key, recovery_key_of
from edms_tasks.encryption.signing import new_signing_key, public_key_of
from edms_tasks.errors import RepositorySealed

SECONDS_BETWEEN = 2.0
_ATTEMPTS = 5
_TOO_SLOW = "Excessive work"
_NAMES = re.compile(r"# names: ([0-9a-f]{64})")
_ROOT = re.compile(r"# root: ([0-9a-f]{64})")
_SIGNER = re.compile(r"# signer: ([0-9a-f]{64}) (\S.*)")


@dataclass(frozen=True)
class RepositorySecret:
    """What opens a repository: the key of the names of objects, and the key pairs, the newest first.

    Only who has the secret can write this text anew, so it is also the place for the list of machines whose signatures count.
    """

    repository: str
    names: SecretStr  # 64 hex digits
    root: SecretStr  # 64 hex digits; whoever has it can prove that this is still the same repository
    keys: tuple[RecoveryKey, ...]
    signers: Mapping[str, str]  # public signing key -> the machine's name

    @property
    def recipient(self) -> str:
        """What new objects are encrypted to."""
        return self.keys[0].recipient

    @property
    def root_key(self) -> str:
        """The public half of the root key, which the file of a recovery key names."""
        return public_key_of(self.root)

    def with_new_key(self) -> RepositorySecret:
        """The same with another key pair for what is written from now on."""
        return replace(self, keys=(new_recovery_key(), *self.keys))

    def with_signer(self, public_key: str, machine: str) -> RepositorySecret:
        """The same with one more machine whose snapshots count."""
        return replace(self, signers={**self.signers, public_key: " ".join(machine.split()) or "unnamed"})

    def as_text(self) -> str:
        """The text that is encrypted for each holder."""
        keys = "".join(f"{key.secret.get_secret_value()}\n" for key in self.keys)
        signers = "".join(f"# signer: {public_key} {machine}\n" for public_key, machine in self.signers.items())
        names = f"# names: {self.names.get_secret_value()}\n# root: {self.root.get_secret_value()}\n"
        return f"# edms-backup: the secret of repository {self.repository}\n{names}{signers}{keys}"


def new_secret(repository: str) -> RepositorySecret:
    """The secret of a new repository; no machine can write there yet."""
    return RepositorySecret(repository, SecretStr(secrets.token_hex(32)), new_signing_key(), (new_recovery_key(),), {})


def parsed_secret(text: str, repository: str) -> RepositorySecret:
    """The secret in a decrypted text; raises ValueError if it is not that of this repository."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines or lines[0] != f"# edms-backup: the secret of repository {repository}":
        raise ValueError("It is not the secret of this repository.")
    names = next((found.group(1) for line in lines if (found := _NAMES.fullmatch(line))), None)
    root = next((found.group(1) for line in lines if (found := _ROOT.fullmatch(line))), None)
    keys = tuple(recovery_key_of(line) for line in lines if not line.startswith("#"))
    if names is None or root is None or not keys:
        raise ValueError("It has no keys.")
    signers = {found.group(1): found.group(2) for line in lines if (found := _SIGNER.fullmatch(line))}
    return RepositorySecret(repository, SecretStr(names), SecretStr(root), keys, signers)


def encrypt_for_key(secret: RepositorySecret, recipient: str) -> str:
    """The secret, encrypted to a holder's public key, as armored text."""
    import pyrage

    data = pyrage.encrypt(secret.as_text().encode(), [pyrage.x25519.Recipient.from_str(recipient)], armored=True)
    return bytes(data).decode("ascii")


def encrypt_with_passphrase(secret: RepositorySecret, passphrase: SecretStr) -> str:
    """The secret, encrypted with a passphrase (scrypt), as armored text."""
    import pyrage

    data = pyrage.passphrase.encrypt(secret.as_text().encode(), passphrase.get_secret_value(), armored=True)
    return bytes(data).decode("ascii")


def decrypt_with_keys(armored: str, keys: Sequence[RecoveryKey]) -> str | None:
    """The text that was encrypted to one of these keys; None if it was to none of them, or is damaged."""
    import pyrage

    identities = [pyrage.x25519.Identity.from_str(key.secret.get_secret_value()) for key in keys]
    try:
        return bytes(pyrage.decrypt(armored.encode("utf-8"), identities)).decode("utf-8")
    except (pyrage.DecryptError, UnicodeDecodeError):
        return None


def decrypt_with_passphrase(armored: str, passphrase: SecretStr) -> str | None:
    """The text that was encrypted with this passphrase; None if it was with another, or is damaged.

    Raises:
        RepositorySealed: it would take too long here. The library measures the machine each time, and a busy one seems slow.
    """
    import pyrage

    why = ""
    for attempt in range(_ATTEMPTS):
        if attempt:
            time.sleep(SECONDS_BETWEEN)
        try:
            text = pyrage.passphrase.decrypt(armored.encode("utf-8"), passphrase.get_secret_value())
            return bytes(text).decode("utf-8")
        except (pyrage.DecryptError, UnicodeDecodeError) as error:
            why = str(error)
            if _TOO_SLOW not in why:
                return None
    # Unicode's marks of direction around the number are taken out.
    shown = "".join(character for character in " ".join(why.split()) if character.isprintable())
    raise RepositorySealed(
        "This machine is too slow, or too busy, to try the passphrase.",
        why=shown,
        fix="Run it again when the machine is idle, or on a faster one; or use a recovery key.",
    )
