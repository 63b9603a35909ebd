"""The states of the life cycle."""

from __future__ import annotations

from django.conf import settings
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

STATES = ("draft", "in_review", "reviewed", "approved", "effective", "superseded")


def create_defaults(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Create the states; their codes are their keys, so only the order of rows may differ."""
    model = apps.get_model("workflows", "DocumentState")
    for code in STATES[:: -1 if settings.DEFAULTS_IN_REVERSE else 1]:
        model.objects.create(
            code=code,
            name=code.replace("_", " ").capitalize(),
            position=STATES.index(code),
            is_initial=code == STATES[0],
            is_final=code == STATES[-1],
        )


class Migration(migrations.Migration):
    """Creates the states of the document life cycle."""

    dependencies = [("workflows", "0001_initial")]

    operations = [migrations.RunPython(create_defaults, migrations.RunPython.noop)]
