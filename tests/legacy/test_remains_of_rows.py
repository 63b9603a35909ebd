"""What is left of a damaged row is never called noise, and no neighbour takes its values."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest

from edms_tasks.legacy.clear_secrets import ClearSecrets
from edms_tasks.legacy.formats import recognise
from edms_tasks.legacy.not_converted import not_converted
from edms_tasks.legacy.old_backup import OldBackup, Scratch
from edms_tasks.legacy.placed_keys import _joined
from edms_tasks.legacy.source import Source

ROWS = [{"model": "a.b", "pk": number, "fields": {"name": f"n{number}"}} for number in range(4)]
ARRAY = json.dumps(ROWS, indent=1)
LINES = "".join(json.dumps(row) + "\n" for row in ROWS)
YAML = "".join(f"- model: a.b{row['pk']}\n  pk: {row['pk']}\n  fields:\n    one: 1\n    two: 2\n" for row in ROWS)
XML = (
    '<django-objects version="1.0">\n'
    + "".join(
        f'<object model="a.b" pk="{row["pk"]}"><field name="tags" rel="ManyToManyRel" to="a.c"><object pk="1"></object></field></object>'
        for row in ROWS
    )
    + "</django-objects>"
)


def read(path: Path, folder: Path | None = None) -> OldBackup:
    ((reader, _), *_) = recognise(path)
    return reader.read(Source(path), Scratch(folder or path.parent, look_only=folder is None))


def rows_of(old: OldBackup) -> dict[str, list[dict[str, object]]]:
    return {
        rows.model: [json.loads(line) for line in rows.path.read_text().splitlines()]
        for rows in old.rows
        if rows.path is not None
    }


@pytest.mark.parametrize("text", [ARRAY, LINES], ids=["array", "lines"])
@pytest.mark.parametrize("row", range(len(ROWS)))
@pytest.mark.parametrize(
    ("was", "becomes"), [("{", "z"), ('"model"', '"mo`el"'), ('"pk"', '"pj"'), ('"fields"', '"fielts"')]
)
def test_a_byte_in_the_beginning_of_a_row_costs_that_row_and_is_a_loss(
    tmp_path: Path, text: str, row: int, was: str, becomes: str
) -> None:
    at = -1
    for _ in range(row + 1):
        at = text.index('"model"', at + 1)
    at = text.index(was, at) if was != "{" else text.rindex("{", 0, at)
    path = tmp_path / "old.json"
    path.write_text(text[:at] + becomes + text[at + len(was) :])

    old = read(path, tmp_path)

    assert [one.count for one in old.losses] == [1], old.findings
    assert [one["pk"] for one in rows_of(old)["a.b"]] == [number for number in range(4) if number != row]


@pytest.mark.parametrize("text", [ARRAY, LINES], ids=["array", "lines"])
def test_a_block_of_zeros_is_a_loss_wherever_it_is(tmp_path: Path, text: str) -> None:
    path = tmp_path / "old.json"
    for begin in range(0, len(text) - 40, 7):
        path.write_text(text[:begin] + "\0" * 40 + text[begin + 40 :])

        if recognise(path):
            assert read(path).losses, begin


@pytest.mark.parametrize("row", range(len(ROWS)))
@pytest.mark.parametrize("line", ["- model", "  pk", "  fields", "    one", "    two"])
def test_a_byte_at_the_beginning_of_a_line_of_yaml_costs_its_row_alone(tmp_path: Path, row: int, line: str) -> None:
    at = -1
    for _ in range(row + 1):
        at = YAML.index(line, at + 1)
    path = tmp_path / "old.yaml"
    path.write_text(YAML[:at] + "/" + YAML[at + 1 :])

    old = read(path, tmp_path)

    assert old.losses
    kept = {model: one["fields"] for model, (one,) in rows_of(old).items()}
    whole = {f"a.b{number}": {"one": 1, "two": 2} for number in range(4) if number != row}
    assert {model: kept[model] for model in whole} == whole
    assert f"a.b{row}" not in kept


def test_a_key_that_stands_twice_in_yaml_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "old.yaml"
    path.write_text("- model: a.b\n  pk: 1\n  fields: {x: 1}\n  pk: 2\n")

    assert "old-rows-damaged" in {one.code for one in read(path).losses}


@pytest.mark.parametrize(("was", "becomes"), [(' pk="2"', ' pj="2"'), ('<object pk="1">', '<object pj="1">')])
def test_an_attribute_that_xml_of_django_does_not_have_is_damage(tmp_path: Path, was: str, becomes: str) -> None:
    path = tmp_path / "old.xml"
    path.write_text(XML.replace(was, becomes, 1))

    old = read(path)

    assert [one.count for one in old.losses] == [1]
    assert sum(rows.rows for rows in old.rows) == 3


def test_a_folder_of_fixtures_names_every_file_that_was_not_read(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name, text in {
        "1.json": ARRAY,
        "2.json": "",
        "3.json": "x" * 70_000 + ARRAY,
        "4.bak": LINES,
        "sub/5.json": ARRAY,
        "notes.txt": "hello",
    }.items():
        (tmp_path / name).write_text(text)

    found = {one.severity: one.count for one in read(tmp_path).findings if one.code == "old-not-converted"}

    assert found == {"error": 4, "warning": 1}


@pytest.mark.parametrize(
    ("name", "severity"),
    [("configuration/users.json", "warning"), ("scripts/restore.sh", "warning"), ("README.md", "warning"),
     ("database/part2.json.gz", "error"), ("uploads/1.pdf", "error")],
)  # fmt: skip
def test_files_that_may_be_data_are_losses(name: str, severity: str) -> None:
    assert [one.severity for one in not_converted([name])] == [severity]


MALLORY = {"model": "users.user", "pk": 77, "fields": {"username": "mallory", "is_superuser": True}}
WITH_ROWS_INSIDE = [
    {"model": "a.b", "pk": number, "fields": {"changes": changes, "last": 1}}
    for number, changes in enumerate(
        [{"row": MALLORY}, [MALLORY], [MALLORY, MALLORY], {"x": [[MALLORY], [MALLORY, MALLORY]]}, MALLORY, {"s": json.dumps(MALLORY)}]
    )
]  # fmt: skip


@pytest.mark.parametrize("form", ["array", "indented", "lines"])
@pytest.mark.parametrize("row", range(len(WITH_ROWS_INSIDE)))
@pytest.mark.parametrize(
    ("was", "becomes"), [('"fields"', "'fields\""), ("{", "z"), ('"last": 1', '"last": x'), ('"changes"', "changes")]
)
def test_an_object_inside_a_damaged_row_is_no_row(tmp_path: Path, form: str, row: int, was: str, becomes: str) -> None:
    rows = [json.dumps(one, indent=1 if form == "indented" else None) for one in WITH_ROWS_INSIDE]
    at = rows[row].rindex(was) if was == '"last": 1' else rows[row].index(was)
    rows[row] = rows[row][:at] + becomes + rows[row][at + len(was) :]
    path = tmp_path / "old.json"
    path.write_text("".join(f"{one}\n" for one in rows) if form == "lines" else f"[{', '.join(rows)}]")

    old = read(path, tmp_path)

    assert [one.count for one in old.losses] == [1], old.findings
    kept = rows_of(old)
    assert set(kept) == {"a.b"}
    assert [one["pk"] for one in kept["a.b"]] == [number for number in range(len(rows)) if number != row]


def test_half_a_surrogate_costs_its_row_and_not_a_number_is_kept_where_it_is_a_value(tmp_path: Path) -> None:
    path = tmp_path / "old.json"
    fields = [
        '"x": "\\ud83d"',
        '"x": "\\\\ud83d"',
        '"x": "\\ud83e\\uddea"',
        '"f": NaN, "s": "a NaN"',
        '"f": -Infinity',
        '"doc": {"f": NaN}',
    ]
    path.write_text("\n".join(f'{{"model": "a.b", "pk": {n}, "fields": {{{one}}}}}' for n, one in enumerate(fields)))

    old = read(path, tmp_path)

    assert [one.count for one in old.losses] == [2]
    assert {row["pk"]: row["fields"] for row in rows_of(old)["a.b"]} == {
        1: {"x": "\\ud83d"},
        2: {"x": "\U0001f9ea"},
        3: {"f": "NaN", "s": "a NaN"},
        4: {"f": "-Infinity"},
    }


def test_carriage_returns_in_xml_are_kept_and_those_of_windows_files_are_line_breaks(tmp_path: Path) -> None:
    text = '<?xml version="1.0"?>\n<django-objects version="1.0"><object model="a.b" pk="1">'
    text += '<field name="x" type="TextField">a\rb\r\nc\n</field></object></django-objects>\n'
    for number, written in enumerate((text, text.replace("\n", "\r\n"))):
        path = tmp_path / f"old{number}.xml"
        path.write_bytes(written.encode())
        (tmp_path / str(number)).mkdir()

        (row,) = rows_of(read(path, tmp_path / str(number)))["a.b"]

        assert row["fields"] == {"x": "a\rb\r\nc\n"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ('type="JSONField">{"a": 1}', {"a": 1}),
        ('typf="JSONField">{"a": 1}', None),
        ('type="JSONFielx">{"a": 1}', {"a": 1}),
        ('type="JSONField">{"a"; 1}', None),
        ('type="JSONField">{"a": NaN}', None),
        ('type="JSONField">{"a": "\\ud83d"}', None),
        ('type="CharField">NaN', "NaN"),
        ('type="CharField">{"a": 1}', '{"a": 1}'),
    ],
)
def test_a_document_in_xml_is_a_document_or_a_loss(tmp_path: Path, field: str, value: object) -> None:
    path = tmp_path / "old.xml"
    path.write_text(
        f'<django-objects version="1.0"><object model="a.b" pk="1"><field name="x" {field}</field></object></django-objects>'
    )

    old = read(path, tmp_path)

    assert [row["fields"] for row in rows_of(old).get("a.b", [])] == ([] if value is None else [{"x": value}])
    assert bool(old.losses) == (value is None)


@pytest.mark.parametrize(
    ("beside", "text", "code"),
    [
        ("old.json.sha256", "0" * 64, "old-checksum-differs"),
        ("old_metadata.json", '{"total_records": 9999', "old-rows-damaged"),
        ("old_metadata.json", '{"total_records": "9999"}', "old-counts-differ"),
        ("old_metadata.json", '{"model_counts": {"a.b": "5"}}', "old-counts-differ"),
        ("old_metadata.json", '{"model_counts": {"a.b": null}}', "old-counts-differ"),
    ],
)
def test_what_stands_beside_a_fixture_is_compared_or_said(tmp_path: Path, beside: str, text: str, code: str) -> None:
    (tmp_path / "old.json").write_text(ARRAY)
    (tmp_path / beside).write_text(text)

    assert {one.code for one in read(tmp_path / "old.json").losses} == {code}


def test_natural_keys_are_flattened_by_their_types(tmp_path: Path) -> None:
    keys = {
        '["[alt] Scanner,[neu]"]': "[alt] Scanner,[neu]",
        '["[1],[2]", 3]': "[1],[2]|3",
        '["a", ["b", 2], 3]': "a|b|2|3",
    }
    with duckdb.connect() as cursor:
        for key, expected in keys.items():
            found = cursor.execute(f"SELECT {_joined('j')} FROM (SELECT CAST(? AS JSON) AS j)", [key]).fetchone()
            assert found == (expected.replace("|", "\x1f"),)


def test_secrets_under_other_names_are_named_and_their_values_are_not() -> None:
    looked = ClearSecrets()
    looked.look(
        "x.env", b"DB_PASS=one1\nDATABASE_URI=postgres://u:two2@h/db\nSTRIPE=sk_live_three3\nHOST=h\nPWD=$DB_PWD\n"
    )

    (finding,) = looked.findings()

    assert finding.count == 3
    assert not any(value in str(finding) for value in ("one1", "two2", "three3"))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("old.json", '[{"model": "A.b", "fields": {}}, {"model": "a.b", "pk": null, "fields": {}}, {"model":"a.c", "pk": 1,"fields": {}}]'),
        ("old.yaml", "- model: A.b\n  fields: {}\n- model: a.b\n  pk: null\n  fields: {}\n- model: a.c\n  pk: 1\n  fields: {}\n"),
        ("old.xml", '<django-objects><object model="A.b"/><object model="a.b"/><object model="a.c" pk="1"/></django-objects>'),
    ],
)  # fmt: skip
def test_a_look_says_which_models_lack_their_primary_keys(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)

    (finding,) = (one for one in read(tmp_path / name).findings if one.code == "old-keys-absent")

    assert (finding.count, finding.examples) == (2, ("a.b: 2 rows",))


@pytest.mark.parametrize("twice", ['"pk": 1, "pk": 2, "fields": {}', '"pk": 1, "fields": {}, "fields": {"x": 1}'])
def test_a_key_that_stands_twice_in_json_is_damage(tmp_path: Path, twice: str) -> None:
    path = tmp_path / "old.json"
    path.write_text(f'[{{"model": "a.b", {twice}}}, {{"model": "a.b", "pk": 3, "fields": {{"model": "x", "pk": 4}}}}]')

    old = read(path, tmp_path)

    assert [one.count for one in old.losses] == [1]
    assert [row["pk"] for row in rows_of(old)["a.b"]] == [3]
