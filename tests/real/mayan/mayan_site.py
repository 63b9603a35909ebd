"""The settings of the Mayan EDMS under test: its production settings, with two things a test machine needs otherwise."""

import os

from mayan.settings.production import *  # noqa: F403

# Tasks run where they are called while the system is filled: there is no worker and no broker. The initial setup needs
# them queued instead, because it saves documents' types before there is a search index.
CELERY_TASK_ALWAYS_EAGER = os.environ.get("MAYAN_TEST_TASKS") == "eager"

# Mayan's setup fetches JavaScript libraries from a registry of their own. They are not needed here, and without them
# there is no manifest of static files, which the production storage insists on.
STORAGES = {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
