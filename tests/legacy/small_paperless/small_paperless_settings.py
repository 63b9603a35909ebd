"""Settings of the small paperless: database (a file of SQLite, or a URL of PostgreSQL) and media come from the environment."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import unquote, urlsplit

SECRET_KEY = "the key of the small paperless"
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "documents", "paperless_mail"]
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
USE_TZ = True
MEDIA_ROOT = os.environ["PAPERLESS_MEDIA_ROOT"]


def _database(address: str) -> dict[str, Any]:
    if not address.startswith("postgresql:"):
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": address}
    parts = urlsplit(address)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path.removeprefix("/"),
        "HOST": parts.hostname,
        "PORT": parts.port,
        "USER": parts.username,
        "PASSWORD": unquote(parts.password or ""),
    }


DATABASES = {"default": _database(os.environ["PAPERLESS_DATABASE"])}
