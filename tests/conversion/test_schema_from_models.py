"""A migration that does not run on the other engine is named; the tables can be made from the models instead."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from edms_tasks.databases.protocol import StagingDatabase
from edms_tasks.errors import CheckFailed, CommandError
from edms_tasks.settings import Settings
from tests.inventory.small_project import small_project
from tests.postgres_server import PostgresServer
from tests.running import run_backup, run_restore

MODELS = """
class Shelf(models.Model):
    name = models.CharField(max_length=10, unique=True)

class Paper(models.Model):
    number = models.CharField(max_length=10, unique=True)
    shelf = models.ForeignKey(Shelf, on_delete=models.PROTECT)
    data = models.JSONField(default=dict)
"""
ROWS = "Paper.objects.create(number='P-1', shelf=Shelf.objects.create(name='S'), data={'a': [1, None]})"
FIRST = """
from django.db import migrations, models

class Migration(migrations.Migration):
    initial = True
    operations = [
        migrations.CreateModel("Shelf", [
            ("id", models.BigAutoField(primary_key=True)), ("name", models.CharField(max_length=10, unique=True))]),
        migrations.CreateModel("Paper", [
            ("id", models.BigAutoField(primary_key=True)), ("number", models.CharField(max_length=10, unique=True)),
            ("shelf", models.ForeignKey("small.shelf", on_delete=models.PROTECT)), ("data", models.JSONField(default=dict))]),
    ]
"""
OF_SQLITE_ONLY = """
from django.db import migrations

class Migration(migrations.Migration):
    dependencies = [("small", "0001_initial")]
    operations = [migrations.RunSQL("PRAGMA optimize")]
"""


@pytest.fixture(scope="module")
def backed_up_edms(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("models") / "project"
    migrations = folder / "its_migrations"
    migrations.mkdir(parents=True)
    (migrations / "__init__.py").touch()
    (migrations / "0001_initial.py").write_text(FIRST, encoding="utf-8")
    (migrations / "0002_of_sqlite.py").write_text(OF_SQLITE_ONLY, encoding="utf-8")
    settings = small_project(folder, MODELS, ROWS, settings='MIGRATION_MODULES = {"small": "its_migrations"}')
    settings = settings.model_copy(update={"workdir": folder.parent / "work"})
    settings = settings.model_copy(
        update={"repository": settings.repository.model_copy(update={"url": str(folder.parent / "repository")})}
    )
    run_backup(settings)
    return settings


@pytest.fixture
def target(postgres_server: PostgresServer) -> Iterator[str]:
    name = "made_from_models"
    yield postgres_server.url(name)
    postgres_server.drop_databases(name)


@pytest.mark.long
def test_the_migration_that_does_not_run_is_named(backed_up_edms: Settings, target: str) -> None:
    with pytest.raises(CheckFailed) as failed:
        run_restore(backed_up_edms, into=target)

    assert "migration small.0002_of_sqlite does not run on postgresql" in failed.value.what
    assert "PRAGMA" in str(failed.value.why) and "--schema models" in str(failed.value.fix)


def test_tables_made_from_models_get_every_row_and_constraint(backed_up_edms: Settings, target: str) -> None:
    result = run_restore(backed_up_edms, into=target, schema="models")

    assert result.success, result.failures
    assert any("No migration was run" in note for note in result.notes)
    with psycopg.connect(target, autocommit=True) as connection:
        papers = "SELECT number, name, data FROM small_paper p JOIN small_shelf s ON s.id = shelf_id"
        assert connection.execute(papers).fetchall() == [("P-1", "S", {"a": [1, None]})]
        assert connection.execute("SELECT count(*) FROM django_migrations WHERE app = 'small'").fetchall() == [(2,)]
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute("INSERT INTO small_shelf (name) VALUES ('S')")
        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            connection.execute("DELETE FROM small_shelf; SET CONSTRAINTS ALL IMMEDIATE")


@pytest.mark.long
def test_a_document_that_means_something_else_after_the_load_fails_the_validation(
    backed_up_edms: Settings, target: str
) -> None:
    def damage(staging: StagingDatabase, _folders: object) -> None:
        with psycopg.connect(target.rpartition("/")[0] + "/" + staging.address.name, autocommit=True) as connection:
            connection.execute("""UPDATE small_paper SET data = '{"a": [1, false]}'""")

    result = run_restore(backed_up_edms, before_validation=damage, into=target, schema="models")

    assert not result.success
    assert any("small.Paper" in failure and "data" in failure for failure in result.failures), result.failures


def test_within_one_engine_it_is_refused(backed_up_edms: Settings) -> None:
    with pytest.raises(CommandError, match="--schema models is for a restore into another engine"):
        run_restore(backed_up_edms, into="copy", schema="models")
