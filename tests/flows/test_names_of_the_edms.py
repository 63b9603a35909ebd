"""SQLite tables that need functions or collations of the EDMS's own: what a merge and a plan say of them, before anything is written."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from edms_tasks.errors import CheckFailed, MergeRefused
from edms_tasks.settings import Settings
from tests.inventory.small_project import run_python, small_project
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
# Indexes that only the EDMS can make.
CLOSED = {
    "IndexedByYear": NOTE.replace("class Note", "class IndexedByYear") + DEFINED["IndexedByYear"][0],
    "IndexedByColumn": NOTE.replace("class Note", "class IndexedByColumn")
    + """
    year = models.GeneratedField(expression=ExtractYear('made'), output_field=models.IntegerField(), db_persist=False)
    class Meta:
        indexes = [models.Index(fields=['year'], name='by_column')]
""",
}
# What an EDMS does on every connection, until its code changes.
REGISTERS = """
from django.db.backends.signals import connection_created
def register(connection, **_):
    connection.connection.create_function("ODD", 1, lambda text: 1, deterministic=True)
    connection.connection.create_collation("DOWNWARDS", lambda one, other: (one < other) - (one > other))
connection_created.connect(register, weak=False)
"""


TWO_NOTES = "Note.objects.create(number='A-1', made='2020-01-01'); Note.objects.create(number='B-2')"


def project(folder: Path, models: str, *, settings: str = "", rows: str = TWO_NOTES) -> Settings:
    made = small_project(
        folder / "edms",
        f"from django.db.models.functions import ExtractYear\n{models}",
        rows,
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
    settings = project(tmp_path, NOTE + "".join(CLOSED.values()), settings=REGISTERS)
    statements(settings, "CREATE INDEX by_own_order ON small_note (number COLLATE DOWNWARDS)")
    made = run_backup(settings, create_repository=True).snapshot_id
    before = database(settings).read_bytes()
    snapshots = sorted((tmp_path / "repository" / "snapshots").iterdir())

    for dry_run in (True, False):
        with pytest.raises(MergeRefused) as refused:
            run_merge(settings, snapshot=made, dry_run=dry_run)
        for name in CLOSED:
            assert (
                f"small.{name} (small_{name.lower()}): its definition uses django_date_extract in" in refused.value.why
            )
        assert "small.Note (small_note): its definition uses DOWNWARDS in the index by_own_order" in refused.value.why
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


@pytest.mark.long  # of a collation, below
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


@pytest.mark.long
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


MEASURED = """
from django.db.models import Case, F, Value, When
from django.db.models.functions import Lower
class Box(models.Model):
    label = models.CharField(max_length=20, unique=True, db_collation="NOCASE")
class Measured(models.Model):
    number = models.CharField(max_length=20, unique=True)
    box = models.ForeignKey(Box, models.CASCADE, null=True)
    made = models.DateField(null=True)
    text = models.CharField(max_length=40, db_collation="NOCASE", default="")
    amount = models.CharField(max_length=20, null=True)
    year = models.GeneratedField(expression=ExtractYear("made"), output_field=models.IntegerField(), db_persist=True)
    month = models.GeneratedField(expression=ExtractMonth("made"), output_field=models.IntegerField(), db_persist=False)
    cents = models.GeneratedField(
        expression=Case(When(amount__regex=r"^[0-9]+$", then=F("amount")), default=Value(None), output_field=models.CharField()),
        output_field=models.CharField(max_length=20), db_persist=True)
    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(number__regex="^[A-Z]"), name="begins_with_a_letter")]
        indexes = [models.Index(fields=["year", "text"], name="by_year_and_text"), models.Index(Lower("text"), name="by_lower")]
"""
PICTURE = """
import json
from django.db import connection
with connection.cursor() as cursor:
    def asked(query):
        cursor.execute(query)
        return [list(row) for row in cursor.fetchall()]
    print(json.dumps(default=str, obj={
        "sound": asked("PRAGMA integrity_check") + asked("PRAGMA foreign_key_check"),
        "definitions": asked("SELECT type, name, sql FROM sqlite_master ORDER BY type, name"),
        "rows": asked(
            "SELECT m.number, m.id, m.made, m.text, m.amount, year, month, cents, b.label "
            "FROM small_measured m LEFT JOIN small_box b ON b.id = box_id ORDER BY m.number"
        ),
        "counter": asked("SELECT seq FROM sqlite_sequence WHERE name = 'small_measured'"),
        "found": asked("SELECT number FROM small_measured WHERE year = 2021 AND text = 'ABC' ORDER BY number"),
    }))
"""
SYSTEMS = {
    "snapshot": """
Measured.objects.all().delete(); Box.objects.all().delete()
near, far = Box.objects.create(id=1, label="near"), Box.objects.create(id=2, label="far")
Measured.objects.create(id=1, number="A-1", box=far, made="2021-03-04", text="abc", amount="12")
Measured.objects.create(id=2, number="B-2", box=near, made="2020-05-06", text="new", amount="x")
Measured.objects.create(id=9, number="C-3", text="Abc", made="2021-07-08", amount=None)
""",
    "target": """
Measured.objects.all().delete(); Box.objects.all().delete()
Box.objects.create(id=1, label="far")
Measured.objects.create(id=1, number="T-1", made="2019-01-01", text="abc", amount="7")
Measured.objects.create(id=2, number="B-2", made="2021-02-03", text="old", amount="8")
""",
}


def measured(folder: Path) -> Settings:
    made = project(folder, "from django.db.models.functions import ExtractMonth\n" + MEASURED, rows="")
    return made.model_copy(update={"validate_": made.validate_.model_copy(update={"django_check": False})})


def test_a_merge_lets_the_edms_compute_columns_and_check_rows_with_its_own_functions(tmp_path: Path) -> None:
    settings = measured(tmp_path)
    assert settings.edms.project is not None
    run_python(settings.edms.project, SYSTEMS["snapshot"])
    snapshot = run_backup(settings, create_repository=True).snapshot_id
    run_python(settings.edms.project, SYSTEMS["target"])
    before = json.loads(run_python(settings.edms.project, PICTURE).splitlines()[-1])

    merged = run_merge(settings, snapshot=snapshot)

    assert merged.plan.conflicts == () and merged.done
    found = json.loads(run_python(settings.edms.project, PICTURE).splitlines()[-1])
    assert found["sound"] == [["ok"]]
    assert found["definitions"] == before["definitions"]
    (a,) = [row[1] for row in found["rows"] if row[0] == "A-1"]
    assert found["rows"] == [
        ["A-1", a, "2021-03-04", "abc", "12", 2021, 3, "12", "far"],
        ["B-2", 2, "2020-05-06", "new", "x", 2020, 5, None, "near"],
        ["C-3", 9, "2021-07-08", "Abc", None, 2021, 7, None, None],
        ["T-1", 1, "2019-01-01", "abc", "7", 2019, 1, "7", None],
    ]
    assert found["found"] == [["A-1"], ["C-3"]]
    assert found["counter"] == [[max(a, 9)]]
    assert run_merge(settings, snapshot=snapshot, dry_run=True).plan.writes == 0


@pytest.mark.long
def test_a_merge_is_refused_if_the_edms_does_not_accept_a_row(tmp_path: Path) -> None:
    settings = measured(tmp_path)
    assert settings.edms.project is not None
    run_python(settings.edms.project, SYSTEMS["snapshot"])
    bad = "connection.cursor().execute('PRAGMA ignore_check_constraints = ON'); Measured.objects.filter(id=9).update(number='9-no')"
    run_python(settings.edms.project, f"from django.db import connection\n{bad}")
    snapshot = run_backup(settings, create_repository=True).snapshot_id
    run_python(settings.edms.project, SYSTEMS["target"])
    before = database(settings).read_bytes()

    with pytest.raises(MergeRefused, match="begins_with_a_letter"):
        run_merge(settings, snapshot=snapshot)

    assert database(settings).read_bytes() == before
