"""The content digest knows rows by natural key: other ids are the same content, other rows are not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.reference_system import Engine
from tests.soft.small_archive import Archive, execute, read_archive

FORMS: dict[str, tuple[dict[str, str], str, Callable[[int, int], str]]] = {
    # A note that points at a first and a second document, in each form; and the type of its column.
    "plain values": ({}, "integer", lambda first, second: str(first)),
    "plain texts": ({}, "text", lambda first, second: f" {first}"),
    "lists": ({"separator": ";"}, "text", lambda first, second: f"{first}; {second};"),
    "values in JSON": ({"json": "$.ids[*]"}, "json", lambda first, second: json.dumps({"n": 7, "ids": [first, str(second)]})),
    "keys in JSON": ({"json": "$.by.*~"}, "json", lambda first, second: json.dumps({"by": {first: {"a": 1}, second: [2]}})),
    "JSON in text": ({"json": "$[*].doc"}, "text", lambda first, second: f'[{{"doc": {first}}},{{"doc":"{second}"}}]'),
    "strings": ({"pattern": "doc_%d"}, "text", lambda first, second: f"doc_{first} before doc_{second}, by 7"),
}  # fmt: skip
# A text, JSON and its keys; the other forms are for `make test-long`.
SOME_FORMS = [
    pytest.param(form, marks=[] if form in ("strings", "values in JSON", "keys in JSON") else [pytest.mark.long])
    for form in FORMS
]


# A digest is made of rows that were read already; what each engine holds in each form is told apart in test_forms.py.
@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.long)])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., Archive]:
    """Make the archive whose documents have these ids, in a database of its own, and read it."""
    engine: Engine = request.param
    made = 0

    def archive(
        form: str, ids: dict[str, int], *, pointing: tuple[str, str] = ("SOP-1", "SOP-2"), **other: str
    ) -> Archive:
        nonlocal made
        made += 1
        declared, kind, write = FORMS[form]
        url = f"sqlite:///{tmp_path / str(made)}.sqlite3"
        if engine == "postgresql":
            url = request.getfixturevalue("postgres_database")
            execute(url, "DROP TABLE IF EXISTS note, document")
        native = {"json": "jsonb" if engine == "postgresql" else "text"}.get(kind, kind)
        cast = "?::jsonb" if native == "jsonb" else "?"
        value = other.get("value") or write(*(ids.get(number, 999) for number in pointing))
        execute(
            url,
            "CREATE TABLE document (id integer PRIMARY KEY, number text NOT NULL UNIQUE)",
            *(("INSERT INTO document VALUES (?, ?)", (one, number)) for number, one in ids.items()),
            f"CREATE TABLE note (id integer PRIMARY KEY, code text NOT NULL UNIQUE, held {native})",
            (f"INSERT INTO note VALUES (?, 'N-1', {cast})", (ids.get("SOP-1", 1) + 500, value)),
        )
        return read_archive(url, [{"column": "note.held", "target": "document"} | declared], tmp_path / f"work-{made}")

    return archive


@pytest.mark.parametrize("form", SOME_FORMS)
def test_the_same_rows_with_other_ids_have_the_same_digest(form: str, make: Callable[..., Archive]) -> None:
    # 9 and 10 change places in every order of texts, and jsonb sorts keys by their length first.
    here = make(form, {"SOP-1": 9, "SOP-2": 10, "SOP-3": 11})
    there = make(form, {"SOP-3": 1, "SOP-2": 2, "SOP-1": 1234})

    assert here.digest("note") == there.digest("note")
    assert here.digest("document") == there.digest("document")
    assert here.states["note"].exact_digest != there.states["note"].exact_digest


@pytest.mark.parametrize("form", SOME_FORMS)
def test_an_id_changed_to_another_rows_changes_the_digest(form: str, make: Callable[..., Archive]) -> None:
    ids = {"SOP-1": 9, "SOP-2": 10, "SOP-3": 11}

    before, after = make(form, ids), make(form, ids, pointing=("SOP-3", "SOP-2"))

    assert before.digest("note") != after.digest("note")
    assert before.digest("document") == after.digest("document")
    assert [one.dangling for one in after.states["note"].references] == [0]


@pytest.mark.parametrize("form", SOME_FORMS)
def test_the_same_ids_that_belong_to_other_rows_change_the_digest(form: str, make: Callable[..., Archive]) -> None:
    """What a restore into a system of other ids would do: nothing in the table itself has changed."""
    before = make(form, {"SOP-1": 9, "SOP-2": 10, "SOP-3": 11})
    value = FORMS[form][2](9, 10)

    after = make(form, {"SOP-3": 9, "SOP-2": 10, "SOP-1": 11}, value=value)

    assert before.digest("note") != after.digest("note")


@pytest.mark.parametrize("form", SOME_FORMS)
def test_an_id_without_a_row_is_counted_and_changes_the_digest(form: str, make: Callable[..., Archive]) -> None:
    ids = {"SOP-1": 9, "SOP-2": 10}

    whole, broken = make(form, ids), make(form, ids, pointing=("SOP-4", "SOP-2"))

    (state,) = broken.states["note"].references
    assert (state.filled, state.dangling, state.dangling_examples) == (1, 1, ("999",))
    assert whole.digest("note") != broken.digest("note")


@pytest.mark.long
def test_a_change_beside_the_ids_changes_the_digest(make: Callable[..., Archive]) -> None:
    ids = {"SOP-1": 9, "SOP-2": 10}
    values = {
        "lists": ["9;10", "9; 10", "9;;10", "10;9", "9;10;", "9"],
        "values in JSON": ['{"ids":[9,10]}', '{"ids":[10,9]}', '{"ids":["9",10]}', '{"ids":[9,10],"a":1}', '{"id":[9,10]}'],
        "keys in JSON": ['{"by":{"9":1,"10":2}}', '{"by":{"9":2,"10":1}}', '{"by":{"9":1}}', '{"by":["9","10"]}'],
        "strings": ["doc_9", "doc_9.", "doc_9 doc_9", "doc_ 9", "[doc_9]"],
    }  # fmt: skip

    for form, written in values.items():
        digests = [make(form, ids, value=value).digest("note") for value in written]
        assert len(set(digests)) == len(written), form


def test_two_references_in_one_document_are_both_followed(tmp_path: Path) -> None:
    def archive(first: int, second: int, folder: Path) -> Archive:
        folder.mkdir()
        url = f"sqlite:///{folder / 'archive.sqlite3'}"
        execute(
            url,
            "CREATE TABLE document (id integer PRIMARY KEY, number text NOT NULL UNIQUE)",
            "CREATE TABLE person (id integer PRIMARY KEY, name text NOT NULL UNIQUE)",
            "CREATE TABLE note (id integer PRIMARY KEY, code text NOT NULL UNIQUE, held text)",
            ("INSERT INTO document VALUES (?, 'SOP-1')", (first,)),
            ("INSERT INTO person VALUES (?, 'EMP-1')", (second,)),
            ("INSERT INTO note VALUES (1, 'N-1', ?)", (json.dumps({str(first): {"by": second}}),)),
        )
        declared = [
            {"column": "note.held", "target": "document", "json": "$.*~"},
            {"column": "note.held", "target": "person", "json": "$.*.by"},
        ]
        return read_archive(url, declared, folder / "work")

    here, there = archive(1, 2, tmp_path / "here"), archive(77, 1, tmp_path / "there")

    assert here.digest("note") == there.digest("note")
    assert json.loads(here.column("note", "@soft:held")[1]) == [[[["SOP-1"], "by"], "number", ["EMP-1"]]]
