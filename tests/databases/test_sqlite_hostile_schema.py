"""Schema text of a snapshot creates what it says, and does nothing else, whatever stands in it."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from edms_tasks.databases import DatabaseAddress, open_database
from edms_tasks.databases.protocol import CapturedSchema, StagingDatabase
from edms_tasks.errors import EdmsBackupError

TABLE = {"type": "table", "name": "t", "table": "t", "sql": "CREATE TABLE t (id integer PRIMARY KEY, a text)"}
ROWS = {"type": "table", "name": "u", "table": "u", "sql": "CREATE TABLE u (a)"}


def kind(type_: str, sql: str, name: str = "x", table: str = "t") -> dict[str, str]:
    return {"type": type_, "name": name, "table": table, "sql": sql}


HOSTILE = {
    "attach": kind("table", "ATTACH 'LIVE' AS live"),
    "attach_as_an_index": kind("index", "ATTACH 'LIVE' AS live"),
    "update_of_an_attached_one": kind("trigger", "UPDATE live.t SET a = 'taken over'"),
    "two_statements": kind("view", "CREATE VIEW x AS SELECT 1; ATTACH 'LIVE' AS live"),
    "a_comment_before": kind("table", "/* CREATE TABLE */ ATTACH 'LIVE' AS live"),
    "vacuum_into_the_live_one": kind("table", "VACUUM INTO 'LIVE.copy'"),
    "a_pragma": kind("table", "PRAGMA writable_schema = ON"),
    "rows_of_another_table": kind("table", "CREATE TABLE x AS SELECT * FROM t", table="x"),
    "a_temporary_trigger": kind("trigger", "CREATE TEMP TRIGGER x AFTER INSERT ON t BEGIN DELETE FROM t; END"),
    "a_trigger_elsewhere": kind("trigger", "CREATE TRIGGER temp.x AFTER INSERT ON main.t BEGIN DELETE FROM t; END"),
    "a_name_that_is_another": kind("table", "CREATE TABLE y (a)", table="x"),
    "another_kind_than_it_says": kind("index", "CREATE VIEW x AS SELECT 1"),
    "an_index_on_another_table": kind("index", "CREATE INDEX x ON u (a)"),
    "an_index_that_loads_an_extension": kind("index", "CREATE INDEX x ON t (load_extension('/LIVE'))"),
    "a_table_that_writes_files": kind("table", "CREATE TABLE x (a CHECK (writefile('LIVE', a)))", table="x"),
    "a_module_that_reads_files": kind("table", "CREATE VIRTUAL TABLE x USING csv(filename='LIVE')", table="x"),
    "a_module_that_reads_the_database": kind("table", "CREATE VIRTUAL TABLE x USING dbstat(main)", table="x"),
    "a_view_of_a_file": kind("view", "CREATE VIEW live.x AS SELECT 1"),
    "an_unknown_kind": kind("database", "ATTACH 'LIVE' AS live"),
    "a_drop": kind("table", "DROP TABLE t"),
    "an_insert": kind("table", "INSERT INTO t VALUES (1, 'a')"),
    "a_full_text_index_that_takes_a_table_for_its_part": kind(
        "table", "CREATE VIRTUAL TABLE x USING fts5(a, content='', tokenize='unicode61')", name="other", table="other"
    ),
}


@pytest.fixture
def live(tmp_path: Path) -> Path:
    path = tmp_path / "live.sqlite3"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("CREATE TABLE t (id integer PRIMARY KEY, a text); INSERT INTO t (a) VALUES ('kept')")
    return path


def build(live: Path, *objects: dict[str, str], **settings: str) -> StagingDatabase:
    schema = live.with_name("schema.json")
    made = [{**one, "sql": one["sql"].replace("LIVE", str(live))} for one in objects]
    schema.write_text(json.dumps({"objects": made}), encoding="utf-8")
    captured = CapturedSchema(schema, "sqlite-schema-json", "3", {"encoding": "UTF-8", **settings}, ())
    database = open_database(DatabaseAddress.from_url(f"sqlite:///{live}"))
    staging = database.stage(captured, str(live.with_name("copy.sqlite3")), 1)
    staging.finish((), ())
    return staging


@pytest.mark.parametrize("name", HOSTILE)
def test_a_statement_that_does_anything_else_is_refused(name: str, live: Path) -> None:
    before = live.read_bytes()

    with pytest.raises(EdmsBackupError) as refused:
        build(live, TABLE, ROWS, HOSTILE[name])

    assert refused.value.exit_code in (1, 3)
    assert live.read_bytes() == before
    names = {path.name for path in live.parent.iterdir()}
    others = {name for name in names if ".edms-staging" not in name and not name.startswith(("copy.", ".copy."))}
    assert others == {"live.sqlite3", "schema.json"}


@pytest.mark.parametrize("name", ["a_module_that_reads_files", "a_module_that_reads_the_database"])
def test_a_module_that_reads_files_is_refused_and_not_called_unknown(name: str, live: Path) -> None:
    with pytest.raises(EdmsBackupError, match="has a statement that no table needs"):
        build(live, TABLE, HOSTILE[name])


def test_settings_that_are_no_numbers_are_refused(live: Path) -> None:
    with pytest.raises(EdmsBackupError, match="user_version"):
        build(live, TABLE, user_version=f"1; ATTACH '{live}' AS live")


HARMLESS = {
    "a_table_with_everything": kind(
        "table",
        "CREATE TABLE x (id integer PRIMARY KEY AUTOINCREMENT, a text COLLATE NOCASE UNIQUE CHECK (length(a) > 0 AND "
        "json_valid(a)), b GENERATED ALWAYS AS (upper(a)) STORED, c DEFAULT (datetime('now')), d REFERENCES t)",
        table="x",
    ),
    "a_full_text_index": kind(
        "table", "CREATE VIRTUAL TABLE x USING fts5(a, content='t', content_rowid='id')", table="x"
    ),
    "an_older_full_text_index": kind("table", "CREATE VIRTUAL TABLE x USING fts4(a, tokenize=porter)", table="x"),
    "an_r_tree": kind("table", "CREATE VIRTUAL TABLE x USING rtree(id, low, high, +label)", table="x"),
    "a_partial_index_over_an_expression": kind(
        "index", "CREATE UNIQUE INDEX x ON t (lower(a), strftime('%Y', a)) WHERE a > 0"
    ),
    "a_recursive_view": kind(
        "view",
        "CREATE VIEW x AS WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9) SELECT * FROM n, t",
        table="x",
    ),
    "a_trigger_that_writes_elsewhere": kind(
        "trigger", "CREATE TRIGGER x AFTER DELETE ON t BEGIN INSERT INTO u SELECT old.a; UPDATE u SET a = 1; END"
    ),
    "lower_case_as_written_by_hand": kind("index", "create index x on t (a desc)"),
}


@pytest.mark.parametrize("name", HARMLESS)
def test_ordinary_schemas_are_created(name: str, live: Path) -> None:
    staging = build(live, TABLE, ROWS, HARMLESS[name])

    with closing(sqlite3.connect(staging.address.name)) as connection:
        made = connection.execute("SELECT type, sql FROM sqlite_master WHERE name = 'x'").fetchall()
    assert [made_kind for made_kind, _ in made] == [HARMLESS[name]["type"]]
