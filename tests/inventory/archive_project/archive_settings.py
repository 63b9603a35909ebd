"""Settings of the archive: SQLite or PostgreSQL, as the environment says."""

import os

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends." + os.environ["ARCHIVE_ENGINE"],
        "NAME": os.environ["ARCHIVE_NAME"],
        "USER": os.environ.get("ARCHIVE_USER", ""),
        "PASSWORD": os.environ.get("ARCHIVE_PASSWORD", ""),
        "HOST": os.environ.get("ARCHIVE_HOST", ""),
        "PORT": os.environ.get("ARCHIVE_PORT", ""),
    }
}
MEDIA_ROOT = os.environ["ARCHIVE_MEDIA"]
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "django.contrib.sessions", "archive"]
SECRET_KEY = "a key for tests"
# The default before Django 3.2, and still what most systems of that time have.
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
USE_TZ = True
TIME_ZONE = "Europe/Berlin"
print("EDMS code prints what it likes")  # noqa: T201
