"""Rows keep SQLite's hidden row ids where no column holds them: search indexes, triggers and programs go by these."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from edms_tasks.databases import DatabaseAddress, open_database
from edms_tasks.inventory.model import Finding
from edms_tasks.manifest import Manifest, NativeSchema
from edms_tasks.structure.structure_check import check_structure
from tests.databases.there_and_back import there_and_back

GAPS = "DELETE FROM page WHERE id IN ('aa', 'cc')"
PAGES = "INSERT INTO page VALUES ('aa', 'draft'), ('bb', 'contract'), ('cc', 'bill'), ('dd', 'invoice')"

# Each ends with a query whose answer depends on row ids.
DEPENDENT = {
    "a_full_text_index_over_a_table_with_a_text_key": (
        f"""CREATE TABLE page (id char(32) PRIMARY KEY, body text);
        CREATE VIRTUAL TABLE search USING fts5(body, content='page', content_rowid='rowid'); {PAGES}; {GAPS};
        INSERT INTO search (rowid, body) SELECT rowid, body FROM page""",
        "SELECT p.id FROM search s JOIN page p ON p.rowid = s.rowid WHERE search MATCH 'invoice'",
    ),
    "a_full_text_index_of_the_older_kind": (
        f"""CREATE TABLE page (id char(32) PRIMARY KEY, body text);
        CREATE VIRTUAL TABLE search USING fts4(content='page', body); {PAGES}; {GAPS};
        INSERT INTO search (docid, body) SELECT rowid, body FROM page""",
        "SELECT p.id, s.body FROM search s JOIN page p ON p.rowid = s.docid WHERE search MATCH 'invoice'",
    ),
    "a_contentless_index": (
        f"""CREATE TABLE page (id char(32) PRIMARY KEY, body text);
        CREATE VIRTUAL TABLE search USING fts5(body, content=''); {PAGES}; {GAPS};
        INSERT INTO search (rowid, body) SELECT rowid, body FROM page""",
        "SELECT p.id FROM search s JOIN page p ON p.rowid = s.rowid WHERE search MATCH 'invoice'",
    ),
    "places_in_an_r_tree": (
        f"""CREATE TABLE page (id char(32) PRIMARY KEY, body text); {PAGES}; {GAPS};
        CREATE VIRTUAL TABLE place USING rtree(id, low, high, +label);
        INSERT INTO place SELECT rowid, rowid, rowid + 1, body FROM page""",
        "SELECT p.id, s.label FROM place s JOIN page p ON p.rowid = s.id ORDER BY 1",
    ),
    "a_program_that_keeps_them_elsewhere": (
        f"""CREATE TABLE page (id char(32) PRIMARY KEY, body text); {PAGES}; {GAPS};
        CREATE TABLE noted (id integer PRIMARY KEY, of integer); INSERT INTO noted (of) SELECT _rowid_ FROM page""",
        "SELECT p.id FROM noted JOIN page p ON p.oid = noted.of ORDER BY 1",
    ),
    "a_table_without_any_key": (
        f"CREATE TABLE page (id text, body text); {PAGES}; {GAPS}; UPDATE page SET rowid = -5 WHERE id = 'bb'",
        "SELECT rowid, id FROM page",
    ),
    "a_column_that_has_taken_the_name": (
        "CREATE TABLE page (rowid text PRIMARY KEY, oid text); INSERT INTO page VALUES ('x', 'y'), ('z', NULL); "
        "UPDATE page SET _rowid_ = 9223372036854775807 WHERE oid IS NULL",
        "SELECT _rowid_, rowid, oid FROM page",
    ),
    "a_key_that_only_looks_like_the_row_id": (
        "CREATE TABLE page (id INTEGER PRIMARY KEY DESC); INSERT INTO page VALUES (7), (NULL), (3)",
        "SELECT rowid, id FROM page",
    ),
    "columns_that_have_taken_all_three_names": (
        "CREATE TABLE page (rowid text, oid text, _rowid_ text PRIMARY KEY); INSERT INTO page VALUES (1, 2, 3), (4, 5, 6)",
        "SELECT rowid, oid, _rowid_ FROM page",
    ),
}


@pytest.mark.parametrize("name", DEPENDENT)
def test_search_indexes_and_triggers_find_the_same_row_ids(name: str, tmp_path: Path) -> None:
    schema, question = DEPENDENT[name]
    source = tmp_path / "source.sqlite3"
    with closing(sqlite3.connect(source)) as connection:
        connection.executescript(schema)
        before = connection.execute(question).fetchall()
    assert before

    copy = there_and_back(f"sqlite:///{source}", tmp_path / "work")

    with closing(sqlite3.connect(copy.url.removeprefix("sqlite:///"))) as connection:
        assert connection.execute(question).fetchall() == before
    assert copy.before == copy.after


def test_other_row_ids_are_another_exact_digest_and_the_same_content(tmp_path: Path) -> None:
    found = []
    for number in (1, 2):
        source = tmp_path / f"{number}.sqlite3"
        with closing(sqlite3.connect(source)) as connection:
            connection.execute("CREATE TABLE page (id char(32) PRIMARY KEY)")
            connection.execute("INSERT INTO page (rowid, id) VALUES (?, 'aa')", (number,))
            connection.commit()
        found.append(there_and_back(f"sqlite:///{source}", tmp_path / str(number)).before["page"])

    assert found[0].exact_digest != found[1].exact_digest
    assert found[0].content_digest == found[1].content_digest


SEARCH = """
    CREATE TABLE page (id char(32) PRIMARY KEY, body text);
    CREATE VIRTUAL TABLE sound USING fts5(body, content='page', content_rowid='rowid');
    CREATE VIRTUAL TABLE stale USING fts5(body, content='page', content_rowid='rowid');
    CREATE VIRTUAL TABLE place USING rtree(id, low, high);
    INSERT INTO page VALUES ('aa', 'draft'), ('bb', 'invoice');
    INSERT INTO sound (rowid, body) SELECT rowid, body FROM page;
    INSERT INTO stale (rowid, body) SELECT rowid, 'other words' FROM page
"""


def test_a_search_index_is_checked_against_its_rows(tmp_path: Path) -> None:
    source = tmp_path / "edms.sqlite3"
    with closing(sqlite3.connect(source)) as connection:
        connection.executescript(SEARCH)
    before = source.read_bytes()

    with open_database(DatabaseAddress.from_url(f"sqlite:///{source}")).view(tmp_path, 1) as view:
        codes = {finding.subject: finding.code for finding in view.findings() if finding.code != "virtual-table"}

    assert codes == {
        "sound": "search-index-checked",
        "stale": "search-index-inconsistent",
        "place": "search-index-checked",
    }
    assert source.read_bytes() == before


def test_an_index_that_matched_its_rows_in_the_source_must_match_them_in_the_copy(tmp_path: Path) -> None:
    source = tmp_path / "edms.sqlite3"
    with closing(sqlite3.connect(source)) as connection:
        connection.executescript(SEARCH)
    passed = [
        Finding(code="search-index-checked", severity="info", subject=name, message="") for name in ("sound", "stale")
    ]
    schema = NativeSchema.model_construct(engine="sqlite")
    manifest = Manifest.model_construct(findings=tuple(passed), sequences=(), engine="sqlite", native_schema=schema)
    (tmp_path / "scratch").mkdir()

    database = open_database(DatabaseAddress.from_url(f"sqlite:///{source}"))
    with database.view(tmp_path / "scratch", 1) as view:
        captured = view.capture_schema(tmp_path / "captured")
        checks = check_structure(manifest, captured, view, database, tmp_path / "again").checks

    (search,) = [check for check in checks if check.subject == "search indexes"]
    assert (search.expected, search.found) == ("all 2", "missing stale")
