"""A multiplied EDMS is a sound EDMS: the database itself finds every reference good, and Django can go on with it."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
import pytest

from benchmarks.multiply import multiply
from tests.reference_system import EdmsTemplates, Engine, ReferenceEdms, ReferenceEdmsFactory

pytestmark = pytest.mark.long  # `make bench` alone needs it

ENGINES: tuple[Engine, ...] = ("sqlite", "postgresql")


@dataclass(frozen=True)
class Multiplied:
    """An EDMS that was multiplied, and what it was before."""

    source: ReferenceEdms
    edms: ReferenceEdms
    wanted: int
    told: int


@pytest.fixture(scope="module")
def multiplied_systems(
    tmp_path_factory: pytest.TempPathFactory, _edms_templates: EdmsTemplates
) -> Callable[[Engine], Multiplied]:
    """One per engine; nobody may change its rows."""
    factory = ReferenceEdmsFactory(
        _edms_templates, tmp_path_factory.mktemp("multiplied"), f"multiplied_{secrets.token_hex(3)}"
    )

    @cache
    def get(engine: Engine) -> Multiplied:
        source, edms = factory(engine, documents=20), factory(engine, documents=20)
        wanted = 3 * _all_rows(edms)
        return Multiplied(source, edms, wanted, multiply(edms.database_url, wanted))

    return get


@pytest.fixture(params=ENGINES)
def multiplied(request: pytest.FixtureRequest, multiplied_systems: Callable[[Engine], Multiplied]) -> Multiplied:
    """The multiplied system of each engine."""
    return multiplied_systems(request.param)


@contextmanager
def _connected(edms: ReferenceEdms) -> Iterator[Any]:
    if edms.engine == "sqlite":
        with closing(sqlite3.connect(edms.database_path)) as connection:
            yield connection
    else:
        with psycopg.connect(edms.database_url, autocommit=True) as connection:
            yield connection


def _number(edms: ReferenceEdms, query: str) -> int:
    with _connected(edms) as connection:
        return int(connection.execute(query).fetchone()[0])


def _all_rows(edms: ReferenceEdms) -> int:
    tables = (
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
        if edms.engine == "sqlite"
        else "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    )
    with _connected(edms) as connection:
        names = [name for (name,) in connection.execute(tables).fetchall()]
        return sum(connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in names)


def test_the_database_has_as_many_rows_as_asked_for(multiplied: Multiplied) -> None:
    before = _all_rows(multiplied.source)

    assert multiplied.told == _all_rows(multiplied.edms)
    assert before < multiplied.wanted <= multiplied.told < multiplied.wanted + before


@pytest.mark.parametrize("engine", ENGINES)
def test_a_large_enough_database_is_left_unchanged(engine: Engine, edms_factory: ReferenceEdmsFactory) -> None:
    edms = edms_factory(engine)
    before = _all_rows(edms)

    assert multiply(edms.database_url, before) == before == _all_rows(edms)


def test_a_database_without_rows_to_copy_is_refused(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "other.sqlite3")) as connection:
        connection.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY)")

    with pytest.raises(ValueError, match="populate"):
        multiply(f"sqlite:///{tmp_path / 'other.sqlite3'}", 3_000)


def test_sqlite_itself_finds_every_foreign_key_good(multiplied_systems: Callable[[Engine], Multiplied]) -> None:
    with _connected(multiplied_systems("sqlite").edms) as connection:
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_postgresql_itself_finds_every_foreign_key_good(multiplied_systems: Callable[[Engine], Multiplied]) -> None:
    with _connected(multiplied_systems("postgresql").edms) as connection:
        keys = connection.execute(
            "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'f'"
        ).fetchall()
        assert len(keys) > 30
        for table, name, definition in keys:
            # A constraint that is made anew is checked on every row.
            connection.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{name}", ADD CONSTRAINT "{name}" {definition}')


@pytest.mark.parametrize(
    ("model", "table", "found"),
    [
        ("document", "documents_document", "CAST(target.id AS text) = entry.object_id"),
        ("documentattachment", "documents_documentattachment", "{uuid} = entry.object_id"),
    ],
)
def test_generic_references_of_copies_point_at_copies(
    model: str, table: str, found: str, multiplied: Multiplied
) -> None:
    source, edms = multiplied.source, multiplied.edms
    uuid = {
        "postgresql": "target.id::text",
        "sqlite": "substr(target.id, 1, 8) || '-' || substr(target.id, 9, 4) || '-' || substr(target.id, 13, 4) || '-' "
        "|| substr(target.id, 17, 4) || '-' || substr(target.id, 21)",
    }[edms.engine]
    entries = (
        "FROM audit_audittrail entry JOIN django_content_type kind ON kind.id = entry.content_type_id "
        f"WHERE kind.model = '{model}'"
    )
    exists = f"EXISTS (SELECT 1 FROM {table} target WHERE {found.format(uuid=uuid)})"
    pointed = f"SELECT count(DISTINCT object_id) {entries} AND {exists}"
    dangling = f"SELECT count(*) {entries} AND NOT {exists}"
    pointed_before, dangling_before = _number(source, pointed), _number(source, dangling)
    entries_of = "SELECT count(*) FROM audit_audittrail"

    times = _number(edms, entries_of) // _number(source, entries_of)
    assert times > 2
    assert pointed_before > 0
    assert _number(edms, pointed) == times * pointed_before
    assert _number(edms, dangling) == times * dangling_before


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("audit_audittrail", "checksum"),
        ("audit_audittrail", "uid"),
        ("audit_audittrail", "timestamp"),
        ("documents_document", "title"),
        ("documents_document", "number || version_major || version_minor"),
        ("documents_documentcomment", "created_at"),
    ],
)
def test_unique_values_differ_in_each_copy(table: str, column: str, multiplied: Multiplied) -> None:
    different, rows = f"SELECT count(DISTINCT {column}) FROM {table}", f"SELECT count(*) FROM {table}"

    times = _number(multiplied.edms, rows) // _number(multiplied.source, rows)
    assert times > 2
    assert _number(multiplied.edms, different) == times * _number(multiplied.source, different)


def test_the_triggers_of_sqlite_are_restored(multiplied_systems: Callable[[Engine], Multiplied]) -> None:
    multiplied = multiplied_systems("sqlite")
    triggers = "SELECT count(*) FROM sqlite_master WHERE type = 'trigger'"

    assert _number(multiplied.edms, triggers) == _number(multiplied.source, triggers) > 0
    with _connected(multiplied.edms) as connection, pytest.raises(sqlite3.DatabaseError):
        connection.execute("DELETE FROM audit_audittrail")


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_django_goes_on_where_the_copies_end(engine: Engine, edms_factory: ReferenceEdmsFactory) -> None:
    edms = edms_factory(engine)
    rows = multiply(edms.database_url, 3 * _all_rows(edms))

    edms.manage("populate", "--documents", "5", "--seed", "2")
    edms.manage("createsuperuser", "--no-input", "--username", "new", "--email", "new@example.com")

    assert _all_rows(edms) > rows
