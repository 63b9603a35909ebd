"""A recovery key: the secret of one holder, in a file that age's own program can use (`age -d -i FILE`)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, SecretStr

from edms_tasks.errors import SettingsError

_LARGEST = 64 * 1024
_SECRET = re.compile(r"AGE-SECRET-KEY-1[0-9A-Z]{58}")
_RECIPIENT = re.compile(r"age1[0-9a-z]{58}")


@dataclass(frozen=True)
class RecoveryKey:
    """An age X25519 key pair. What is encrypted to `recipient` is opened by `secret` alone."""

    secret: SecretStr
    recipient: str


def new_recovery_key() -> RecoveryKey:
    """A new key pair, from the operating system's random numbers."""
    import pyrage

    identity = pyrage.x25519.Identity.generate()
    return RecoveryKey(SecretStr(str(identity)), str(identity.to_public()))


def recovery_key_of(secret: str) -> RecoveryKey:
    """The key pair with this secret; raises ValueError if it is none."""
    import pyrage

    try:
        identity = pyrage.x25519.Identity.from_str(secret)
    except pyrage.IdentityError as error:
        raise ValueError("It is not a secret key of age.") from error
    return RecoveryKey(SecretStr(secret), str(identity.to_public()))


def checked_recipient(text: str) -> str:
    """`text` if it is the public key of an age key pair (`age1…`); raises SettingsError if it is not."""
    import pyrage

    try:
        if not _RECIPIENT.fullmatch(text):
            raise ValueError("An age public key is `age1` and 58 letters and digits.")
        pyrage.x25519.Recipient.from_str(text)
    except (ValueError, pyrage.RecipientError) as error:
        raise SettingsError(
            "This is not a public key.",
            where=text[:80],
            why=str(error),
            fix="Make a key pair with `edms-backup key new FILE`, or `age-keygen`, and give its public key.",
        ) from error
    return text


def _recipient_in_a_file(text: str) -> str:
    try:
        return checked_recipient(text)
    except SettingsError as error:
        raise ValueError(error.what) from error


Recipient = Annotated[str, AfterValidator(_recipient_in_a_file)]
"""The public key of an age key pair, as a field of a model."""


def recovery_key_text(key: RecoveryKey, *, repository: str = "", display: str = "", root_key: str = "") -> str:
    """The content of a recovery key's file.

    The comments name the repository, and its root key, so that another one in its place is noticed.
    """
    of = f"# repository: {repository}\n# at: {display}\n# repository key: {root_key}\n" if repository else ""
    return (
        "# Recovery key of edms-backup: it opens the backups.\n"
        "# Keep a copy away from the EDMS and from the backups. Without it nothing can be restored.\n"
        f"{of}"
        f"# created: {datetime.now(UTC).isoformat(timespec='seconds')}\n"
        f"# public key: {key.recipient}\n{key.secret.get_secret_value()}\n"
    )


@dataclass(frozen=True)
class RecoveryKeyFile:
    """The keys in a file, and what its comments say of the repository; "" where they say nothing."""

    path: Path
    keys: tuple[RecoveryKey, ...]
    repository: str
    repository_key: str


def read_recovery_key(path: Path) -> RecoveryKeyFile | None:
    """The recovery key in a file; None if there is no such file, as where it is kept elsewhere until it is needed.

    Raises:
        SettingsError: the file cannot be read, or has no secret key of age.
    """
    try:
        with path.open("rb") as file:
            text = file.read(_LARGEST).decode("utf-8", "replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SettingsError(
            "The recovery key cannot be read.",
            where=str(path),
            why=error.strerror or str(error),
            fix="Give this user access to it, or fix [repository] identity.",
        ) from error
    lines = [line.strip() for line in text.splitlines()]
    secrets = [line for line in lines if line and not line.startswith("#")]
    try:
        if not secrets or not all(_SECRET.fullmatch(line) for line in secrets):
            raise ValueError("It has no line `AGE-SECRET-KEY-1…`, or other lines beside it.")
        keys = tuple(recovery_key_of(line) for line in secrets)
    except ValueError as error:
        raise SettingsError(
            "This is not a recovery key.",
            where=str(path),
            why=str(error),
            fix="Name the file that `edms-backup init` or `edms-backup key new` wrote: [repository] identity.",
        ) from error
    return RecoveryKeyFile(path, keys, _said(lines, "repository"), _said(lines, "repository key"))


def _said(lines: list[str], name: str) -> str:
    start = f"# {name}: "
    return next((line.removeprefix(start) for line in lines if line.startswith(start)), "")
