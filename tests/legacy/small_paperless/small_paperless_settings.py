"""Settings of the small paperless: database and media come from the environment."""

from __future__ import annotations

import os

SECRET_KEY = "the key of the small paperless"
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "documents", "paperless_mail"]
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
USE_TZ = True
MEDIA_ROOT = os.environ["PAPERLESS_MEDIA_ROOT"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["PAPERLESS_DATABASE"]}}
