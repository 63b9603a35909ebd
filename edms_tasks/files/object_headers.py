"""The headers that Django's S3 storage gives an object by its name, and comparing those of two objects."""

from __future__ import annotations

import mimetypes

from edms_tasks.repository.backends.kept_headers import Headers

_UNTYPED = ("application/octet-stream", "binary/octet-stream")


def headers_by_name(key: str) -> Headers:
    """As Django's S3 storage writes an object of that name."""
    content_type, encoding = mimetypes.guess_type(key)
    headers = {"ContentType": content_type or _UNTYPED[0]}
    return headers | {"ContentEncoding": encoding} if encoding else headers


def are_equal(some: Headers, others: Headers) -> bool:
    """Whether the headers mean the same: stores give objects without a content type one of two."""
    return _comparable(some) == _comparable(others)


def has_others(key: str, headers: Headers) -> bool:
    """Whether an object has a content type, metadata or the like that its name does not say."""
    return not are_equal(headers, headers_by_name(key))


def _comparable(headers: Headers) -> Headers:
    if headers.get("ContentType") in _UNTYPED:
        return {**headers, "ContentType": _UNTYPED[0]}
    return dict(headers)
