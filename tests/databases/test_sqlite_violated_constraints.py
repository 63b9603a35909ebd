"""Rows that do not satisfy their table's definition: SQLite keeps them, so a backup names them and a restore brings them back."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from edms_tasks.databases.sqlite.violated_constraints import read_violated_constraints
from edms_tasks.inventory.model import Finding
from tests.databases.there_and_back import there_and_back
from tests.independent_comparison import differences, picture_of_sqlite

_CHECKED = "CREATE TABLE t (a int CHECK (a > 0), b text NOT NULL)"


def _made(path: Path, *statements: str) -> Path:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)
    return path


def _found(path: Path) -> list[Finding]:
    return list(read_violated_constraints(path))


def test_rows_beside_a_check_are_named_and_come_back(tmp_path: Path) -> None:
    path = _made(
        tmp_path / "db",
        _CHECKED,
        "PRAGMA ignore_check_constraints = ON",
        "INSERT INTO t VALUES (-1, 'x'), (0, 'y'), (1, 'z')",
    )
    (finding,) = _found(path)
    assert (finding.code, finding.subject, finding.severity, finding.count) == ("once-true", "t", "warning", 2)
    copy = there_and_back(f"sqlite:///{path}", tmp_path / "work")
    assert differences(picture_of_sqlite(path), picture_of_sqlite(Path(copy.url.removeprefix("sqlite:///")))) == []
    assert copy.staging.notes == ["t: rows do not satisfy a CHECK of the table. They are as in the snapshot."]


@pytest.mark.parametrize(
    ("edited", "subject"),
    [
        ("CREATE TABLE t (a int NOT NULL, b text)", "NULL value in t.a"),
        ("CREATE TABLE t (a int, b int)", "TEXT value in t.b"),
    ],
)
def test_an_edited_definition_is_an_error(edited: str, subject: str, tmp_path: Path) -> None:
    path = _made(
        tmp_path / "db",
        "CREATE TABLE t (a int, b text)",
        "INSERT INTO t VALUES (NULL, '5')",
        "PRAGMA writable_schema = ON",
        f"UPDATE sqlite_master SET sql = '{edited}' WHERE name = 't'",
    )
    (finding,) = _found(path)
    assert (finding.code, finding.subject, finding.severity) == ("once-true", subject, "error")


def test_a_damaged_page_is_an_error(tmp_path: Path) -> None:
    path = _made(
        tmp_path / "db",
        "CREATE TABLE t (a text)",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) INSERT INTO t SELECT 'row ' || i FROM n",
    )
    assert _found(path) == []
    content = bytearray(path.read_bytes())
    content[3 * 4096 : 3 * 4096 + 100] = b"\xff" * 100
    path.write_bytes(content)
    assert {(one.code, one.severity) for one in _found(path)} == {("database-damaged", "error")}


def test_what_only_the_edms_can_evaluate_is_left_to_it(tmp_path: Path) -> None:
    path = tmp_path / "db"
    with closing(sqlite3.connect(path)) as connection:
        connection.create_function("known_only_there", 1, lambda value: 1, deterministic=True)
        connection.execute("CREATE TABLE t (a text CHECK (known_only_there(a)))")
        connection.execute("INSERT INTO t VALUES ('x')")
        connection.commit()
    assert _found(path) == []


@pytest.mark.long
def test_a_check_that_cannot_be_evaluated_is_named_and_hides_no_other(tmp_path: Path) -> None:
    path = _made(
        tmp_path / "db",
        "CREATE TABLE documents (d text CHECK (json_extract(d, '$.a') > 0))",
        "CREATE TABLE known (a text CHECK (a <> ''), b text CHECK (unicode(b) > 0))",
        "CREATE TABLE many (a int CHECK (a > 0))",
        "PRAGMA ignore_check_constraints = ON",
        "INSERT INTO documents VALUES ('no JSON')",
        "INSERT INTO known VALUES ('', 'x')",
        "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i - 1 FROM n WHERE i > -1500) INSERT INTO many SELECT i FROM n",
    )
    found = {one.subject: one for one in _found(path)}
    assert sorted(found) == ["documents", "known", "many"]
    assert "cannot be evaluated for some row: malformed JSON" in found["documents"].message
    assert found["many"].message.startswith("100 or more rows")
    assert {one.severity for one in found.values()} == {"warning"}
    copy = there_and_back(f"sqlite:///{path}", tmp_path / "work")
    assert differences(picture_of_sqlite(path), picture_of_sqlite(Path(copy.url.removeprefix("sqlite:///")))) == []
    assert len(copy.staging.notes) == 3


def test_rows_beside_checks_hide_no_worse_problem(tmp_path: Path) -> None:
    path = _made(
        tmp_path / "db",
        "CREATE TABLE a (a int CHECK (a > 0))",
        "CREATE TABLE z (a int, b text)",
        "PRAGMA ignore_check_constraints = ON",
        "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i - 1 FROM n WHERE i > -1500) INSERT INTO a SELECT i FROM n",
        "INSERT INTO z VALUES (NULL, 'x')",
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_master SET sql = 'CREATE TABLE z (a int NOT NULL, b text)' WHERE name = 'z'",
    )
    assert [(one.subject, one.severity) for one in _found(path)] == [("NULL value in z.a", "error"), ("a", "warning")]
