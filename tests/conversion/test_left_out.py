"""What a change of engine leaves out: an index over another table, and what is declared; nothing that may be the only copy."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from edms_tasks.conversion.left_out import Omissions, omissions
from edms_tasks.conversion.virtual_tables import search_indexes
from edms_tasks.databases.protocol import CapturedSchema
from edms_tasks.databases.sqlite.catalogue import read_tables
from edms_tasks.errors import SettingsError
from edms_tasks.inventory.model import Table
from edms_tasks.manifest import TableEntry, TableState

# Each with the tables that SQLite itself makes for it, and some that only look like them.
SCHEMA = """
CREATE TABLE docs (id INTEGER PRIMARY KEY, title TEXT, content TEXT);
CREATE VIEW titles AS SELECT id, title FROM docs;
CREATE VIRTUAL TABLE over5 USING fts5 (title, content,
    tokenize = "unicode61 tokenchars ', content = '", content = 'docs', content_rowid = 'id');
CREATE VIRTUAL TABLE over4 USING FTS4(title, content="docs");
CREATE VIRTUAL TABLE [of a view] USING "fts5"(title, content=[titles], content_rowid=id);
CREATE VIRTUAL TABLE own5 USING fts5 (title, content);
CREATE VIRTUAL TABLE own3 USING fts3 (title);
CREATE VIRTUAL TABLE nowhere USING fts5 (title, content = '');
CREATE VIRTUAL TABLE fed USING fts5 (title);
CREATE TABLE entries (id INTEGER PRIMARY KEY, title TEXT);
CREATE TRIGGER entry_added AFTER INSERT ON entries BEGIN INSERT OR REPLACE INTO "fed" (rowid, title) VALUES (new.id, new.title); END;
CREATE VIRTUAL TABLE fed_twice USING fts5 (title);
CREATE TRIGGER entry_added_too AFTER INSERT ON entries BEGIN INSERT INTO fed_twice (title) VALUES (new.title); END;
CREATE TRIGGER doc_gone AFTER DELETE ON docs BEGIN INSERT INTO fed_twice (title) VALUES (old.title); END;
CREATE TRIGGER doc_added AFTER INSERT ON docs BEGIN INSERT INTO federal VALUES (new.id); DELETE FROM own5; END;
CREATE VIRTUAL TABLE places USING rtree (id, x0, x1);
CREATE VIRTUAL TABLE "of, content = 'docs' USING fts5 (a, content = 'docs')" USING fts5 (title /*, content = 'docs' */, content);
CREATE VIRTUAL TABLE commented USING fts5 (title /*, content = 'docs', */, content);
CREATE TABLE over5_content (id INTEGER PRIMARY KEY, text TEXT);
CREATE TABLE over5_stat (id INTEGER PRIMARY KEY, value TEXT);
CREATE TABLE places_docsize (id INTEGER PRIMARY KEY, sz TEXT);
"""


@pytest.fixture
def snapshot(tmp_path: Path) -> tuple[CapturedSchema, Sequence[Table]]:
    with closing(sqlite3.connect(tmp_path / "db.sqlite3")) as lite:
        lite.executescript(SCHEMA)
        objects = [
            {"type": kind, "name": name, "table": table, "sql": sql}
            for kind, name, table, sql in lite.execute(
                "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE sql != ''"
            )
        ]
        tables = read_tables(lite)
    path = tmp_path / "schema"
    path.write_text(json.dumps({"objects": objects}), encoding="utf-8")
    return CapturedSchema(path, "sqlite-schema-json", "3", {}, ()), tables


def left_out(snapshot: tuple[CapturedSchema, Sequence[Table]], *declared: str, made: Sequence[Table] = ()) -> Omissions:
    schema, tables = snapshot
    entries = [
        TableEntry(
            table=table, natural_key=None, encodings={}, state=TableState(rows=3, exact_digest="", content_digest=""), chunks=()
        )
        for table in tables
    ]  # fmt: skip
    return omissions(entries, made, search_indexes(schema, tables), (), declared, ())


def test_an_index_over_a_table_or_view_is_left_out_with_its_own_tables_and_no_others(
    snapshot: tuple[CapturedSchema, Sequence[Table]],
) -> None:
    found = left_out(snapshot)

    assert found.tables == {
        *(f"over5_{part}" for part in ("data", "idx", "docsize", "config")),
        *(f"of a view_{part}" for part in ("data", "idx", "docsize", "config")),
        *(f"over4_{part}" for part in ("segments", "segdir", "docsize", "stat")),
    }
    assert [one.label for one in found.listed] == ["over5", "over4", "of a view"]
    assert all(one.open and one.finding().severity == "warning" for one in found.listed)
    assert "made from docs" in str(found.listed[0])


def test_what_may_be_the_only_copy_is_left_out_where_it_is_declared(
    snapshot: tuple[CapturedSchema, Sequence[Table]],
) -> None:
    undeclared = left_out(snapshot).tables

    declared = left_out(snapshot, "OWN5", "own3_segments", "places", "nowhere").tables - undeclared

    assert declared == {
        *(f"own5_{part}" for part in ("data", "idx", "docsize", "config", "content")),
        *(f"own3_{part}" for part in ("segments", "segdir", "content")),
        *(f"places_{part}" for part in ("node", "rowid", "parent")),
        *(f"nowhere_{part}" for part in ("data", "idx", "docsize", "config")),
    }


def test_what_the_triggers_of_a_derived_table_write_is_part_of_it(
    snapshot: tuple[CapturedSchema, Sequence[Table]],
) -> None:
    undeclared = left_out(snapshot).tables

    assert left_out(snapshot, "docs").tables - undeclared == {"docs"}
    assert left_out(snapshot, "entries").tables - undeclared == {
        "entries",
        *(f"fed_{part}" for part in ("data", "idx", "docsize", "config", "content")),
    }


def test_an_index_whose_tables_the_edms_has_on_the_other_engine_is_converted(
    snapshot: tuple[CapturedSchema, Sequence[Table]],
) -> None:
    there = [table for table in snapshot[1] if table.id == "over4_stat"]

    assert not any(table_id.startswith("over4") for table_id in left_out(snapshot, made=there).tables)


def test_a_name_that_no_engine_has_is_refused(snapshot: tuple[CapturedSchema, Sequence[Table]]) -> None:
    there = [snapshot[1][0].model_copy(update={"id": "only_there"})]

    assert "docs" in left_out(snapshot, "only_there", "docs", made=there).tables
    with pytest.raises(SettingsError, match=r"no model or table 'small\.Index'"):
        left_out(snapshot, "small.Index")
