"""`populate` fills the EDMS with much, quickly, repeatably, and with what breaks tools."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.reference_edms.conftest import Edms


def _files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def _content(edms: Edms, tables: Iterable[str]) -> dict[str, list[tuple[object, ...]]]:
    return {table: edms.rows(f'SELECT * FROM "{table}" ORDER BY 1') for table in tables}


@pytest.mark.long
def test_a_document_brings_about_twenty_rows_and_more_than_one_file(populated_edms: Edms) -> None:
    (documents,) = populated_edms.rows("SELECT count(*) FROM documents_document")[0]
    rows = sum(populated_edms.rows(f'SELECT count(*) FROM "{t}"')[0][0] for t in populated_edms.tables())

    assert documents == 60
    assert 18 * documents < rows < 30 * documents
    assert len(_files(populated_edms.media)) > documents


def test_the_same_seed_gives_the_same_rows_and_files(populated_edms: Edms, other_fresh_edms: Edms) -> None:
    again = other_fresh_edms
    again.run("populate", "--documents", "60", "--seed", "7")

    assert _content(again, again.tables()) == _content(populated_edms, populated_edms.tables())
    assert _files(again.media) == _files(populated_edms.media)


@pytest.mark.long
def test_another_seed_gives_other_rows(populated_edms: Edms, other_fresh_edms: Edms) -> None:
    other = other_fresh_edms
    other.run("populate", "--documents", "60", "--seed", "8")

    query = "SELECT number, title, metadata FROM documents_document ORDER BY id"
    assert other.rows(query) != populated_edms.rows(query)


@pytest.mark.long
def test_a_second_run_adds_to_what_is_there(populated_edms: Edms) -> None:
    populated_edms.run("populate", "--documents", "20", "--seed", "7")

    assert populated_edms.rows("SELECT count(*) FROM documents_document") == [(80,)]
    assert "intact" in populated_edms.run("verify_audit")


@pytest.mark.long
def test_hard_values_are_there(fresh_edms: Edms) -> None:
    fresh_edms.run("populate", "--documents", "300", "--seed", "7")

    def count(condition: str, table: str = "documents_document") -> int:
        return int(fresh_edms.rows(f"SELECT count(*) FROM {table} WHERE {condition}")[0][0])

    assert count("abstract IS NULL") and count("abstract = ''")
    assert count("external_reference = 9223372036854775807")
    assert count("origin_date < '1900-01-01'")
    assert count("length(description) > 90000")
    assert count("instr(abstract, char(27)) > 0")
    assert count("instr(abstract, '🧪') > 0")
    assert count("created_at NOT LIKE '%000'")
    assert count("id - supersedes_id < 0") and count("id - supersedes_id > 0")
    assert count("metadata LIKE '%1208925819614629174706176%'")
    (highest, rows) = fresh_edms.rows("SELECT max(id), count(*) FROM documents_document")[0]
    assert highest > rows
    circle = """SELECT count(*) FROM users_user a JOIN users_user b
                ON a.manager_id = b.id AND b.manager_id = a.id AND a.id <> b.id"""
    assert fresh_edms.rows(circle)[0][0] >= 2


@pytest.mark.long
def test_some_generic_references_and_file_names_are_dangling(populated_edms: Edms) -> None:
    populated_edms.run("populate", "--documents", "300", "--seed", "9")

    dangling = """SELECT count(*) FROM audit_audittrail a JOIN django_content_type c ON c.id = a.content_type_id
                  WHERE c.model = 'document'
                  AND CAST(a.object_id AS integer) NOT IN (SELECT id FROM documents_document)"""
    assert populated_edms.rows(dangling)[0][0] > 0
    assert populated_edms.rows("PRAGMA foreign_key_check") == []
    stored = set(_files(populated_edms.media))
    named = {name for (name,) in populated_edms.rows("SELECT file FROM documents_document WHERE file <> ''")}
    assert named - stored, "a row should name a lost file"
    assert any(not content for content in _files(populated_edms.media).values()), "an empty file"
    assert "documents/no row knows me.pdf" in stored
    assert any(name.rpartition("/")[2].startswith("-") for name in stored)
