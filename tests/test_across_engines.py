"""An EDMS moved to the other engine: the same objects in Django's own words, working like before; or refused, row by row.

Django itself, inside the EDMS, says what both systems hold: no code of the product reads a value here.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from edms_tasks.databases.protocol import StagingDatabase
from edms_tasks.errors import CommandError, IncompatibleRows
from edms_tasks.settings import load_settings
from flows.restore import RestoreResult
from tests import test_post_restore_functionality as working
from tests.conversion.django_values import SCRIPT, heard
from tests.postgres_server import PostgresServer
from tests.reference_system import EdmsTemplates, Engine, LazyPostgres, ReferenceEdms
from tests.running import Protected, protect, run_restore

# A decimal with 18 digits is among the reference EDMS's awkward data; SQLite cannot hold it, so it says another there.
_FIX = """
from decimal import Decimal
from documents.models import Document
assert Document.objects.filter(cost__gt=10**9).update(cost=Decimal("1234567890.1234"))
"""


@dataclass(frozen=True)
class Moved:
    """A system as it was, and the same on the other engine."""

    source: ReferenceEdms
    protected: Protected
    there: ReferenceEdms
    result: RestoreResult


@pytest.fixture(scope="module")
def moved(
    tmp_path_factory: pytest.TempPathFactory, _edms_templates: EdmsTemplates, _lazy_postgres: LazyPostgres
) -> Iterator[Callable[[Engine], Moved]]:
    """Systems of each engine, moved once; they are worked on like the one system of an office."""
    made: dict[Engine, Moved] = {}

    def get(engine: Engine) -> Moved:
        if engine not in made:
            folder = tmp_path_factory.mktemp(f"from_{engine}")
            template = _edms_templates.get(engine, 20, 1)
            edms = _edms_templates.copy(template, folder / "source", f"across_from_{engine}")
            edms.manage("shell", "-c", _FIX)
            if engine == "sqlite":
                _spell_otherwise(edms)
                target: Engine = "postgresql"
                url = _lazy_postgres.server.create_database("across_to_postgresql")
                _lazy_postgres.server.drop_database("across_to_postgresql")  # the restore makes it itself
            else:
                target, url = "sqlite", f"sqlite:///{folder / 'moved.sqlite3'}"
            protected = protect(edms, folder)
            protected.backup()
            result = protected.restore(into=url, into_files=folder / "files")
            assert result.success, result.failures
            made[engine] = Moved(
                edms,
                protected,
                ReferenceEdms(engine=target, database_url=url, media=folder / "files" / "media"),
                result,
            )
        return made[engine]

    yield get
    if _lazy_postgres.started:
        for name in _lazy_postgres.server.databases():
            if name.startswith("across_"):
                _lazy_postgres.server.drop_database(name)


@pytest.mark.slow
@pytest.mark.parametrize("engine", [pytest.param("sqlite", marks=pytest.mark.long), "postgresql"])
def test_django_says_the_same_of_every_object_on_the_other_engine(
    moved: Callable[[Engine], Moved], engine: Engine
) -> None:
    system = moved(engine)
    before, after = _said(system.source), _said(system.there)
    assert len(before) > 600
    assert after == before
    assert "intact" in system.there.manage("verify_audit").stdout
    assert not system.result.promoted


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("engine", [pytest.param("sqlite", marks=pytest.mark.long), "postgresql"])
def test_the_converted_system_works(moved: Callable[[Engine], Moved], engine: Engine) -> None:
    there = moved(engine).there
    working.test_the_database_itself_refuses_to_change_the_audit_trail(there)
    working.test_the_database_still_enforces_its_constraints(there)
    working.test_new_rows_get_free_ids_in_every_table(there)
    working.test_a_new_and_a_restored_document_go_through_the_whole_workflow(there)


@pytest.mark.long
@pytest.mark.slow
def test_respelled_values_and_dangling_references_are_noted(moved: Callable[[Engine], Moved]) -> None:
    notes = " ".join(moved("sqlite").result.notes)
    assert "documents.Document.metadata (20 rows)" in notes
    assert "documents.Document.created_at (1 rows)" in notes
    assert "foreign keys were restored NOT VALID" in notes


@pytest.mark.long  # of a document, the same is asked in conversion/test_schema_from_models
@pytest.mark.slow
def test_a_value_that_changed_in_the_other_engine_fails_the_validation_and_is_named(
    moved: Callable[[Engine], Moved], tmp_path: Path
) -> None:
    system = moved("postgresql")
    where = tmp_path / "damaged.sqlite3"

    def damage(staging: StagingDatabase, folders: object) -> None:
        with closing(sqlite3.connect(staging.address.name)) as connection:
            connection.execute(
                "UPDATE documents_document SET created_at = substr(created_at, 1, 18) || "
                "CASE substr(created_at, 19, 1) WHEN '0' THEN '1' ELSE '0' END || substr(created_at, 20) WHERE id = 3"
            )
            connection.commit()

    result = system.protected.restore(
        into=f"sqlite:///{where}", into_files=tmp_path / "files", before_validation=damage
    )

    assert not result.success
    assert any("created_at of the row with id = 3" in line for line in result.failures), result.failures
    assert not where.exists()
    assert not list(tmp_path.glob("damaged*"))


PLANTED = [
    # statement, then what must be said of it
    (
        "UPDATE users_user SET first_name = 'a' || char(0) || 'b' WHERE id = 1",
        ("users.User", "id = 1", "first_name", "NUL"),
    ),
    (
        "UPDATE documents_document SET title = replace(hex(zeroblob(200)), '00', 'xx') WHERE id = 5",
        ("documents.Document", "id = 5", "title", "is longer than"),
    ),
    (
        "UPDATE documents_document SET created_at = '2026-02-30 00:00:00' WHERE id = 3",
        ("documents.Document", "id = 3", "created_at", "is no date and time"),
    ),
    (
        """UPDATE documents_document SET metadata = '{"a": 1, "a": 2}' WHERE id = 4""",
        ("documents.Document", "id = 4", "metadata", "repeats a key"),
    ),
    (
        "UPDATE documents_document SET version_minor = 2147483648 WHERE id = 5",
        ("documents.Document", "id = 5", "version_minor", "is out of range for integer", "2147483648"),
    ),
    ("CREATE TABLE left_behind (a INTEGER); INSERT INTO left_behind VALUES (1)", ("left_behind", "no model owns it")),
    ("ALTER TABLE users_role ADD COLUMN extra TEXT", ("users.Role", "'extra'")),
]


@pytest.mark.long
@pytest.mark.slow
def test_incompatible_rows_are_named_and_refused_before_anything_is_loaded(
    _edms_templates: EdmsTemplates, postgres_server: PostgresServer, postgres_database: str, tmp_path: Path
) -> None:
    edms = _edms_templates.copy(_edms_templates.get("sqlite", 20, 1), tmp_path / "edms", "unused")
    with closing(sqlite3.connect(edms.database_path)) as connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        for statement, _ in PLANTED:
            connection.executescript(statement)
        connection.commit()
    protected = protect(edms, tmp_path, extra='[validate]\nsensitive = ["documents.Document.title"]')
    protected.backup()
    files = _picture(tmp_path / "edms")

    with pytest.raises(IncompatibleRows) as refused:
        protected.restore(into=postgres_database, into_files=tmp_path / "files")

    error = refused.value.as_json()
    said = [json.dumps(found, ensure_ascii=False) for found in error["incompatible"]]
    for _, words in PLANTED:
        assert any(all(word in line for word in words) for line in said), (words, said)
    cost = next(found for found in error["incompatible"] if found.get("column") == "cost")
    assert cost["rows"] == 2 and [row["primary_key"] for row in cost["listed"]] == ["id = 1", "id = 87"]
    assert sorted(found["rows"] for found in error["incompatible"] if "rows" in found) == [1, 1, 1, 1, 1, 2]
    title = next(found for found in error["incompatible"] if found.get("column") == "title")
    assert title["listed"][0]["value"] is None and "xxx" not in str(error)
    assert (error["error"], error["former_error"]) == (
        "incompatible-rows",
        "does-not-fit",
    ) and refused.value.exit_code == 1
    assert _picture(tmp_path / "edms") == files
    with psycopg.connect(postgres_database) as connection:
        assert connection.execute(
            "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        ).fetchone() == (0,)
    name = postgres_database.rpartition("/")[2]
    assert [found for found in postgres_server.databases() if found.startswith(name)] == [name]


@pytest.mark.long
def test_a_role_without_createdb_converts_into_an_empty_database(
    moved: Callable[[Engine], Moved], postgres_server: PostgresServer, postgres_database: str, tmp_path: Path
) -> None:
    name = postgres_database.rpartition("/")[2]
    with postgres_server.connect("postgres") as connection:
        connection.execute("DROP ROLE IF EXISTS across_owner")
        connection.execute("CREATE ROLE across_owner LOGIN PASSWORD 'secret' NOCREATEDB NOSUPERUSER")
        connection.execute(f"ALTER DATABASE {name} OWNER TO across_owner".encode())
    place = postgres_database.rpartition("@")[2]

    result = moved("sqlite").protected.restore(
        into=f"postgresql://across_owner:secret@{place}", into_files=tmp_path / "files"
    )

    assert result.success, result.failures
    there = ReferenceEdms(engine="postgresql", database_url=postgres_database, media=tmp_path / "files" / "media")
    assert _said(there) == _said(moved("sqlite").source)


def test_a_url_of_the_snapshots_own_engine_is_refused(moved: Callable[[Engine], Moved], tmp_path: Path) -> None:
    protected = moved("postgresql").protected
    with pytest.raises(CommandError, match="is of postgresql too"):
        run_restore(
            load_settings(protected.config),
            snapshot="latest",
            into="postgresql://nobody@127.0.0.1:1/nothing",
        )
    with pytest.raises(CommandError, match="cannot be combined with another engine"):
        protected.restore(into=f"sqlite:///{tmp_path / 'x'}", salvage=True)


def _spell_otherwise(edms: ReferenceEdms) -> None:
    """Spellings that Django reads and does not write, and a dangling reference."""
    with closing(sqlite3.connect(edms.database_path)) as connection:
        connection.execute(
            "UPDATE documents_document SET created_at = replace(substr(created_at, 1, 19), ' ', 'T') || '.5Z' WHERE id = 5"
        )
        connection.execute(
            "UPDATE django_admin_log SET user_id = 999999 WHERE id = (SELECT min(id) FROM django_admin_log)"
        )
        connection.commit()


def _said(edms: ReferenceEdms) -> list[list[str]]:
    return heard(edms.manage("shell", "-c", SCRIPT).stdout)


def _picture(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
