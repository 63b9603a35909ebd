"""The headers that Django's S3 storage gives an object by its name, which a restored object has, too."""

from __future__ import annotations

import mimetypes

from edms_tasks.repository.backends.s3_files import Headers

_UNTYPED = ("application/octet-stream", "binary/octet-stream")


def headers_by_name(key: str) -> Headers:
    """As Django's S3 storage writes an object of that name."""
    content_type, encoding = mimetypes.guess_type(key)
    headers = {"ContentType": content_type or _UNTYPED[0]}
    return headers | {"ContentEncoding": encoding} if encoding else headers


def has_others(key: str, headers: Headers) -> bool:
    """Whether an object has a content type, metadata or the like that its name does not say."""
    expected = headers_by_name(key)
    if headers.get("ContentType") in _UNTYPED and expected["ContentType"] in _UNTYPED:
        headers = {**headers, "ContentType": expected["ContentType"]}
    return dict(headers) != expected
