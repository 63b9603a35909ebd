"""Ids at any depth of nested JSON, in rich text and in JSON within strings: found, and rewritten byte for byte."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from edms_tasks.inventory.model import SoftReference, Table
from edms_tasks.soft.readings import readings_of
from edms_tasks.soft.soft_references import with_declared
from edms_tasks.soft.value_rewriting import final_ids, rewriter
from edms_tasks.soft_reference_settings import SoftReferenceSettings
from tests.soft.documents_with_ids import DECLARED, DOCUMENTS, Document
from tests.soft.small_archive import execute, read_archive

BEFORE = {"image": lambda number: number, "page": lambda number: number}
# Every id is another's elsewhere, and most are longer.
AFTER = {"image": lambda number: 6 - number, "page": lambda number: number * 111}
DECLARATIONS = [{"column": "note.held"} | one for one in DECLARED]


def note_table() -> Table:
    columns = [
        {"name": name, "native_type": native, "logical_type": kind, "nullable": True, "field": name}
        for name, native, kind in (("id", "integer", "integer"), ("held", "text", "text"))
    ]
    described = {"schema_name": None, "columns": columns, "primary_key": ["id"]}
    tables = {name: Table.model_validate({"id": name, "name": name} | described) for name in ("note", "image", "page")}
    return with_declared(tables, [SoftReferenceSettings.model_validate(one) for one in DECLARATIONS])["note"]


NOTE = note_table()


def rewritten(text: str, to: dict[str, dict[str, str]]) -> str:
    references: tuple[SoftReference, ...] = NOTE.soft_references
    (reading,) = readings_of(NOTE, "held")
    return rewriter(reading, [final_ids(to[one.target], str) for one in references])(text)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(document=DOCUMENTS)
def test_a_rewritten_document_equals_one_written_with_the_new_ids(document: Document) -> None:
    to = {name: {str(number): str(AFTER[name](number)) for number in range(1, 6)} for name in AFTER}
    back = {name: {new: old for old, new in ids.items()} for name, ids in to.items()}

    assert rewritten(document.text(BEFORE), to) == document.text(AFTER)
    assert rewritten(document.text(AFTER), back) == document.text(BEFORE)


STORED = settings(
    phases=[Phase.generate], suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)


@pytest.mark.long
@settings(STORED, max_examples=4)
@given(documents=st.lists(DOCUMENTS, min_size=5, max_size=25))
def test_the_content_does_not_depend_on_ids(
    documents: list[Document], tmp_path_factory: pytest.TempPathFactory
) -> None:
    content_says_what_is_meant(documents, tmp_path_factory.mktemp("nested"))


@pytest.mark.long
@settings(STORED, max_examples=60)
@given(documents=st.lists(DOCUMENTS, min_size=5, max_size=25))
def test_the_content_of_many_documents_does_not_depend_on_ids(
    documents: list[Document], tmp_path_factory: pytest.TempPathFactory
) -> None:
    content_says_what_is_meant(documents, tmp_path_factory.mktemp("nested"))


def content_says_what_is_meant(documents: list[Document], folder: Path) -> None:
    archives = []
    for name, ids in (("before", BEFORE), ("after", AFTER)):
        url = f"sqlite:///{folder / name}.sqlite3"
        execute(
            url,
            *(f"CREATE TABLE {target} (id integer PRIMARY KEY, name text NOT NULL UNIQUE)" for target in ids),
            *(
                (f"INSERT INTO {target} VALUES (?, ?)", (make(number), f"{target} {number}"))
                for target, make in ids.items()
                for number in range(1, 6)
            ),
            "CREATE TABLE note (id integer PRIMARY KEY, held text)",
            *(("INSERT INTO note (held) VALUES (?)", (one.text(ids),)) for one in documents),
        )
        archives.append(read_archive(url, DECLARATIONS, folder / name, chunk_rows=10))
    here, there = archives

    assert here.column("note", "@soft:held") == there.column("note", "@soft:held")
    for number, reference in enumerate(here.tables["note"].soft_references):
        pointed = here.column("note", f"@ref:{reference.name}")
        meant = [{one for declaration, one in document.found() if declaration == number} for document in documents]
        expected = [sorted(f"{reference.target} {one}" for one in found) or None for found in meant]
        told = [pointed[row] for row in range(1, len(documents) + 1)]
        assert [None if text is None else [key for (key,) in json.loads(text)] for text in told] == expected


@pytest.mark.long
def test_long_documents_are_read_in_memory_that_grows_with_their_size(tmp_path: Path) -> None:
    # With a whole document for each of its members, this would take four gigabytes.
    url = f"sqlite:///{tmp_path / 'archive.sqlite3'}"
    body = json.dumps([{"type": "image", "value": number, "text": "w" * 80} for number in range(1, 1501)])
    execute(
        url,
        "CREATE TABLE image (id integer PRIMARY KEY, name text UNIQUE NOT NULL)",
        "INSERT INTO image WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1400) SELECT i, 'I-' || i FROM n",
        "CREATE TABLE note (id integer PRIMARY KEY, held text)",
        *(("INSERT INTO note VALUES (?, ?)", (number, body + " " * number)) for number in range(20)),
    )

    archive = read_archive(
        url, [{"column": "note.held", "target": "image", "json": '$[?type == "image"].value'}], tmp_path / "work"
    )

    (counts,) = archive.states["note"].references
    assert (counts.filled, counts.dangling) == (20, 20)
