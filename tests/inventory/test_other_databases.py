"""An EDMS with several databases: what is in another one is an error by name, never a table of 0 rows that was proved."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from edms_tasks.errors import SettingsError
from edms_tasks.inventory.model import Finding
from edms_tasks.settings import Settings
from tests.inventory.small_project import run_python, small_project
from tests.running import run_backup, run_doctor, run_merge

# Routers as projects have them; Django's `migrate` makes the tables of all models in the chosen database, because none forbids it.
SETTINGS = """
DATABASES["archive"] = {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE / "archive.sqlite3"}
DATABASES["reporting"] = {**DATABASES["default"], "CONN_MAX_AGE": 0}
DATABASES["replica"] = {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE / "replica.sqlite3", "TEST": {"MIRROR": "default"}}
class Old:
    def db_for_read(self, model, **hints):
        return "archive" if model._meta.model_name in ("deed", "seal") else "replica"
    def db_for_write(self, model, **hints):
        return "archive" if model._meta.model_name in ("deed", "seal") else "default"
    def allow_relation(self, one, other, **hints):
        return True
DATABASE_ROUTERS = [Old()]
"""
MODELS = """
from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
class Deed(models.Model):
    number = models.CharField(max_length=9, unique=True)
class Seal(models.Model):
    deed = models.ForeignKey(Deed, models.CASCADE)
class Paper(models.Model):
    number = models.CharField(max_length=9, unique=True)
    deed = models.ForeignKey(Deed, models.SET_NULL, null=True, db_constraint=False)
class Comment(models.Model):
    text = models.CharField(max_length=9, unique=True)
    content_type = models.ForeignKey(ContentType, models.CASCADE)
    object_id = models.IntegerField()
    about = GenericForeignKey("content_type", "object_id")
"""
ROWS = """
from django.core.management import call_command
call_command("migrate", "--run-syncdb", database="archive", verbosity=0)
deed = Deed.objects.create(id=5, number="D-1")
Seal.objects.create(deed=deed)
Paper.objects.create(number="P-1", deed_id=5)
Paper.objects.create(number="P-2")
Comment.objects.create(text="on deed", content_type=ContentType.objects.using("default").get(model="deed"), object_id=5)
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Settings]:
    """The settings for one of its databases, with what they leave out."""
    folder = tmp_path_factory.mktemp("databases")
    made = small_project(folder / "edms", MODELS, ROWS, settings=SETTINGS)

    def settings(alias: str = "default", *left_out: str, name: str = "edms") -> Settings:
        return made.model_copy(
            update={
                "edms": made.edms.model_copy(update={"database": alias, "id": name}),
                "exclude": made.exclude.model_copy(update={"databases": left_out}),
                "workdir": folder / f"work-{alias}",
                "repository": made.repository.model_copy(
                    update={"url": str(folder / f"repository-{alias}"), "copies": folder / "copies"}
                ),
                "validate_": made.validate_.model_copy(update={"django_check": False}),
            }
        )

    return settings


def of(findings: Sequence[Finding], code: str) -> dict[str, Finding]:
    return {one.subject: one for one in findings if one.code == code}


def test_rows_in_another_database_are_an_error_by_name_in_backup_and_doctor(
    project: Callable[..., Settings],
) -> None:
    made = run_backup(project(), create_repository=True).manifest
    examined = run_doctor(project())

    for findings in (made.findings, examined.diagnosis.assessments):
        others = of(findings, "other-database")
        # Not the replica, and not the same database under another name.
        assert list(others) == ["DATABASES['archive']"]
        one = others["DATABASES['archive']"]
        assert one.severity == "error" and one.examples == ("small.Deed", "small.Seal")
        assert '[edms] database = "archive"' in one.fix and '[exclude] databases = ["archive"]' in one.fix
        assert set(of(findings, "table-of-another-database")) == {"small_deed", "small_seal"}
        assert not [one for one in findings if one.code in ("model-without-table", "table-without-model")]
    assert not examined.diagnosis.healthy
    counted = {entry.table.label: entry.state.rows for entry in made.tables}
    assert counted["small.Paper"] == 2 and not {"small.Deed", "small.Seal"} & set(counted)
    # A foreign key to another database leads to nothing that is missing here.
    assert set(of(made.findings, "dangling-reference")) == {"small.Comment.about"}


@pytest.mark.long
def test_what_is_left_out_on_purpose_is_said_and_its_own_backup_has_the_rows(project: Callable[..., Settings]) -> None:
    examined = run_doctor(project("default", "archive"))
    archive = run_backup(project("archive", "default", "reporting", "replica"), create_repository=True).manifest

    said = of(examined.diagnosis.assessments, "other-database-excluded")
    assert list(said) == ["DATABASES['archive']"] and "small.Deed, small.Seal" in said["DATABASES['archive']"].message
    assert examined.diagnosis.healthy
    counted = {entry.table.label: entry.state.rows for entry in archive.tables}
    assert counted["small.Deed"] == counted["small.Seal"] == 1 and "small.Paper" not in counted
    assert set(of(archive.findings, "other-database-excluded")) == {
        f"DATABASES[{alias!r}]" for alias in ("default", "reporting", "replica")
    }
    assert not [one for one in archive.findings if one.severity == "error"]


@pytest.mark.parametrize(("name", "message"), [("archiv", "no other database 'archiv'"), ("default", "is backed up")])
def test_a_wrong_name_in_the_settings_is_refused(name: str, message: str, project: Callable[..., Settings]) -> None:
    with pytest.raises(SettingsError, match=message):
        run_backup(project("default", name), create_repository=True)


@pytest.mark.long
def test_a_merge_from_another_edms_stops_at_ids_of_rows_in_another_database(project: Callable[..., Settings]) -> None:
    snapshot = run_backup(project(), create_repository=True).snapshot_id
    folder = Path(str(project().edms.project))
    with closing(sqlite3.connect(folder / "db.sqlite3")) as lite, lite:
        lite.execute("DELETE FROM small_paper")
        lite.execute("DELETE FROM small_comment")

    elsewhere = run_merge(project(name="another"), snapshot=snapshot, dry_run=True)
    accepted = run_merge(
        project(name="another"),
        snapshot=snapshot,
        dry_run=True,
        not_references=("small.Paper.deed", "small.Comment.object_id"),
    )
    same = run_merge(project(), snapshot=snapshot, dry_run=True)

    found = {one.model: one for one in elsewhere.plan.conflicts}
    assert set(found) == {"small.Paper.deed", "small.Comment.object_id"}
    assert all(one.code == "reference-to-another-database" and one.count == 1 for one in found.values())
    assert all("small.Deed" in one.message and one.examples == ("5",) for one in found.values())
    assert accepted.success and set(accepted.plan.looked.accepted) == set(found)
    assert same.success


@pytest.mark.parametrize(
    ("router", "code"),
    [
        ("db_for_read = lambda self, model, **hints: 1 / 0", "router-failed"),
        # It only says where migrations run; the EDMS's code chooses the database itself.
        (
            "allow_migrate = lambda self, db, app_label, model_name=None, **hints: (db == 'archive') == (model_name == 'deed')",
            "other-database",
        ),
    ],
)
def test_routers_of_other_kinds(router: str, code: str, tmp_path: Path) -> None:
    settings = f"""
DATABASES["archive"] = {{"ENGINE": "django.db.backends.sqlite3", "NAME": BASE / "archive.sqlite3"}}
class Router:
    {router}
DATABASE_ROUTERS = [Router()]
"""
    models = "class Deed(models.Model):\n    number = models.CharField(max_length=9)\n"
    made = small_project(tmp_path / "edms", models, settings=settings)

    findings = run_doctor(made).diagnosis.assessments

    (one,) = [one for one in findings if one.code == code and "small.Deed" in (one.subject, *one.examples)]
    assert one.severity == "error"
    assert not [one for one in findings if one.code == "model-without-table"]


def test_routing_by_rows_that_are_here_too_leaves_them_their_model(tmp_path: Path) -> None:
    made = small_project(tmp_path / "edms", MODELS, settings=SETTINGS)
    run_python(tmp_path / "edms", 'Deed.objects.using("default").create(number="D-0")')

    examined = run_doctor(made)

    assert "small.Deed" in {verdict.model for verdict in examined.diagnosis.keys}
    assert of(examined.diagnosis.assessments, "other-database")["DATABASES['archive']"].severity == "error"
