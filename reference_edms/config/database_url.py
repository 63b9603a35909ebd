"""Turn a database URL into Django's settings, with the standard library alone.

Understood: ``sqlite:////absolute/path``, ``postgresql://user:password@host:port/name`` and, for a Unix
socket, ``postgresql://user@/name?host=/folder``.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured


def database_settings(url: str) -> dict[str, Any]:
    """Return the entry of ``DATABASES`` that a URL describes."""
    scheme = url.partition(":")[0]
    if scheme == "sqlite":
        return _sqlite(url)
    if scheme in {"postgresql", "postgres"}:
        return _postgresql(url)
    raise ImproperlyConfigured(
        f"REFERENCE_EDMS_DATABASE starts with {scheme!r}; write sqlite:////path or postgresql://…"
    )


def _sqlite(url: str) -> dict[str, Any]:
    path = unquote(urlsplit(url).path.removeprefix("/"))
    if not path:
        raise ImproperlyConfigured("REFERENCE_EDMS_DATABASE names no file: sqlite:////path/to/file")
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": path,
        "OPTIONS": {"timeout": 30},
    }


def _postgresql(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query))
    host = options.pop("host", None) or unquote(parts.hostname or "")
    port = options.pop("port", None) or parts.port or ""
    name = unquote(parts.path.removeprefix("/"))
    if not name:
        raise ImproperlyConfigured("REFERENCE_EDMS_DATABASE names no database: postgresql://…/name")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": name,
        "USER": options.pop("user", None) or unquote(parts.username or ""),
        "PASSWORD": options.pop("password", None) or unquote(parts.password or ""),
        "HOST": host,
        "PORT": str(port),
        "OPTIONS": options,
    }
