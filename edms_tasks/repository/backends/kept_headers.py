"""The headers of an object of a store that are kept with it, and what of an object no backup keeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Headers = Mapping[str, Any]
"""What the store sends along with an object: its content type and the like, and its metadata."""

KEPT = (
    "ContentType",
    "ContentEncoding",
    "ContentLanguage",
    "ContentDisposition",
    "CacheControl",
    "Metadata",
)


def kept_headers(answer: Mapping[str, Any]) -> Headers:
    """The headers of an answer that belong to the object, as far as it has them."""
    return {name: answer[name] for name in KEPT if answer.get(name)}


def has_more(answer: Mapping[str, Any]) -> bool:
    """Whether an answer says that the object has tags, a time of expiry or a redirect, which a copy in the store would lose."""
    return any(answer.get(name) for name in ("TagCount", "Expires", "ExpiresString", "WebsiteRedirectLocation"))


def is_storable(headers: Headers) -> bool:
    """Whether a store takes these headers: texts of printable ASCII."""
    return all(_is_metadata(value) if name == "Metadata" else _is_text(value) for name, value in headers.items())


def _is_metadata(value: object) -> bool:
    return isinstance(value, dict) and all(map(_is_text, (*value, *value.values())))


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value.isascii() and value.isprintable()
