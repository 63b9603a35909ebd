"""Migrations that only the database or only the code has: what is said of them is what then happens."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.promotion.two_settings import SmallEdms, small_edms
from tests.running import run_doctor

pytestmark = pytest.mark.slow


@pytest.mark.long
def test_records_that_the_code_does_not_know_are_a_warning_and_come_back_as_they_are(tmp_path: Path) -> None:
    edms = small_edms(tmp_path)
    edms.set_to("then")
    _run(edms, "INSERT INTO django_migrations (app, name, applied) VALUES ('auth', '0999_gone', '2026-01-01')")
    ((latest,),) = _run(edms, "SELECT max(name) FROM django_migrations WHERE app = 'contenttypes'")
    _run(edms, f"DELETE FROM django_migrations WHERE app = 'contenttypes' AND name = '{latest}'")

    found = {one.code: one for one in run_doctor(edms.first).diagnosis.assessments}

    unknown, unapplied = found["unknown-migrations"], found["unapplied-migrations"]
    assert (unknown.severity, unknown.examples) == ("warning", ("auth.0999_gone",))
    # as the settings have it
    assert (unapplied.severity, unapplied.examples) == ("error", (f"contenttypes.{latest}",))

    _run(edms, f"INSERT INTO django_migrations (app, name, applied) VALUES ('contenttypes', '{latest}', '2026-01-01')")
    edms.backup()
    assert edms.restore().promoted
    assert _run(edms, "SELECT count(*) FROM django_migrations WHERE name = '0999_gone'") == [(1,)]


def _run(edms: SmallEdms, statement: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(edms.folder / "db.sqlite3")) as connection, connection:
        return connection.execute(statement).fetchall()
