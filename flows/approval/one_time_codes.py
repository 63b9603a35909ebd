"""One-time codes of authenticator apps (TOTP, RFC 6238: SHA-1, six digits, 30 seconds, which all apps support).

A code is valid for some minutes after it was shown, because a run reads it only when a worker takes the run up again; and it is
valid once, because Prefect's server keeps what was typed.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import secrets
import time
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor import InvalidToken
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from edms_tasks.durable import private_folder
from edms_tasks.errors import SettingsError

_SECONDS = 30
_DIGITS = 6
_VALID_STEPS = 20  # ten minutes: the worker asks for runs every few seconds, and starts them
_AHEAD = 1  # of a telephone whose clock is fast
_SECRET_BYTES = 20  # as long as its hash, which RFC 4226 recommends


def new_secret() -> str:
    """A new secret, as apps read it."""
    return base64.b32encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def uri_for_apps(secret: str, person: str, edms: str) -> str:
    """The address of which apps read a QR code."""
    return _totp(secret, person).get_provisioning_uri(person, f"edms-backup {edms}")


def use_code(code: str, secret: str, person: str, used: Path, now: float | None = None) -> bool:
    """Whether the code is a valid one of this person that was not used before; it is then used.

    Args:
        code: what was typed; spaces are ignored.
        secret: of the person's app.
        person: the name, for messages and for the record of used codes.
        used: the folder that remembers used codes.
        now: seconds since 1970; default: the clock's.

    Raises:
        SettingsError: the secret is none.
    """
    totp, step = _totp(secret, person), int((time.time() if now is None else now) // _SECONDS)
    typed = "".join(code.split()).encode()
    for tried in range(step + _AHEAD, step - _VALID_STEPS - 1, -1):
        try:
            totp.verify(typed, tried * _SECONDS)
        except InvalidToken:
            continue
        return _first_use(used, secret, tried)
    return False


def _first_use(used: Path, secret: str, step: int) -> bool:
    private_folder(used)
    for old in used.iterdir():
        if old.stat().st_mtime < time.time() - 10 * _VALID_STEPS * _SECONDS:
            old.unlink(missing_ok=True)
    name = hashlib.sha256(f"{secret} {step}".encode()).hexdigest()
    try:
        os.close(os.open(used / name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        return False
    return True


def _totp(secret: str, person: str) -> TOTP:
    try:
        key = base64.b32decode("".join(secret.split()).upper(), casefold=True)
        return TOTP(key, _DIGITS, SHA1(), _SECONDS, enforce_key_length=True)  # noqa: S303 - what the apps support
    except (binascii.Error, ValueError) as error:
        raise SettingsError(
            f"The secret of the approver {person} is not valid.",
            where="[approval] approvers",
            why=str(error),
            fix="Make one with `edms-backup approver NAME`.",
        ) from error
