"""The change between two backups is as large as it says, and where it says."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from benchmarks.changes import change_at_random, fill, work_goes_on
from tests.reference_system import Engine, ReferenceEdms, ReferenceEdmsFactory

pytestmark = [
    pytest.mark.long,  # `make bench` alone needs it
    pytest.mark.usefixtures("edms_asked_once"),
]

ENGINES: tuple[Engine, ...] = ("sqlite", "postgresql")
SHARE = 0.1

Rows = dict[str, dict[Any, tuple[Any, ...]]]


def _rows(edms: ReferenceEdms) -> Rows:
    """Every row of every table, by table and its first column, which is the key."""
    names = (
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
        if edms.engine == "sqlite"
        else "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    )
    with closing(
        sqlite3.connect(edms.database_path) if edms.engine == "sqlite" else psycopg.connect(edms.database_url)
    ) as connection:
        return {
            name: {row[0]: row for row in connection.execute(f'SELECT * FROM "{name}"').fetchall()}
            for (name,) in connection.execute(names).fetchall()
        }


def _edited(before: Rows, after: Rows) -> dict[str, set[Any]]:
    return {name: {key for key, row in rows.items() if after[name].get(key) != row} for name, rows in before.items()}


def _added(before: Rows, after: Rows) -> int:
    return sum(len(after[name].keys() - rows.keys()) for name, rows in before.items())


def _files(edms: ReferenceEdms) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in edms.media.rglob("*") if path.is_file()}


@pytest.mark.parametrize("engine", ENGINES)
def test_office_work_changes_the_newest_rows(engine: Engine, edms_factory: ReferenceEdmsFactory) -> None:
    edms = edms_factory(engine, documents=60)
    before, files_before = _rows(edms), _files(edms)
    rows = sum(map(len, before.values()))

    changed, changed_files = work_goes_on(edms, SHARE)

    after, files_after = _rows(edms), _files(edms)
    edited, added = _edited(before, after), _added(before, after)
    assert changed == sum(map(len, edited.values())) + added
    assert sum(map(len, edited.values())) == pytest.approx(rows * SHARE / 2, rel=0.3)
    assert added > rows * SHARE / 2
    documents = sorted(before["documents_document"])
    newest = edited["documents_document"]
    assert newest == set(documents[-len(newest) :])
    assert edited["workflows_documenttransition"], "what belongs to a document through another table was left out"
    assert not edited["audit_audittrail"], "the audit trail only grows"
    written = {path for path, content in files_before.items() if files_after[path] != content}
    new = files_after.keys() - files_before.keys()
    assert len(written) + len(new) == changed_files
    assert len(written) == round(len(files_before) * SHARE / 2)


@pytest.mark.parametrize("engine", ENGINES)
def test_random_changes_are_spread_over_the_table(engine: Engine, edms_factory: ReferenceEdmsFactory) -> None:
    edms = edms_factory(engine, documents=60)
    before, files_before = _rows(edms), _files(edms)

    changed, changed_files = change_at_random(edms, SHARE)

    after, files_after = _rows(edms), _files(edms)
    edited = _edited(before, after)
    assert changed == sum(map(len, edited.values()))
    assert changed == pytest.approx(sum(map(len, before.values())) * SHARE, rel=0.5)
    assert not _added(before, after)
    documents = sorted(before["documents_document"])
    assert min(edited["documents_document"]) < documents[len(documents) // 2], "only new ones were changed"
    assert sum(files_after[path] != content for path, content in files_before.items()) == changed_files > 0
    assert files_after.keys() == files_before.keys()


def test_files_are_those_that_rows_name(edms_factory: ReferenceEdmsFactory) -> None:
    edms = edms_factory("sqlite", documents=20)

    written = fill(edms, 10)

    with closing(sqlite3.connect(edms.database_path)) as connection:
        named = connection.execute("SELECT file FROM documents_document WHERE file <> '' ORDER BY id DESC LIMIT 10")
        contents = [(edms.media / name).read_bytes() for (name,) in named]
    assert written == len(contents) == 10
    assert all(1_000 <= len(content) < 50_000 for content in contents)
