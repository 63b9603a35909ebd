"""SQLite tables that need functions or collations of the EDMS's own: what a merge and a plan say of them, before anything is written."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from edms_tasks.errors import CheckFailed, MergeRefused
from edms_tasks.settings import Settings
from tests.inventory.small_project import small_project
from tests.running import run_backup, run_merge, run_restore, run_restore_plan

NOTE = """
class Note(models.Model):
    number = models.CharField(max_length=20, unique=True)
    made = models.DateField(null=True)
"""
# What a table defines by functions that Django registers, and the function.
DEFINED = {
    "AskedByRegularExpression": (
        """
    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(number__regex='^[A-Z]'), name='c')]
""",
        "REGEXP",
    ),
    "WithAColumnByYear": (
        """
    year = models.GeneratedField(expression=ExtractYear('made'), output_field=models.IntegerField(), db_persist=True)
""",
        "django_date_extract",
    ),
    "IndexedByYear": (
        """
    class Meta:
        indexes = [models.Index(ExtractYear('made'), name='by_year')]
""",
        "django_date_extract",
    ),
}
# What an EDMS does on every connection, until its code changes.
REGISTERS = """
from django.db.backends.signals import connection_created
def register(connection, **_):
    connection.connection.create_function("ODD", 1, lambda text: 1, deterministic=True)
    connection.connection.create_collation("DOWNWARDS", lambda one, other: (one < other) - (one > other))
connection_created.connect(register, weak=False)
"""


def project(folder: Path, models: str, *, settings: str = "") -> Settings:
    made = small_project(
        folder / "edms",
        f"from django.db.models.functions import ExtractYear\n{models}",
        "Note.objects.create(number='A-1', made='2020-01-01'); Note.objects.create(number='B-2')",
        settings=settings,
    )
    return made.model_copy(
        update={
            "repository": made.repository.model_copy(update={"url": str(folder / "repository")}),
            "workdir": folder / "work",
        }
    )


def statements(settings: Settings, *run: str) -> None:
    """Change the schema by hand, with what the EDMS registers."""
    with closing(connected(settings)) as connection:
        connection.executescript(";".join(run))


def connected(settings: Settings) -> sqlite3.Connection:
    connection = sqlite3.connect(database(settings))
    connection.create_function("ODD", 1, lambda text: 1, deterministic=True)
    connection.create_collation("DOWNWARDS", lambda one, other: (one < other) - (one > other))
    return connection


def database(settings: Settings) -> Path:
    assert settings.edms.project is not None
    return settings.edms.project / "db.sqlite3"


def test_a_merge_into_such_tables_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    models = (NOTE.replace("class Note", f"class {name}") + text for name, (text, _) in DEFINED.items())
    settings = project(tmp_path, NOTE + "".join(models))
    made = run_backup(settings, create_repository=True).snapshot_id
    before = database(settings).read_bytes()
    snapshots = sorted((tmp_path / "repository" / "snapshots").iterdir())

    for dry_run in (True, False):
        with pytest.raises(MergeRefused) as refused:
            run_merge(settings, snapshot=made, dry_run=dry_run)
        for name, (_, function) in DEFINED.items():
            assert f"small.{name} (small_{name.lower()})" in refused.value.why
            assert function in refused.value.why
        assert "small.Note" not in refused.value.why
        assert "migration" in refused.value.fix

    assert database(settings).read_bytes() == before
    assert sorted((tmp_path / "repository" / "snapshots").iterdir()) == snapshots


def test_a_backup_asks_the_edms_for_what_it_registers(tmp_path: Path) -> None:
    settings = project(tmp_path, NOTE + DEFINED["IndexedByYear"][0], settings=REGISTERS)
    statements(settings, "CREATE INDEX by_odd ON small_note (ODD(number))")
    found = {one.code for one in run_backup(settings, create_repository=True).manifest.findings}
    assert "needs-the-edms" in found
    assert "unknown-to-the-edms" not in found

    _unlearn(settings)
    found = {one.code for one in run_backup(settings).manifest.findings}
    assert "unknown-to-the-edms" in found


def test_the_plan_reports_functions_as_the_restore_does(tmp_path: Path) -> None:
    settings = project(tmp_path, NOTE, settings=REGISTERS)
    statements(settings, "CREATE INDEX by_odd ON small_note (ODD(number))")
    made = run_backup(settings, create_repository=True).snapshot_id
    assert not run_restore_plan(settings, snapshot=made).notes

    _unlearn(settings)
    with pytest.raises(CheckFailed) as planned:
        run_restore_plan(settings, snapshot=made)
    with pytest.raises(CheckFailed) as refused:
        run_restore(settings, snapshot=made)

    assert planned.value.what == refused.value.what
    assert planned.value.fix == refused.value.fix
    assert "no such function: ODD" in planned.value.why
    assert "no such function: ODD" in refused.value.why


def test_a_collation_of_the_edms_is_kept_and_the_plan_reports_it_as_the_restore_does(tmp_path: Path) -> None:
    settings = project(tmp_path, NOTE, settings=REGISTERS)
    statements(settings, "CREATE INDEX by_number ON small_note (number COLLATE DOWNWARDS)")
    made = run_backup(settings, create_repository=True).snapshot_id

    assert run_restore(settings, snapshot=made).promoted
    with closing(connected(settings)) as connection:  # the index in an own order was sorted by the EDMS
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]

    _unlearn(settings)
    planned = run_restore_plan(settings, snapshot=made)
    done = run_restore(settings, snapshot=made)

    assert done.promoted
    (said,) = [note for note in planned.notes if "DOWNWARDS" in note]
    assert said in done.notes
    assert "REINDEX" in said


def _unlearn(settings: Settings) -> None:
    assert settings.edms.project is not None
    module = settings.edms.project / "small_settings.py"
    module.write_text(module.read_text(encoding="utf-8").replace(REGISTERS, ""), encoding="utf-8")
