"""The document types and sources every installation begins with."""

from __future__ import annotations

from django.conf import settings
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

TYPES = (
    ("SOP", "Standard operating procedure", 3650, True),
    ("POL", "Policy", 3650, True),
    ("WI", "Work instruction", 2555, True),
    ("FRM", "Form", 1825, False),
    ("SPEC", "Specification", 5475, True),
    ("REC", "Record", None, False),
)
SOURCES = (
    ("Word processor", "original", False),
    ("Archive scanner", "scanned", True),
    ("Mailroom", "scanned", True),
    ("Mailroom", "mail", True),
)


def create_defaults(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Create both lists, backwards where the settings ask for other ids."""
    step = -1 if settings.DEFAULTS_IN_REVERSE else 1
    type_model = apps.get_model("documents", "DocumentType")
    for code, name, days, approval in TYPES[::step]:
        type_model.objects.create(code=code, name=name, retention_days=days, requires_approval=approval)
    source_model = apps.get_model("documents", "DocumentSource")
    for name, kind, verification in SOURCES[::step]:
        source_model.objects.create(name=name, kind=kind, requires_verification=verification)


class Migration(migrations.Migration):
    """Creates default document types and sources."""

    dependencies = [("documents", "0001_initial")]

    operations = [migrations.RunPython(create_defaults, migrations.RunPython.noop)]
