"""The audit trail only grows, and shows when someone changed it behind the system's back."""

from __future__ import annotations

import sqlite3

import pytest

from tests.reference_edms.conftest import Edms

DROP_TRIGGERS = """
DROP TRIGGER audit_audittrail_no_update;
DROP TRIGGER audit_audittrail_no_delete;
"""


@pytest.mark.parametrize(
    "statement",
    ["UPDATE audit_audittrail SET username = 'someone'", "DELETE FROM audit_audittrail"],
)
def test_the_database_refuses_to_change_entries(populated_edms: Edms, statement: str) -> None:
    with pytest.raises(sqlite3.IntegrityError, match="audit entries cannot be"), populated_edms.connection() as db:
        db.execute(statement)


@pytest.mark.parametrize(
    "tampering",
    [
        "UPDATE audit_audittrail SET timestamp = strftime('%Y-%m-%d %H:%M:%S', timestamp) || '.000001' "
        "WHERE sequence = 20",
        "UPDATE audit_audittrail SET username = username || 'x' WHERE sequence = 20",
        "UPDATE audit_audittrail SET changes = '{}' WHERE sequence = 20",
        "DELETE FROM audit_audittrail WHERE sequence = 20",
        "DELETE FROM audit_audittrail WHERE sequence = 1",
    ],
)
def test_the_chain_shows_tampering(populated_edms: Edms, tampering: str) -> None:
    assert "intact" in populated_edms.run("verify_audit")
    with populated_edms.connection() as db:
        db.executescript(DROP_TRIGGERS)
        db.execute(tampering)

    assert "broken at entry" in populated_edms.run("verify_audit", expect=1)


def test_saving_writes_entries_and_raw_loading_does_not(fresh_edms: Edms) -> None:
    fresh_edms.python(
        "from users.models import Role\n"
        "role = Role.objects.create(name='Archivist')\n"
        "role.description = 'Keeps things'\n"
        "role.save()\n"
        "role.delete()\n"
        "Role(name='Loaded').save_base(raw=True)\n"
    )

    entries = fresh_edms.rows("SELECT action, object_label FROM audit_audittrail ORDER BY sequence")
    assert entries == [(action, "users.role:Archivist") for action in ("create", "update", "delete")]
    assert "intact" in fresh_edms.run("verify_audit")
