"""Values of an export of paperless-ngx that were encrypted with a passphrase: decrypted if the settings have it, else counted.

The exporter derives a key by PBKDF2 with the salt in metadata.json, and writes each value as a token of Fernet in hexadecimal digits
(documents/management/commands/mixins.py).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

from edms_tasks.findings import make_finding
from edms_tasks.inventory.model import Finding
from edms_tasks.legacy.old_backup import ModelRows
from edms_tasks.legacy.paperless_files import rows_of

_CRYPTO = "__crypto__"
_ENCRYPTED = {
    "paperless_mail.mailaccount": ("password", "refresh_token"),
    "socialaccount.socialtoken": ("token", "token_secret"),
}
_MOST_ITERATIONS = 20_000_000  # the exporter's are a million: more would keep a processor busy for a hostile file


def decrypt_values(
    about: Mapping[str, Any], models: tuple[ModelRows, ...], passphrase: str
) -> tuple[tuple[ModelRows, ...], list[Finding]]:
    """The rows with their values decrypted, and what is still encrypted.

    Args:
        about: what the export says of itself.
        models: the rows, in files.
        passphrase: "" if there is none.
    """
    if _CRYPTO not in about:
        return models, []
    key = _key(about[_CRYPTO], passphrase) if passphrase else None
    found: list[Finding] = []
    made = []
    for one in models:
        names = _ENCRYPTED.get(one.model, ())
        made.append(_decrypted(one, names, key, found, why=_why(key, passphrase)) if names else one)
    return tuple(made), found


def _why(key: Fernet | None, passphrase: str) -> str:
    if not passphrase:
        return "No passphrase is set."
    if key is None:
        return "What the export says of its encryption is not what its exporter writes."
    return "The passphrase is not that of the export, or the values are damaged."


def _decrypted(
    model: ModelRows, names: tuple[str, ...], key: Fernet | None, found: list[Finding], *, why: str
) -> ModelRows:
    """Rewrite a model's rows; counts those with a value that cannot be decrypted."""
    assert model.path is not None  # rows are written for a look too
    path = model.path.with_suffix(".decrypted")
    failed = 0
    with path.open("w", encoding="utf-8") as lines:
        for row in rows_of((model,), model.model):
            texts = {name: row["fields"].get(name) for name in names if row["fields"].get(name)}
            plain = {name: _plain(text, key) for name, text in texts.items()}
            failed += None in plain.values()
            row["fields"] |= {name: text for name, text in plain.items() if text is not None}
            lines.write(json.dumps(row) + "\n")
    if failed:
        found.append(
            make_finding(
                "old-values-encrypted",
                model.model,
                f"{', '.join(names)} of {failed:,} rows are encrypted with the export's passphrase. They are in the snapshot as they "
                f"are. {why}",
                count=failed,
            )
        )
    return replace(model, path=path, longest=2 * model.longest)  # signs may be written as escapes now


def _plain(text: Any, key: Fernet | None) -> str | None:
    if key is None:
        return None
    try:
        return key.decrypt(bytes.fromhex(str(text))).decode()
    except (ValueError, InvalidToken):
        return None


def _key(said: Any, passphrase: str) -> Fernet | None:
    """The key; None if the export says of it what its exporter never writes."""
    try:
        salt, iterations = bytes.fromhex(said["__salt_hex__"]), said["__key_iters__"]
        if (said["__key_algo__"], said["__key_size__"]) != (
            "pbkdf2_sha256",
            32,
        ) or not 0 < iterations <= _MOST_ITERATIONS:
            return None
        derived = PBKDF2HMAC(SHA256(), 32, salt, iterations).derive(passphrase.encode())
    except (KeyError, TypeError, ValueError):
        return None
    return Fernet(base64.urlsafe_b64encode(derived))
