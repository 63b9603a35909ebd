"""Triggers by which the database itself refuses to change or remove audit entries.

Signals and admin permissions stop honest code only; an inspector asks what stops the rest.
"""

from __future__ import annotations

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

SQLITE = (
    """
    CREATE TRIGGER audit_audittrail_no_update BEFORE UPDATE ON audit_audittrail
    BEGIN SELECT RAISE(ABORT, 'audit entries cannot be changed'); END
    """,
    """
    CREATE TRIGGER audit_audittrail_no_delete BEFORE DELETE ON audit_audittrail
    BEGIN SELECT RAISE(ABORT, 'audit entries cannot be deleted'); END
    """,
)
SQLITE_REVERSE = (
    "DROP TRIGGER IF EXISTS audit_audittrail_no_update",
    "DROP TRIGGER IF EXISTS audit_audittrail_no_delete",
)
POSTGRESQL = (
    """
    CREATE OR REPLACE FUNCTION audit_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'audit entries cannot be %',
            CASE TG_OP WHEN 'UPDATE' THEN 'changed' ELSE 'deleted' END;
    END
    $$
    """,
    """
    CREATE TRIGGER audit_audittrail_immutable BEFORE UPDATE OR DELETE ON audit_audittrail
    FOR EACH ROW EXECUTE FUNCTION audit_refuse_change()
    """,
)
POSTGRESQL_REVERSE = (
    "DROP TRIGGER IF EXISTS audit_audittrail_immutable ON audit_audittrail",
    "DROP FUNCTION IF EXISTS audit_refuse_change()",
)


def create_triggers(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Create the triggers in the dialect of the database."""
    _execute(schema_editor, {"sqlite": SQLITE, "postgresql": POSTGRESQL})


def drop_triggers(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Drop the triggers again."""
    _execute(schema_editor, {"sqlite": SQLITE_REVERSE, "postgresql": POSTGRESQL_REVERSE})


def _execute(schema_editor: BaseDatabaseSchemaEditor, statements: dict[str, tuple[str, ...]]) -> None:
    with schema_editor.connection.cursor() as cursor:
        for statement in statements[schema_editor.connection.vendor]:
            cursor.execute(statement)


class Migration(migrations.Migration):
    """Makes the audit trail append-only in the database."""

    dependencies = [("audit", "0001_initial")]

    operations = [migrations.RunPython(create_triggers, drop_triggers)]
