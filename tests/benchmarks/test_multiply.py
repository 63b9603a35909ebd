"""A multiplied EDMS is a sound EDMS: the database itself finds every reference good, and Django can go on with it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from benchmarks.multiply import multiply
from tests.reference_system import Engine, ReferenceEdms, ReferenceEdmsFactory

ENGINES: tuple[Engine, ...] = ("sqlite", "postgresql")
WANTED = 3_000


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


@pytest.mark.parametrize("engine", ENGINES)
def test_as_many_rows_as_asked_for(engine: Engine, edms_factory: ReferenceEdmsFactory) -> None:
    edms = edms_factory(engine, documents=10)
    before = _all_rows(edms)

    told = multiply(edms.database_url, WANTED)

    assert told == _all_rows(edms)
    assert before < WANTED <= told < WANTED + before


@pytest.mark.parametrize("engine", ENGINES)
def test_what_is_large_enough_stays_as_it_is(engine: Engine, edms_factory: ReferenceEdmsFactory) -> None:
    edms = edms_factory(engine, documents=10)
    before = _all_rows(edms)

    assert multiply(edms.database_url, before) == before == _all_rows(edms)


def test_a_database_without_rows_to_copy_is_refused(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "other.sqlite3")) as connection:
        connection.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY)")

    with pytest.raises(ValueError, match="populate"):
        multiply(f"sqlite:///{tmp_path / 'other.sqlite3'}", WANTED)


def test_sqlite_itself_finds_every_foreign_key_good(edms_factory: ReferenceEdmsFactory) -> None:
    edms = edms_factory("sqlite", documents=10)

    multiply(edms.database_url, WANTED)

    with _connected(edms) as connection:
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_postgresql_itself_finds_every_foreign_key_good(edms_factory: ReferenceEdmsFactory) -> None:
    edms = edms_factory("postgresql", documents=10)

    multiply(edms.database_url, WANTED)

    with _connected(edms) as connection:
        keys = connection.execute(
            "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'f'"
        ).fetchall()
        assert len(keys) > 30
        for table, name, definition in keys:
            # A constraint that is made anew is checked on every row.
            connection.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{name}", ADD CONSTRAINT "{name}" {definition}')


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("model", "table", "found"),
    [
        ("document", "documents_document", "CAST(target.id AS text) = entry.object_id"),
        ("documentattachment", "documents_documentattachment", "{uuid} = entry.object_id"),
    ],
)
def test_generic_references_of_copies_point_at_copies(
    engine: Engine, model: str, table: str, found: str, edms_factory: ReferenceEdmsFactory
) -> None:
    edms = edms_factory(engine, documents=40)
    uuid = {
        "postgresql": "target.id::text",
        "sqlite": "substr(target.id, 1, 8) || '-' || substr(target.id, 9, 4) || '-' || substr(target.id, 13, 4) || '-' "
        "|| substr(target.id, 17, 4) || '-' || substr(target.id, 21)",
    }[engine]
    entries = (
        "FROM audit_audittrail entry JOIN django_content_type kind ON kind.id = entry.content_type_id "
        f"WHERE kind.model = '{model}'"
    )
    exists = f"EXISTS (SELECT 1 FROM {table} target WHERE {found.format(uuid=uuid)})"
    pointed = f"SELECT count(DISTINCT object_id) {entries} AND {exists}"
    dangling = f"SELECT count(*) {entries} AND NOT {exists}"
    rows = _all_rows(edms)
    pointed_before, dangling_before = _number(edms, pointed), _number(edms, dangling)
    copied = _number(edms, "SELECT count(*) FROM audit_audittrail")

    multiply(edms.database_url, 3 * rows)

    times = _number(edms, "SELECT count(*) FROM audit_audittrail") // copied
    assert times > 2
    assert pointed_before > 0
    assert _number(edms, pointed) == times * pointed_before
    assert _number(edms, dangling) == times * dangling_before


@pytest.mark.parametrize("engine", ENGINES)
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
def test_what_differs_from_row_to_row_differs_from_copy_to_copy(
    engine: Engine, table: str, column: str, edms_factory: ReferenceEdmsFactory
) -> None:
    edms = edms_factory(engine, documents=10)
    different = f"SELECT count(DISTINCT {column}) FROM {table}"
    before, rows = _number(edms, different), _number(edms, f"SELECT count(*) FROM {table}")

    multiply(edms.database_url, WANTED)

    times = _number(edms, f"SELECT count(*) FROM {table}") // rows
    assert times > 2
    assert _number(edms, different) == times * before


def test_the_triggers_of_sqlite_are_back(edms_factory: ReferenceEdmsFactory) -> None:
    edms = edms_factory("sqlite", documents=10)
    triggers = "SELECT count(*) FROM sqlite_master WHERE type = 'trigger'"
    before = _number(edms, triggers)

    multiply(edms.database_url, WANTED)

    assert _number(edms, triggers) == before > 0
    with _connected(edms) as connection, pytest.raises(sqlite3.DatabaseError):
        connection.execute("DELETE FROM audit_audittrail")


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_django_goes_on_where_the_copies_end(engine: Engine, edms_factory: ReferenceEdmsFactory) -> None:
    edms = edms_factory(engine, documents=10)
    rows = multiply(edms.database_url, WANTED)

    edms.manage("populate", "--documents", "5", "--seed", "2")
    edms.manage("createsuperuser", "--no-input", "--username", "new", "--email", "new@example.com")

    assert _all_rows(edms) > rows
