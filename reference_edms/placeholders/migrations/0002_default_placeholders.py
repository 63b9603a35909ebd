"""The placeholders every template may use."""

from __future__ import annotations

from django.conf import settings
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

PLACEHOLDERS = (
    ("DOC_NUMBER", "Number of the document", None),
    ("DOC_VERSION", "Version as printed", None),
    ("DOC_TITLE", "Title", ""),
    ("AUTHOR_NAME", "Full name of the author", ""),
    ("EFFECTIVE_DATE", "Day the document comes into force", "not effective"),
)


def create_defaults(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Create the placeholders, backwards where the settings ask for other ids."""
    model = apps.get_model("placeholders", "PlaceholderDefinition")
    for name, description, value in PLACEHOLDERS[:: -1 if settings.DEFAULTS_IN_REVERSE else 1]:
        model.objects.create(name=name, description=description, default_value=value)


class Migration(migrations.Migration):
    """Creates the default placeholders."""

    dependencies = [("placeholders", "0001_initial")]

    operations = [migrations.RunPython(create_defaults, migrations.RunPython.noop)]
