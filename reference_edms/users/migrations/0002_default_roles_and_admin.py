"""The roles every installation begins with, and an administrator to log in as."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

ROLES = (
    ("Document Viewer", None, 10, "Reads effective documents."),
    ("Document Author", "Document Viewer", 20, "Writes and submits documents."),
    ("Document Reviewer", "Document Author", 30, "Judges what others submitted."),
    ("Document Approver", "Document Reviewer", 40, "Approves with an electronic signature."),
    ("Quality Assurance", "Document Approver", 50, "Oversees the whole life cycle."),
    ("System Administrator", "Document Viewer", 60, "Runs the system, approves nothing."),
    ("Auditor", "Document Viewer", 15, "Reads everything, the audit trail included."),
)


def create_defaults(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Create roles first and what they inherit afterwards, so that any order will do."""
    role_model = apps.get_model("users", "Role")
    rows = reversed(ROLES) if settings.DEFAULTS_IN_REVERSE else ROLES
    roles = {
        name: role_model.objects.create(name=name, description=description, permission_level=level, is_system=True)
        for name, _, level, description in rows
    }
    for name, parent, _, _ in ROLES:
        if parent is not None:
            roles[name].inherits_from = roles[parent]
            roles[name].save()

    admin = apps.get_model("users", "User").objects.create(
        username="admin",
        employee_id="E-00000",
        first_name="System",
        last_name="Administrator",
        email="admin@example.com",
        password=make_password("admin"),
        is_staff=True,
        is_superuser=True,
    )
    apps.get_model("users", "UserRole").objects.create(
        user=admin, role=roles["System Administrator"], assigned_by=admin
    )


class Migration(migrations.Migration):
    """Creates default roles and the user ``admin`` with the password ``admin``."""

    dependencies = [("users", "0001_initial")]

    operations = [migrations.RunPython(create_defaults, migrations.RunPython.noop)]
