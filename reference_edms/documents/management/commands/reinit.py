"""`reinit`: destroy the database and the files, and begin again as a fresh installation would."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.test.utils import override_settings

_FIRST_OFFSET = 1000
_OFFSET_STEP = 137


class Command(BaseCommand):
    """Leaves an empty system that has its default rows, on request under other ids than before."""

    help = "Destroy and re-create database and files. Nothing is kept."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "--offset-ids",
            action="store_true",
            help="create the default rows in another order and under other ids",
        )
        parser.add_argument("--noinput", "--yes", action="store_true", dest="yes", help="do not ask on a terminal")

    def handle(self, *args: Any, offset_ids: bool, yes: bool, **options: Any) -> None:
        """Destroy, migrate, and report."""
        if not yes and sys.stdin.isatty():
            answer = input(f"Destroy {connection.settings_dict['NAME']} and all files? [y/N] ")
            if answer.strip().lower() not in {"y", "yes"}:
                raise CommandError("nothing was changed")
        _destroy_database()
        _empty_media()
        if offset_ids:
            _create_schema()
            _shift_sequences()
            _create_content_types_backwards()
        with override_settings(DEFAULTS_IN_REVERSE=offset_ids):
            call_command("migrate", verbosity=0, interactive=False)
        self.stdout.write("re-initialised" + (" with other ids" if offset_ids else ""))


def _destroy_database() -> None:
    if connection.vendor == "sqlite":
        connection.close()
        path = Path(str(connection.settings_dict["NAME"]))
        for suffix in ("", "-wal", "-shm", "-journal"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        path.parent.mkdir(parents=True, exist_ok=True)
    else:
        with connection.cursor() as cursor:
            for table in connection.introspection.get_table_list(cursor):
                kind = "VIEW" if table.type == "v" else "TABLE"
                name = connection.ops.quote_name(table.name)
                cursor.execute(f"DROP {kind} IF EXISTS {name} CASCADE")
            cursor.execute("DROP FUNCTION IF EXISTS audit_refuse_change() CASCADE")
    ContentType.objects.clear_cache()


def _empty_media() -> None:
    root = Path(settings.MEDIA_ROOT)
    root.mkdir(parents=True, exist_ok=True)
    for entry in root.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _create_schema() -> None:
    # The first migration of each own app makes the tables, the later ones fill them. Between the two
    # the sequences can be moved, so that no default row gets the id it had.
    executor = MigrationExecutor(connection)
    own = {config.label for config in apps.get_app_configs() if _is_own(config.name)}
    targets = [node for node in executor.loader.graph.leaf_nodes() if node[0] not in own]
    targets += [
        (label, "0001_initial") for label in sorted(own) if (label, "0001_initial") in executor.loader.graph.nodes
    ]
    executor.migrate(targets)


def _is_own(name: str) -> bool:
    return not name.startswith("django.")


def _shift_sequences() -> None:
    with connection.cursor() as cursor:
        for position, model in enumerate(apps.get_models(include_auto_created=True)):
            column = getattr(model._meta.auto_field, "column", None)
            if column is None:
                continue
            table = model._meta.db_table
            value = _FIRST_OFFSET + position * _OFFSET_STEP
            if connection.vendor == "sqlite":
                cursor.execute("DELETE FROM sqlite_sequence WHERE name = %s", [table])
                cursor.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (%s, %s)", [table, value])
            else:
                cursor.execute(
                    "SELECT setval(pg_get_serial_sequence(%s, %s), %s)",
                    [connection.ops.quote_name(table), column, value],
                )


def _create_content_types_backwards() -> None:
    for model in reversed(apps.get_models()):
        ContentType.objects.get_for_model(model, for_concrete_model=False)
