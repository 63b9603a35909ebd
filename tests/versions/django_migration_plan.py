"""Asks Django what it would run: migration files and records come in as JSON on standard input, its answers go out as JSON.

{"migrations": [[key, dependencies, replaces], …], "applied": [key, …]}  ->  [key, …], or the name of its exception
"""

from __future__ import annotations

import json
import sys
from typing import Any

import django
from django.conf import settings
from django.db import connection
from django.db.migrations import Migration
from django.db.migrations.exceptions import InconsistentMigrationHistory, NodeNotFoundError
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder


class _Loader(MigrationLoader):
    """Django's own, with files that are none."""

    files: list[Any]

    def load_disk(self) -> None:
        self.disk_migrations = {}
        self.unmigrated_apps, self.migrated_apps = set(), {key[0] for key, _, _ in self.files}
        for (app, name), dependencies, replaces in self.files:
            migration = Migration(name, app)
            migration.dependencies = [tuple(key) for key in dependencies]
            migration.replaces = [tuple(key) for key in replaces]
            self.disk_migrations[app, name] = migration


def answer(case: dict[str, Any]) -> list[tuple[str, str]] | str:
    """The keys of Django's plan, or why it has none."""
    applied = {tuple(key): None for key in case["applied"]}
    MigrationRecorder.applied_migrations = lambda self: dict(applied)
    _Loader.files = case["migrations"]
    try:
        loader = _Loader(connection)
        loader.check_consistent_history(connection)
    except (NodeNotFoundError, InconsistentMigrationHistory) as error:
        return type(error).__name__
    executor = MigrationExecutor.__new__(MigrationExecutor)
    executor.loader = loader
    return [
        (migration.app_label, migration.name) for migration, _ in executor.migration_plan(loader.graph.leaf_nodes())
    ]


if __name__ == "__main__":
    settings.configure(DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}})
    django.setup()
    json.dump([answer(case) for case in json.load(sys.stdin)], sys.stdout)
