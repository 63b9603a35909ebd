"""A change of engine leaves out the tables that the EDMS computes from others, says so, and lets the EDMS make them again."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from edms_tasks.errors import IncompatibleRows, SettingsError
from edms_tasks.settings import DerivedSettings, Settings, settings_from
from tests.inventory.small_project import run_python, small_project
from tests.postgres_server import PostgresServer
from tests.running import run_backup, run_restore, run_restore_plan

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("edms_asked_once")]

# Like Wagtail's: the table of a search index has other columns on each engine, and a full-text index only on SQLite.
MODELS = """
from django.conf import settings
SQLITE = "sqlite" in settings.DATABASES["default"]["ENGINE"]

class Document(models.Model):
    number = models.CharField(max_length=20, unique=True)

class Vector(models.Field):
    def db_type(self, connection): return "text" if SQLITE else "tsvector"

class Entry(models.Model):
    document = models.OneToOneField(Document, models.CASCADE, primary_key=True)
    if SQLITE:
        words = models.TextField()
    else:
        vector = models.TextField(null=True)
    weights = Vector(null=True)
"""
MIGRATION = """
from django.conf import settings
from django.db import migrations, models

from small.models import SQLITE, Vector

class Migration(migrations.Migration):
    initial = True
    operations = [
        migrations.CreateModel("Document", [
            ("id", models.BigAutoField(primary_key=True)), ("number", models.CharField(max_length=20, unique=True))]),
        migrations.CreateModel("Entry", [
            ("document", models.OneToOneField("small.document", models.CASCADE, primary_key=True)),
            ("words", models.TextField()) if SQLITE else ("vector", models.TextField(null=True)), ("weights", Vector(null=True))]),
    ]
    if SQLITE:
        operations.append(migrations.RunSQL([
            "CREATE VIRTUAL TABLE found USING fts5 (words)",
            "CREATE TRIGGER entry_added AFTER INSERT ON small_entry BEGIN"
            " INSERT INTO found (rowid, words) VALUES (new.document_id, new.words); END",
            "CREATE VIRTUAL TABLE numbers USING fts5 (number, content = 'small_document', content_rowid = 'id')",
        ]))
"""
COMMAND = """
from django.core.management.base import BaseCommand
from django.db import connection
from small.models import Document, Entry, SQLITE
class Command(BaseCommand):
    def add_arguments(self, parser):
        parser.add_argument("word")
    def handle(self, *args, word, **options):
        if word == "fail": raise ValueError("no index today")
        Entry.objects.all().delete()
        for document in Document.objects.all():
            Entry.objects.create(document=document, **{"words" if SQLITE else "vector": f"{word} {document.number}"})
        if SQLITE: connection.cursor().execute("INSERT INTO numbers (numbers) VALUES ('rebuild')")
"""
SETTINGS = """
import json, os
MIGRATION_MODULES = {"small": "its_migrations"}
DATABASES["default"].update(json.loads(os.environ.get("SMALL_DATABASE", "{}")))
"""
FIND = "SELECT words FROM found WHERE found MATCH 'A'"


@dataclass(frozen=True)
class Movable:
    """An EDMS with a search index, its snapshots on both engines, and where it can be moved to."""

    of_sqlite: Settings
    of_postgresql: Settings
    database: Path
    folder: Path
    server: PostgresServer

    def on(
        self,
        engine: str,
        tables: tuple[str, ...] = (),
        rebuild: tuple[str, ...] = (),
        columns: tuple[str, ...] = (),
    ) -> Settings:
        settings = self.of_sqlite if engine == "sqlite" else self.of_postgresql
        derived = DerivedSettings(tables=tables, rebuild=rebuild, columns=columns)
        return settings.model_copy(update={"derived": derived})


@pytest.fixture(scope="module")
def movable(tmp_path_factory: pytest.TempPathFactory, postgres_server: PostgresServer) -> Iterator[Movable]:
    folder = tmp_path_factory.mktemp("movable")
    project = folder / "project"
    migrations = project / "its_migrations"
    migrations.mkdir(parents=True)
    (migrations / "__init__.py").touch()
    (migrations / "0001_initial.py").write_text(MIGRATION, encoding="utf-8")
    edms = small_project(project, MODELS, settings=SETTINGS)
    commands = project / "small" / "management" / "commands"
    commands.mkdir(parents=True)
    for package in (commands, commands.parent):
        (package / "__init__.py").touch()
    (commands / "build_index.py").write_text(COMMAND, encoding="utf-8")
    fill = (
        "from django.core.management import call_command; call_command('migrate', verbosity=0)\n"
        "for number in 'AB': Document.objects.create(number=number)\n"
        "call_command('build_index', 'old')"
    )
    run_python(project, fill)
    url = postgres_server.create_database("movable")
    address = psycopg.conninfo.conninfo_to_dict(url)
    there = {
        "ENGINE": "django.db.backends.postgresql", "NAME": "movable", "USER": address["user"], "PASSWORD": address["password"],
        "HOST": address["host"], "PORT": address["port"],
    }  # fmt: skip
    variables = {"SMALL_DATABASE": json.dumps(there)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SMALL_DATABASE", variables["SMALL_DATABASE"])
        run_python(project, fill)

    def settings_of(engine: str, env: dict[str, str]) -> Settings:
        settings = settings_from(
            {
                "edms": edms.edms.model_dump() | {"env": env},
                "repository": {"url": str(folder / f"repository-{engine}")},
                "workdir": str(folder / f"work-{engine}"),
                "validate": {"django_check": False},
            },
            where=folder / f"{engine}.toml",
        )
        run_backup(settings, create_repository=True)
        return settings

    yield Movable(
        settings_of("sqlite", {}),
        settings_of("postgresql", variables),
        project / "db.sqlite3",
        folder,
        postgres_server,
    )
    postgres_server.drop_databases("movable")


@pytest.fixture
def target(postgres_server: PostgresServer) -> Iterator[str]:
    yield postgres_server.url("moved")
    postgres_server.drop_databases("moved")


@pytest.mark.long
def test_what_is_not_declared_is_refused_but_an_index_over_another_table(movable: Movable, target: str) -> None:
    with pytest.raises(IncompatibleRows) as refused:
        run_restore(movable.on("sqlite"), into=target)

    named = [str(found["table"]) for found in refused.value.incompatible]
    shadows = {f"found_{part}" for part in ("data", "idx", "docsize", "config", "content")}
    assert {line.split(":")[0] for line in named} == {"small.Entry", *shadows}
    assert "[derived] tables" in str(refused.value.fix)


@pytest.mark.long
def test_from_sqlite_to_postgresql_derived_tables_are_made_again_by_the_edms(movable: Movable, target: str) -> None:
    result = run_restore(movable.on("sqlite", ("small.Entry",), ("build_index new",)), into=target)

    assert result.success, result.failures
    with psycopg.connect(target) as connection:
        rows = "SELECT number, vector FROM small_document JOIN small_entry ON document_id = id ORDER BY 1"
        assert connection.execute(rows).fetchall() == [("A", "new A"), ("B", "new B")]
    assert {(one.label, one.rows) for one in result.left_out if not one.index} == {("small.Entry", 2)}
    assert {one.label for one in result.left_out if one.index} == {"found", "numbers"}
    said = {one["name"]: one for one in result.as_json()["left_out"]}
    assert "build_index new" in said["small.Entry"]["fix"]
    assert said["small.Entry"]["remedy"] == said["small.Entry"]["fix"], "the older name stays"
    assert "Derived tables: the EDMS ran `build_index new`." in result.notes
    report = json.loads(result.report_json.read_text(encoding="utf-8"))
    assert "without small.Entry, found, numbers, which the EDMS's own commands made again" in report["headline"]
    found = {one["subject"]: one for one in report["findings"] if one["code"] == "derived-left-out"}
    assert set(found) == {"small.Entry", "found", "numbers"}
    assert "build_index new" in found["small.Entry"]["message"] and "small_document" in found["numbers"]["message"]


COLUMNS = ("small.Entry.words", "small_entry.vector", "small.Entry.weights")


@pytest.mark.long  # of tables, from SQLite to PostgreSQL
def test_derived_columns_without_an_equal_there_are_left_out_by_name(movable: Movable, target: str) -> None:
    settings = movable.on("sqlite", ("found",), columns=COLUMNS)
    with closing(sqlite3.connect(movable.database)) as lite, lite:
        lite.execute("UPDATE small_entry SET weights = 'heavy'")
    own = settings.model_copy(
        update={"repository": settings.repository.model_copy(update={"url": str(movable.folder / "weighted")})}
    )
    run_backup(own, create_repository=True)
    with closing(sqlite3.connect(movable.database)) as lite, lite:
        lite.execute("UPDATE small_entry SET weights = NULL")

    result = run_restore(own, into=target)

    assert result.success, result.failures
    with psycopg.connect(target) as connection:
        rows = "SELECT number, vector, weights FROM small_document JOIN small_entry ON document_id = id ORDER BY 1"
        assert connection.execute(rows).fetchall() == [("A", None, None), ("B", None, None)]
    left = {(one.label, one.rows, one.open) for one in result.left_out if not one.index}
    assert left == {(f"small.Entry.{name}", 2, True) for name in ("words", "vector", "weights")}
    report = json.loads(result.report_json.read_text(encoding="utf-8"))
    found = {one["subject"] for one in report["findings"] if one["code"] == "derived-left-out"}
    assert found >= {"small.Entry.words", "small.Entry.vector", "small.Entry.weights"}


@pytest.mark.long
def test_a_derived_column_that_fits_is_converted_and_its_values_are_proved(movable: Movable, target: str) -> None:
    settings = movable.on("sqlite", ("small.Entry",), columns=("small.Document.number",))

    result = run_restore(settings, into=target)

    assert result.success
    with psycopg.connect(target) as connection:
        assert connection.execute("SELECT number FROM small_document ORDER BY 1").fetchall() == [("A",), ("B",)]
    assert "small.Document.number" not in {one.label for one in result.left_out}


def test_a_derived_column_that_must_not_be_empty_there_is_named(movable: Movable) -> None:
    with pytest.raises(IncompatibleRows) as refused:
        run_restore(movable.on("postgresql", columns=COLUMNS), into=f"sqlite:///{movable.folder}/refused.sqlite3")

    (line,) = [str(found["table"]) for found in refused.value.incompatible]
    assert line.startswith("small.Entry") and "'words'" in line and "cannot be empty" in line


@pytest.mark.long  # of a merge, in merging/test_derived_tables
def test_a_column_of_no_table_and_a_reference_are_refused(movable: Movable, target: str) -> None:
    for column, why in (("small.Enty.words", "no model or table 'small.Enty'"), ("small.Entry.document", "cannot be")):
        with pytest.raises(SettingsError, match=why):
            run_restore(movable.on("sqlite", columns=(column,)), into=target)


@pytest.mark.long  # with a command, below
def test_without_a_command_the_finding_says_what_to_run(movable: Movable, target: str) -> None:
    plan = run_restore_plan(movable.on("sqlite", ("small_entry",)), snapshot="latest", into=target)
    result = run_restore(movable.on("sqlite", ("small_entry",)), into=target)

    assert result.success and result.not_rebuilt == ()
    (note,) = [note for note in result.notes if note.startswith("small.Entry")]
    assert "2 rows" in note and "[derived] rebuild" in note
    assert note in plan.notes
    assert "still to be made again" in json.loads(result.report_json.read_text(encoding="utf-8"))["headline"]
    brought = {table.model for table in (*plan.difference.only_first, *plan.difference.only_second)}
    assert "small.Document" in brought and brought.isdisjoint({"small.Entry", "found_data", "numbers_data"})
    with psycopg.connect(target) as connection:
        assert connection.execute("SELECT count(*) FROM small_entry").fetchone() == (0,)


@pytest.mark.long
def test_a_rebuild_that_fails_fails_the_move(movable: Movable) -> None:
    moved = movable.folder / "not-rebuilt.sqlite3"

    result = run_restore(
        movable.on("postgresql", ("small.Entry",), ("build_index fail",)), into=f"sqlite:///{moved}", snapshot="latest"
    )

    assert (result.verdict, result.success, result.not_rebuilt) == ("proved", False, ("build_index fail",))
    assert any("no index today" in note for note in result.notes)
    assert "still to be made again" in json.loads(result.report_json.read_text(encoding="utf-8"))["headline"]
    with closing(sqlite3.connect(moved)) as lite:
        assert lite.execute("SELECT count(*) FROM small_document").fetchone() == (2,)


@pytest.mark.long
def test_from_postgresql_to_sqlite_the_index_of_the_migrations_is_filled_by_the_edms(movable: Movable) -> None:
    moved = movable.folder / "moved.sqlite3"

    result = run_restore(
        movable.on("postgresql", ("small.Entry",), ("build_index new",)), into=f"sqlite:///{moved}", snapshot="latest"
    )

    assert result.success, result.failures
    with closing(sqlite3.connect(moved)) as lite:
        assert lite.execute("SELECT words FROM small_entry ORDER BY 1").fetchall() == [("new A",), ("new B",)]
        assert lite.execute(FIND).fetchall() == [("new A",)]
        lite.execute("INSERT INTO numbers (numbers, rank) VALUES ('integrity-check', 1)")


@pytest.mark.long
def test_an_index_that_nobody_filled_is_named_with_the_statement_that_fills_it(movable: Movable) -> None:
    moved = movable.folder / "empty-index.sqlite3"

    result = run_restore(movable.on("postgresql", ("small.Entry",)), into=f"sqlite:///{moved}", snapshot="latest")

    assert result.success, result.failures
    (note,) = [note for note in result.notes if note.startswith("numbers")]
    statement = """INSERT INTO "numbers" ("numbers") VALUES ('rebuild')"""
    assert statement in note
    with closing(sqlite3.connect(moved)) as lite:
        assert lite.execute("SELECT count(*) FROM numbers WHERE numbers MATCH 'A'").fetchone() == (0,)
        lite.execute(statement)
        assert lite.execute("SELECT count(*) FROM numbers WHERE numbers MATCH 'A'").fetchone() == (1,)
