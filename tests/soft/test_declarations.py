"""What is declared must exist and make sense; a wrong declaration says what, where, why, and what to write instead."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edms_tasks.errors import SettingsError
from edms_tasks.inventory.model import Column, ForeignReference, GenericReference, LogicalType, Table
from edms_tasks.settings import load_settings, settings_from
from edms_tasks.soft.id_patterns import name_expression, text_pattern
from edms_tasks.soft.json_paths import parse_json_path
from edms_tasks.soft.soft_references import declared_file_names, with_declared
from edms_tasks.soft_reference_settings import SoftReferenceSettings


def _table(name: str, model: str | None, *columns: tuple[str, LogicalType, str], **more: Any) -> Table:
    described = [Column(name="id", native_type="bigint", logical_type="integer", nullable=False, field="id")]
    described += [
        Column(name=column, native_type=native, logical_type=kind, nullable=True, field=column.removesuffix("_id"))
        for column, kind, native in columns
    ]
    return Table(
        id=name, schema_name=None, name=name, model=model, columns=tuple(described), primary_key=("id",), **more
    )


TABLES = {
    table.id: table
    for table in (
        _table(
            "documents_document",
            "documents.Document",
            ("number", "text", "text"),
            content_type=("documents", "document"),
        ),
        _table("cases_case", "cases.Case", ("code", "uuid", "uuid"), content_type=("cases", "case")),
        _table("composite", None, ("part", "integer", "integer")).model_copy(update={"primary_key": ("id", "part")}),
        _table("django_content_type", "contenttypes.ContentType", ("model", "text", "text")),
        _table(
            "notes_note",
            "notes.Note",
            ("document_id", "integer", "integer"),
            ("plain", "integer", "integer"),
            ("held", "text", "text"),
            ("doc", "json", "jsonb"),
            ("many", "other", "integer[]"),
            ("done", "boolean", "boolean"),
            ("batch", "uuid", "uuid"),
            ("kind_id", "integer", "integer"),
            ("object_id", "text", "text"),
            references=(
                ForeignReference(
                    kind="foreign",
                    name="document_id",
                    columns=("document_id",),
                    target="documents_document",
                    target_columns=("id",),
                ),
                ForeignReference(
                    kind="foreign",
                    name="kind_id",
                    columns=("kind_id",),
                    target="django_content_type",
                    target_columns=("id",),
                ),
            ),
        ),
    )
}


def declare(*declarations: dict[str, Any]) -> dict[str, Table]:
    return with_declared(TABLES, [SoftReferenceSettings.model_validate(one) for one in declarations])


@pytest.mark.parametrize(
    ("declaration", "said"),
    [
        ({"column": "notes.Nte.held", "target": "documents.Document"}, ["'notes.Nte'", "Did you mean `notes.Note`?"]),
        ({"column": "held", "target": "documents.Document"}, ["'held'"]),
        ({"column": "notes.Note.hold", "target": "documents.Document"}, ["'hold'", "Did you mean `held`?"]),
        ({"column": "notes.Note.held", "target": "documents.Documnt"}, ["target", "Did you mean `documents.Document`?"]),
        ({"column": "notes.Note.held", "target": "documents.Document.numbr"}, ["'numbr'", "Did you mean `number`?"]),
        ({"column": "notes.Note.held", "target": "composite"}, ["One id does not identify a row", "id, part", '"composite.part"']),
        ({"column": "notes.Note.doc", "target": "documents.Document"}, ["jsonb", 'json = "$.document_ids[*]"']),
        ({"column": "notes.Note.many", "target": "documents.Document"}, ["integer[]", 'separator = ","']),
        ({"column": "notes.Note.plain", "target": "documents.Document", "separator": ","}, ["Omit separator"]),
        ({"column": "notes.Note.plain", "target": "documents.Document", "json": "$.a"}, ["Omit separator"]),
        ({"column": "notes.Note.done", "target": "documents.Document"}, ["boolean", "Name another column"]),
        ({"column": "notes.Note.held", "target": "documents.Document", "json": "$"}, ["whole document"]),
        ({"column": "notes.Note.held", "target": "documents.Document", "json": "$.a[1:2]"}, ["not a step", "[*] means every element"]),
        ({"column": "notes.Note.held", "target": "documents.Document", "json": "$[-1]"}, ["Positions from the end"]),
        ({"column": "notes.Note.held", "target": "documents.Document", "json": "$['a', 'b']"}, ["declare the reference several times"]),
        ({"column": "notes.Note.held", "target": "documents.Document", "json": "$.a.json()"}, ["where in that JSON"]),
        ({"column": "notes.Note.held", "target": "documents.Document", "json": "$(?@.a)"}, ["whole document"]),
        ({"column": "notes.Note.held", "target": "documents.Document", "json": "$..[?@.a < 3]"}, ["== and != only"]),
        ({"column": "notes.Note.held", "target": "documents.Document", "json": "$..[?@.a == @.b]"}, ["a string, a number, true"]),
        ({"column": "notes.Note.held", "target": "documents.Document", "json": "$..[?@.a == 'x'"}, ["] or an operator"]),
        ({"column": "notes.Note.held", "target": "documents.Document", "json": "$..[?count(@.a) == 1]"}, ["not understood"]),
        ({"column": "notes.Note.held", "target": "documents.Document", "json": "$[?match(@.a, '(?=x)')]"}, ["cannot have"]),
        ({"column": "notes.Note.held", "target": "documents.Document", "json": "$.*~", "pattern": "a%d"}, ["names keys"]),
        (
            {"column": "notes.Note.doc", "target": "documents.Document", "json": '$.a[?model(@.t, "documents.Dokument")].id'},
            ["no model 'documents.Dokument'"],
        ),
        (
            {"column": "notes.Note.doc", "target": "documents.Document", "json": "$.a[?model(@.t, 3)].id"},
            ["a model in quotes"],
        ),
        ({"column": "notes.Note.held", "target": "documents.Document", "json": "", "pattern": "a%d"}, ["begins with $"]),
        ({"column": "notes.Note.held", "target": "documents.Document", "tag": "<a id=%d"}, ["one opening tag"]),
        ({"column": "notes.Note.held", "target": "documents.Document", "tag": '<a id="page-%d">'}, ["the whole value"]),
        ({"column": "notes.Note.held", "target": "documents.Document", "tag": '<a href="x">'}, ["exactly one attribute"]),
        ({"column": "notes.Note.held", "target": "cases.Case.code", "tag": '<a id="%d">'}, ["%s stands for"]),
        ({"column": "notes.Note.plain", "target": "documents.Document", "tag": '<a id="%d">'}, ["Omit separator"]),
        ({"column": "notes.Note.held", "target": "cases.Case.code", "pattern": "{pk:07}"}, ["padded", "not numbers"]),
        ({"column": "notes.Note.held", "copy_of": "documents.Documnt"}, ["copy_of", "Did you mean `documents.Document`?"]),
        ({"column": "notes.Note.held", "copy_of": "composite.x"}, ["There is no model"]),
        ({"column": "notes.Note.held", "copy_of": "plian"}, ["Did you mean `plain`?"]),
        ({"column": "notes.Note.held", "copy_of": "plain"}, ["content types", "app.Model"]),
        ({"column": "notes.Note.plain", "copy_of": "documents.Document"}, ["copies of rows"]),
        ({"column": "notes.Note.held", "target": "documents.Document", "pattern": "field"}, ["exactly once"]),
        ({"column": "notes.Note.held", "target": "documents.Document", "pattern": "%d-%d"}, ["exactly once"]),
        ({"column": "notes.Note.held", "target": ["documents.Document"] * 2, "pattern": "%d"}, ["exactly 2 times"]),
        ({"column": "notes.Note.held", "target": ["documents.Document"] * 2, "pattern": "%d%d"}, ["separates"]),
        ({"column": "notes.Note.held", "target": "cases.Case.code", "pattern": "case %d"}, ["%s stands for"]),
        ({"column": "notes.Note.document", "target": "documents.Document"}, ["already a reference", "foreign key"]),
        ({"content_type": "notes.Note.held", "object_id": "notes.Note.object_id"}, ["cannot hold content types"]),
        ({"content_type": "notes.Note.kind", "object_id": "cases.Case.code"}, ["different tables"]),
    ],
)  # fmt: skip
def test_the_error_for_a_wrong_declaration_shows_the_right_form(declaration: dict[str, str], said: list[str]) -> None:
    with pytest.raises(SettingsError) as caught:
        declare(declaration)

    error = caught.value
    assert "[[soft_references]]" in error.where
    assert error.what and error.fix
    for words in said:
        assert words in str(error)


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ({"plian": 1}, ["'plian'", "Did you mean `plain`?"]),
        ({"held": "x"}, ["is the column with the ids itself"]),
        ({"document": 1}, ["other rows in another system", "It is a reference"]),
        ({"id": 1}, ["other rows in another system", "the primary key"]),
        ({"doc": "x"}, ["cannot be compared", "jsonb"]),
        ({"plain": "x"}, ["is a number", "'x'"]),
        ({"done": "perhaps"}, ["is true or false"]),
        ({"batch": ["0a1b2c3d-0000-4000-8000-00000000000f", "invoice"]}, ["is a UUID", "'invoice'"]),
        ({"kind": "documents.Documnt"}, ["named by their models", "Did you mean `documents.document`?"]),
        ({"kind": 3}, ["named by their models"]),
    ],
)
def test_the_error_for_a_wrong_condition_shows_the_right_form(where: dict[str, Any], said: list[str]) -> None:
    with pytest.raises(SettingsError) as caught:
        declare({"column": "notes.Note.held", "target": "documents.Document", "where": where})

    assert caught.value.where == "[[soft_references]] column = 'notes.Note.held', where"
    for words in said:
        assert words in str(caught.value)


@pytest.mark.parametrize(
    ("first", "second", "allowed"),
    [
        ({"where": {"plain": [0, 3]}}, {"where": {"plain": [1]}}, True),
        ({"where": {"plain": [0, 3]}}, {"where": {"plain": [3]}}, False),
        ({"where": {"plain": 0}}, {"where": {"done": True}}, False),
        ({"where": {"plain": 0, "done": True}}, {"where": {"plain": 0, "done": False}}, True),
        ({"where": {"plain": 0}}, {}, False),
        ({"where": {"plain": 0}, "json": "$.a"}, {"where": {"plain": 0}, "json": "$.b"}, True),
        ({"where": {"plain": 0}, "json": "$.a"}, {"where": {"plain": 1}, "pattern": "a%d"}, True),
        ({"where": {"kind": "documents.Document"}}, {"where": {"kind": ["CASES.case"]}}, True),
        ({"json": "$.a", "tag": '<a id="%d">'}, {"json": "$.a", "tag": '<b id="%d">'}, True),
        ({"json": "$.a", "tag": '<a id="%d">'}, {"json": "$.a"}, False),
        ({"json": "$.a", "separator": ","}, {"json": "$.a", "separator": ";"}, False),
        ({"json": "$.a", "pattern": "a%d"}, {"pattern": "a%d"}, False),
        ({"tag": '<a id="%d">'}, {"pattern": "a%d"}, False),
    ],
)
def test_declarations_of_one_column_may_concern_different_rows_or_different_places(
    first: dict[str, Any], second: dict[str, Any], allowed: bool
) -> None:
    common = {"column": "notes.Note.held", "target": "documents.Document"}
    if allowed:
        assert len(declare(common | first, common | second)["notes_note"].soft_references) == 2
        return
    with pytest.raises(SettingsError, match=r"declared twice|for the same rows"):
        declare(common | first, common | second)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({}, {}),
        ({}, {"separator": ","}),
        ({"separator": ","}, {"separator": ";"}),
        ({"json": "$.a"}, {"pattern": "%d"}),
        ({"json": "$.a"}, {"json": "$.a"}),
        ({"pattern": "a%d"}, {"pattern": "a%d"}),
    ],
)
def test_declarations_that_read_one_value_in_two_ways_are_refused(
    first: dict[str, str], second: dict[str, str]
) -> None:
    common = {"column": "notes.Note.held", "target": "documents.Document"}

    with pytest.raises(SettingsError, match="declared twice"):
        declare(common | first, common | second)


def test_declarations_accept_model_field_table_and_column_names_in_any_case() -> None:
    spellings = ["notes.Note.held", "NOTES.note.held", "notes_note.held"]

    found = [declare({"column": name, "target": "DOCUMENTS_document"})["notes_note"] for name in spellings]

    assert found[0] == found[1] == found[2]
    (reference,) = found[0].soft_references
    assert (reference.name, reference.column, reference.target, reference.target_column, reference.form) == (
        "held", "held", "documents_document", "id", "value",
    )  # fmt: skip


def test_one_column_can_have_several_paths_or_several_patterns() -> None:
    common = {"target": "documents.Document"}

    note = declare(
        {"column": "notes.Note.doc", "json": "$.a"} | common,
        {"column": "notes.Note.doc", "json": "$.b.*~"} | common,
        {"column": "notes.Note.held", "pattern": "a%d"} | common,
        {"column": "notes.Note.held", "pattern": "b%d"} | common,
    )["notes_note"]

    assert [one.name for one in note.soft_references] == ["doc $.a", "doc $.b.*~", "held a%d", "held b%d"]
    assert note.soft_columns == ("held", "doc")


def test_a_pattern_of_several_ids_is_a_reference_for_each() -> None:
    targets = ["documents.Document", "cases.Case.code"]

    note = declare({"column": "notes.Note.held", "pattern": "%d/%s", "target": targets})["notes_note"]

    assert [(one.name, one.target, one.part) for one in note.soft_references] == [
        ("held %d/%s (1)", "documents_document", 0),
        ("held %d/%s (2)", "cases_case", 1),
    ]


def test_a_suspected_generic_reference_is_followed_once_it_is_declared() -> None:
    note = declare({"content_type": "notes.Note.kind", "object_id": "notes.Note.object"})["notes_note"]

    assert note.references[-1] == GenericReference(
        name="kind + object", content_type_column="kind_id", object_id_column="object_id", declared=True
    )


def test_a_declared_generic_reference_is_not_reported_as_suspected() -> None:
    found = GenericReference(name="x", content_type_column="kind_id", object_id_column="object_id", declared=False)
    tables = TABLES | {"notes_note": TABLES["notes_note"].model_copy(update={"references": (found,)})}

    declared = SoftReferenceSettings(content_type="notes.Note.kind_id", object_id="notes.Note.object_id")

    assert with_declared(tables, [declared])["notes_note"].references == (found.model_copy(update={"declared": True}),)
    with pytest.raises(SettingsError, match="already a reference"):
        with_declared(tables, [SoftReferenceSettings(column="notes.Note.object_id", target="documents.Document")])


@pytest.mark.parametrize(
    "declaration",
    [
        {},
        {"column": "a.B.c"},
        {"target": "a.B"},
        {"column": "a.B.c", "target": "a.D", "pattern": "%d", "separator": ","},
        {"column": "a.B.c", "target": ["a.D", "a.E"]},
        {"column": "a.B.c", "target": ["a.D"], "pattern": "%d"},
        {"column": "a.B.c", "target": "a.D", "copy_of": "a.D"},
        {"column": "a.B.c", "copy_of": "a.D", "json": "$.a"},
        {"column": "a.B.c", "target": "a.D", "where": {}},
        {"column": "a.B.c", "target": "a.D", "where": {"kind": []}},
        {"column": "a.B.c", "target": "a.D", "where": {"kind": 1.5}},
        {"files": "media", "name": "{pk}", "target": "a.D", "where": {"kind": 1}},
        {"column": "a.B.c", "target": "a.D", "files": "media"},
        {"files": "media", "target": "a.D"},
        {"content_type": "a.B.c"},
        {"content_type": "a.B.c", "object_id": "a.B.d", "target": "a.D"},
        {"column": "a.B.c", "target": "a.D", "separator": ""},
        {"column": "a.B.c", "target": "a.D", "path": "$.a"},
    ],
)
def test_a_declaration_of_unknown_shape_is_refused_when_the_settings_are_read(
    declaration: dict[str, str], tmp_path: Path
) -> None:
    with pytest.raises(SettingsError) as caught:
        settings_from({"soft_references": [declaration]}, where=tmp_path / "edms-backup.toml")

    assert "soft_references.0" in str(caught.value)
    assert caught.value.fix


def test_declarations_come_from_the_file_or_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "edms-backup.toml"
    config.write_text('[[soft_references]]\ncolumn = "a.B.c"\ntarget = "a.D"\njson = "$.a[*]"\n', encoding="utf-8")

    (from_file,) = load_settings(config).soft_references
    monkeypatch.setenv("EDMS_BACKUP__SOFT_REFERENCES", '[{"column": "a.B.c", "target": "a.D", "json": "$.a[*]"}]')
    config.write_text("", encoding="utf-8")

    assert load_settings(config).soft_references == (from_file,)
    assert from_file.json_ == "$.a[*]"


@pytest.mark.parametrize(
    ("declaration", "said"),
    [
        ({"files": "medai", "name": "{pk}.pdf"}, ["'medai'", "Did you mean `media`?"]),
        ({"files": "media", "name": "thumb.webp"}, ["{pk} exactly once"]),
        ({"files": "media", "name": "{pk}/{pk}"}, ["{pk} exactly once"]),
        ({"files": "media", "name": "{pk:x}.pdf"}, ["{pk} exactly once"]),
        ({"files": "media", "name": "{pk:07}.pdf", "target": "cases.Case.code"}, ["Only numbers", "are not numbers"]),
    ],
)
def test_the_error_for_a_wrong_file_name_pattern_shows_the_right_form(
    declaration: dict[str, str], said: list[str]
) -> None:
    declared = SoftReferenceSettings(**({"target": "documents.Document"} | declaration))

    with pytest.raises(SettingsError) as caught:
        declared_file_names(TABLES, [declared], ["media"])

    for words in said:
        assert words.lower() in str(caught.value).lower()


def test_patterns_match_literally_except_for_the_id() -> None:
    import re

    assert re.findall(text_pattern("a.b(%d)", ["number"]).expression, "a.b(12) axb(13) a.b(x)") == ["12"]
    assert re.findall(text_pattern("%s!", ["text"]).expression, "it-is_1! a b!") == ["it-is_1", "b"]
    assert re.fullmatch(name_expression("a*/{pk:03}.w", "number").expression, "abc/007.w")
    assert not re.fullmatch(name_expression("a*/{pk:03}.w", "number").expression, "a/b/007.w")
    padded = name_expression("{pk:03}", "number").expression
    assert [text for text in ("7", "07", "007", "0007", "1007", "x") if re.fullmatch(padded, text)] == ["007", "1007"]
    plain = name_expression("{pk}", "number").expression
    assert [text for text in ("0", "7", "07", "70") if re.fullmatch(plain, text)] == ["0", "7", "70"]


def test_a_path_can_quote_any_name() -> None:
    path = parse_json_path('$."a.b \\" \\u00e9"[007].*~')

    assert [step.name for step in path.steps] == ['a.b " é', "7", None]
    assert path.keys
