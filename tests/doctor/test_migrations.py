"""Migrations that only the database or only the code has: what is said of them is what then happens."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.direct_access import execute, query
from tests.reference_system import ReferenceEdmsFactory
from tests.running import protect, run_doctor

pytestmark = pytest.mark.slow


def test_records_that_the_code_does_not_know_are_a_warning_and_come_back_as_they_are(
    edms_factory: ReferenceEdmsFactory, tmp_path: Path
) -> None:
    edms = edms_factory("sqlite", documents=5)
    protected = protect(edms, tmp_path)
    execute(edms, "INSERT INTO django_migrations (app, name, applied) VALUES ('documents', '0999_gone', '2026-01-01')")
    (latest,) = query(edms, "SELECT max(name) FROM django_migrations WHERE app = 'sessions'")[0]
    execute(edms, f"DELETE FROM django_migrations WHERE app = 'sessions' AND name = '{latest}'")

    found = {one.code: one for one in run_doctor(protected.settings).diagnosis.assessments}

    unknown, unapplied = found["unknown-migrations"], found["unapplied-migrations"]
    assert (unknown.severity, unknown.examples) == ("warning", ("documents.0999_gone",))
    assert (unapplied.severity, unapplied.examples) == ("error", (f"sessions.{latest}",))  # as the settings have it

    execute(edms, f"INSERT INTO django_migrations (app, name, applied) VALUES ('sessions', '{latest}', '2026-01-01')")
    protected.backup()
    assert protected.restore().promoted
    assert query(edms, "SELECT count(*) FROM django_migrations WHERE name = '0999_gone'") == [(1,)]
