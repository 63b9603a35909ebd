"""Replace the settings' secrets in texts that programs wrote, before these are shown or kept."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, SecretStr

_LARGEST_KEY_FILE = 65_536
_SHORTEST = 4  # a shorter one would hide parts of other words


def without_secrets(text: str, settings: BaseModel) -> str:
    """The text with `***` in place of every secret value of the settings, and of the passwords in their URLs."""
    if not text:
        return text
    found = {one for one in (*_secrets(settings), *_in_key_files(settings)) if len(one) >= _SHORTEST}
    for secret in sorted({form for one in found for form in _forms(one)}, key=len, reverse=True):
        text = text.replace(secret, "***")
    return text


def _forms(secret: str) -> tuple[str, ...]:
    """A secret as it is, as it is written between quotation marks, and as base64."""
    return (
        secret,
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        base64.b64encode(secret.encode()).decode(),
    )


def _in_key_files(settings: BaseModel) -> Iterator[str]:
    """The keys in the files that the settings name."""
    repository = getattr(settings, "repository", None)
    for name in ("identity", "write_key"):
        path = getattr(repository, name, None)
        if path is None:
            continue
        try:
            with Path(path).open("rb") as file:
                said = file.read(_LARGEST_KEY_FILE).decode("utf-8", "replace")
        except OSError:
            continue  # who cannot read it cannot have shown it
        yield from re.findall(r"[A-Za-z0-9+/=_-]{32,}", said)


def _secrets(value: object) -> Iterator[str]:
    if isinstance(value, SecretStr):
        text = value.get_secret_value()
        yield text
        yield from _password_in(text)
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _secrets(getattr(value, name))
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _secrets(one)
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        for one in value:
            yield from _secrets(one)


def _password_in(text: str) -> Iterator[str]:
    try:
        password = urlsplit(text).password
    except ValueError:
        return  # it is no URL
    if password:
        yield password
        yield unquote(password)
