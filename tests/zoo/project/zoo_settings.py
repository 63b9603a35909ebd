"""Settings of the zoo: the database comes from the environment, PostgreSQL has an app of its own."""

from __future__ import annotations

import os

_URL = os.environ["ZOO_DATABASE"]
_POSTGRESQL = _URL.startswith("postgresql:")

SECRET_KEY = "the zoo's key"
AUTH_USER_MODEL = "zoo.Member"
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "zoo"]
if _POSTGRESQL:
    INSTALLED_APPS += ["django.contrib.postgres", "zoo_postgresql"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True

if _POSTGRESQL:
    _login, _, _place = _URL.removeprefix("postgresql://").rpartition("@")
    _address, _, _name = _place.partition("/")
    DATABASES = {
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": _name,
            "USER": _login.partition(":")[0],
            "PASSWORD": _login.partition(":")[2],
            "HOST": _address.partition(":")[0],
            "PORT": _address.partition(":")[2],
        }
    }
else:
    DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": _URL.removeprefix("sqlite:///")}}
