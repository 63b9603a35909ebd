"""Whatever is altered in a SQLite file after it was restored is named; the same laid out in another way is the same."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from edms_tasks.databases.protocol import CapturedSchema
from tests.definitions.named import capture, compare, differences

SCHEMA = """
CREATE TABLE people (id integer PRIMARY KEY AUTOINCREMENT, name text NOT NULL COLLATE NOCASE, age integer DEFAULT 18 CHECK (age >= 18),
    email text UNIQUE, twice integer GENERATED ALWAYS AS (age * 2) STORED);
CREATE TABLE papers (id integer PRIMARY KEY, author integer REFERENCES people ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    title text, state text);
CREATE TABLE strict_one (a integer PRIMARY KEY) STRICT, WITHOUT ROWID;
CREATE VIRTUAL TABLE words USING fts5(body);
CREATE INDEX by_title ON papers (title);
CREATE INDEX by_state ON papers (state) WHERE state <> 'done';
CREATE UNIQUE INDEX by_lower ON papers (lower(title));
CREATE TRIGGER audited AFTER UPDATE ON papers WHEN new.title <> old.title BEGIN UPDATE people SET age = 20; END;
CREATE VIEW grown AS SELECT name FROM people WHERE age > 18;
ANALYZE;
"""


def _text(name: str, old: str, new: str) -> str:
    return (
        "PRAGMA writable_schema = ON; "
        f"UPDATE sqlite_master SET sql = replace(sql, '{old}', '{new}') WHERE name = '{name}'; PRAGMA writable_schema = RESET"
    )


ALTERATIONS = {
    "check_changed": (_text("people", "age >= 18", "age >= 8"), "TABLE people", "age >= 8"),
    "check_dropped": (_text("people", "CHECK (age >= 18)", ""), "TABLE people", "CHECK"),
    "not_null_dropped": (_text("people", "NOT NULL", ""), "TABLE people", "NOT NULL"),
    "default_changed": (_text("people", "DEFAULT 18", "DEFAULT 81"), "TABLE people", "81"),
    "collation": (_text("people", "COLLATE NOCASE", ""), "TABLE people", "NOCASE"),
    "unique_dropped": (
        "PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql = replace(sql, 'text UNIQUE', 'text') WHERE name = 'people'; "
        "DELETE FROM sqlite_master WHERE name LIKE 'sqlite_autoindex_people%'; PRAGMA writable_schema = RESET",
        "TABLE people",
        "UNIQUE",
    ),
    "autoincrement_dropped": (_text("people", "AUTOINCREMENT", ""), "TABLE people", "AUTOINCREMENT"),
    "generated_column": (_text("people", "age * 2", "age * 3"), "TABLE people", "age * 3"),
    "on_delete": (_text("papers", "ON DELETE CASCADE", "ON DELETE SET NULL"), "TABLE papers", "SET NULL"),
    "not_deferrable": (_text("papers", "DEFERRABLE INITIALLY DEFERRED", ""), "TABLE papers", "DEFERRABLE"),
    "key_to_another_table": (
        _text("papers", "REFERENCES people", "REFERENCES strict_one"),
        "TABLE papers",
        "strict_one",
    ),
    "not_strict": (_text("strict_one", "STRICT, ", ""), "TABLE strict_one", "STRICT"),
    "column_added": ("ALTER TABLE papers ADD COLUMN extra text", "TABLE papers", "extra"),
    "column_renamed": ("ALTER TABLE strict_one RENAME a TO b", "TABLE strict_one", "b"),
    "table_added": ("CREATE TABLE stray (a)", "TABLE stray", "extra"),
    "table_dropped": ("DROP TABLE strict_one", "TABLE strict_one", "missing"),
    "virtual_table_dropped": ("DROP TABLE words", "TABLE words", "missing"),
    "index_dropped": ("DROP INDEX by_title", "INDEX by_title", "missing"),
    "index_added": ("CREATE INDEX more ON papers (state)", "INDEX more", "extra"),
    "index_columns": ("DROP INDEX by_title; CREATE INDEX by_title ON papers (state)", "INDEX by_title", "state"),
    "index_direction": ("DROP INDEX by_title; CREATE INDEX by_title ON papers (title DESC)", "INDEX by_title", "DESC"),
    "index_predicate": (
        "DROP INDEX by_state; CREATE INDEX by_state ON papers (state) WHERE state <> 'draft'",
        "INDEX by_state",
        "draft",
    ),
    "index_not_unique": (
        "DROP INDEX by_lower; CREATE INDEX by_lower ON papers (lower(title))",
        "INDEX by_lower",
        "UNIQUE",
    ),
    "trigger_dropped": ("DROP TRIGGER audited", "TRIGGER audited", "missing"),
    "trigger_added": ("CREATE TRIGGER more AFTER DELETE ON papers BEGIN SELECT 1; END", "TRIGGER more", "extra"),
    "trigger_text": (_text("audited", "SET age = 20", "SET age = 30"), "TRIGGER audited", "30"),
    "trigger_condition": (_text("audited", "WHEN new.title <> old.title", ""), "TRIGGER audited", "WHEN"),
    "view_text": ("DROP VIEW grown; CREATE VIEW grown AS SELECT name FROM people WHERE age > 21", "VIEW grown", "21"),
    "view_dropped": ("DROP VIEW grown", "VIEW grown", "missing"),
    "view_added": ("CREATE VIEW more AS SELECT 1", "VIEW more", "extra"),
    "user_version": ("PRAGMA user_version = 7", "PRAGMA user_version", "7"),
    "application_id": ("PRAGMA application_id = 7", "PRAGMA application_id", "7"),
    "auto_vacuum": ("PRAGMA auto_vacuum = FULL; VACUUM", "PRAGMA auto_vacuum", "1"),
    "page_size": ("PRAGMA page_size = 8192; VACUUM", "PRAGMA page_size", "8192"),
    "journal_mode": ("PRAGMA journal_mode = WAL", "PRAGMA journal_mode", "wal"),
    "default_cache_size": ("PRAGMA default_cache_size = 777", "PRAGMA default_cache_size", "777"),
    "statistics": ("DROP TABLE sqlite_stat1", "STATISTICS", "missing"),
}
SAME = {
    "white_space_comments_and_keywords": (
        "DROP INDEX by_title; create  index by_title\n ON papers(title) -- by its title\n;"
        "DROP VIEW grown; CREATE VIEW grown AS select name from people /* all */ where age>18"
    ),
    "another_order": "DROP INDEX by_state; DROP INDEX by_title; CREATE INDEX by_title ON papers (title);"
    "CREATE INDEX by_state ON papers (state) WHERE state <> 'done'",
}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rich") / "rich.sqlite3"
    _run(path, SCHEMA)
    return path


@pytest.fixture(scope="module")
def captured(source: Path) -> CapturedSchema:
    return capture(f"sqlite:///{source}", source.parent / "captured")


@pytest.mark.parametrize("name", ALTERATIONS)
def test_only_the_alteration_is_named(name: str, source: Path, captured: CapturedSchema, tmp_path: Path) -> None:
    script, subject, said = ALTERATIONS[name]

    found = differences(captured, _copy(source, tmp_path, script), tmp_path / "compared")

    assert subject in found
    assert said in found[subject]
    others = {other for other in found if not (name == "virtual_table_dropped" and other.startswith("TABLE words_"))}
    assert others == {subject}


@pytest.mark.parametrize("name", SAME)
def test_equal_statements_in_another_layout_are_equal(
    name: str, source: Path, captured: CapturedSchema, tmp_path: Path
) -> None:
    found = compare(captured, _copy(source, tmp_path, SAME[name]), tmp_path / "compared")

    assert (found.differences, found.notes) == ((), ())


def test_another_text_encoding_is_named(source: Path, captured: CapturedSchema, tmp_path: Path) -> None:
    path = tmp_path / "utf16.sqlite3"
    _run(path, "PRAGMA encoding = 'UTF-16le';" + SCHEMA)

    assert {*differences(captured, f"sqlite:///{path}", tmp_path / "compared")} == {"PRAGMA encoding"}


def _copy(source: Path, folder: Path, script: str) -> str:
    path = folder / "copy.sqlite3"
    shutil.copyfile(source, path)
    _run(path, script)
    return f"sqlite:///{path}"


def _run(path: Path, script: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript(script)
