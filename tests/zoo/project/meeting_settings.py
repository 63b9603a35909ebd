"""Settings of two systems that meet in a merge: those of the zoo, with another app."""

from __future__ import annotations

from zoo_settings import *  # noqa: F403
from zoo_settings import _POSTGRESQL

AUTH_USER_MODEL = "auth.User"
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "meeting", "twin"]
MIGRATION_MODULES = {"auth": None, "contenttypes": None}
if _POSTGRESQL:
    INSTALLED_APPS += ["django.contrib.postgres"]
