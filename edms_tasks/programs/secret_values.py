"""Replace the settings' secrets in texts that programs wrote, before these are shown or kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, SecretStr

_SHORTEST = 4  # a shorter one would hide parts of other words


def without_secrets(text: str, settings: BaseModel) -> str:
    """The text with `***` in place of every secret value of the settings, and of the passwords in their URLs."""
    for secret in sorted({*_secrets(settings)}, key=len, reverse=True):
        if len(secret) >= _SHORTEST:
            text = text.replace(secret, "***")
    return text


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
