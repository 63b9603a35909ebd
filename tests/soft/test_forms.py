"""Each form of a soft reference, on both engines: what it points at is found, counted, and stored by natural key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edms_tasks.soft import soft_columns
from tests.soft.small_archive import Archive, execute, read_archive

DOCUMENTS = (
    "CREATE TABLE document (id integer PRIMARY KEY, number text NOT NULL UNIQUE)",
    "INSERT INTO document VALUES (1, 'SOP-1'), (2, 'SOP-2'), (10, 'SOP-10'), (12, 'SOP-12')",
)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.long)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'archive.sqlite3'}"
    database: str = request.getfixturevalue("postgres_database")
    return database


def notes(url: str, kind: str, values: list[Any], declared: list[dict[str, str]], folder: Path) -> Archive:
    """Notes with these values in their column `held`, numbered from 1."""
    native = {"json": "jsonb" if url.startswith("postgres") else "text"}.get(kind, kind)
    cast = "?::jsonb" if native == "jsonb" else "?"
    execute(
        url,
        *DOCUMENTS,
        f"CREATE TABLE note (id integer PRIMARY KEY, held {native})",
        *((f"INSERT INTO note VALUES (?, {cast})", (number, value)) for number, value in enumerate(values, 1)),
    )
    common = {"column": "note.held", "target": "document"}
    return read_archive(url, [common | one for one in declared], folder / "work")


def pointed(archive: Archive, name: str) -> dict[int, Any]:
    """What each note points at: keys, and ids without a row."""
    column = archive.column("note", f"@ref:{name}")
    return {number: None if text is None else json.loads(text) for number, text in column.items()}


def test_a_plain_value_is_an_id(url: str, tmp_path: Path) -> None:
    archive = notes(url, "integer", [1, 99, None, 12], [{}], tmp_path)

    assert pointed(archive, "held") == {1: [["SOP-1"]], 2: [{"nowhere": "99"}], 3: None, 4: [["SOP-12"]]}
    state = archive.reference("note", "held")
    assert (state.filled, state.dangling, state.dangling_examples) == (3, 1, ("99",))


def test_blanks_around_an_id_in_a_plain_text_are_ignored(url: str, tmp_path: Path) -> None:
    archive = notes(url, "text", ["1", " 12\n", "", "  ", "none", "012", None], [{}], tmp_path)

    assert pointed(archive, "held") == {
        1: [["SOP-1"]],
        2: [["SOP-12"]],
        3: None,
        4: None,
        5: [{"nowhere": "none"}],
        6: [{"nowhere": "012"}],
        7: None,
    }


def test_a_list_in_text_is_split_at_its_separator(url: str, tmp_path: Path) -> None:
    values = ["1,2", "2, 1", "[1, 99]", '["10", "12"]', ",,", "", None, "12"]

    archive = notes(url, "text", values, [{"separator": ","}], tmp_path)

    assert pointed(archive, "held") == {
        1: [["SOP-1"], ["SOP-2"]],
        2: [["SOP-1"], ["SOP-2"]],
        3: [["SOP-1"], {"nowhere": "99"}],
        4: [["SOP-10"], ["SOP-12"]],
        5: None,
        6: None,
        7: None,
        8: [["SOP-12"]],
    }
    content = archive.column("note", "@soft:held")
    assert content[1] != content[2]  # the order of a list is part of it


def test_a_postgresql_array_is_read_as_a_list_of_ids(postgres_database: str, tmp_path: Path) -> None:
    archive = notes(postgres_database, "integer[]", [[1, 12], [99], [], None], [{"separator": ","}], tmp_path)

    assert pointed(archive, "held") == {1: [["SOP-1"], ["SOP-12"]], 2: [{"nowhere": "99"}], 3: None, 4: None}


def test_a_declared_pattern_finds_ids_in_strings(url: str, tmp_path: Path) -> None:
    values = [
        "custom_field_12 = custom_field_1?",
        "custom_field_",
        "my_custom_field_99x",
        "field 12",
        None,
        "doc 1, custom_field_2",
    ]

    archive = notes(url, "text", values, [{"pattern": "custom_field_%d"}, {"pattern": "doc %d"}], tmp_path)

    assert pointed(archive, "held custom_field_%d") == {
        1: [["SOP-1"], ["SOP-12"]],
        2: None,
        3: [{"nowhere": "99"}],
        4: None,
        5: None,
        6: [["SOP-2"]],
    }
    assert pointed(archive, "held doc %d") == {1: None, 2: None, 3: None, 4: None, 5: None, 6: [["SOP-1"]]}


def test_several_ids_joined_in_one_string_are_a_reference_each(url: str, tmp_path: Path) -> None:
    targets = ["document", "document"]
    values = ["1-12", "2-99", "see 12-1, 2:2", "2-", "doc 1"]

    archive = notes(
        url,
        "text",
        values,
        [{"pattern": "%d-%d", "target": targets}, {"pattern": "%d:%d", "target": targets}],
        tmp_path,
    )

    assert pointed(archive, "held %d-%d (1)") == {
        1: [["SOP-1"]], 2: [["SOP-2"]], 3: [["SOP-12"]], 4: None, 5: None,
    }  # fmt: skip
    assert pointed(archive, "held %d-%d (2)") == {
        1: [["SOP-12"]], 2: [{"nowhere": "99"}], 3: [["SOP-1"]], 4: None, 5: None,
    }  # fmt: skip
    assert pointed(archive, "held %d:%d (1)") == {1: None, 2: None, 3: [["SOP-2"]], 4: None, 5: None}
    assert json.loads(archive.column("note", "@soft:held")[3]) == [
        "see ", "%d-%d", ["SOP-12"], "-", "%d-%d", ["SOP-1"], ", ", "%d:%d", ["SOP-2"], ":", "%d:%d", ["SOP-2"], "",
    ]  # fmt: skip


@pytest.mark.parametrize("kind", ["json", "text"])
def test_a_declared_path_finds_ids_in_json(kind: str, url: str, tmp_path: Path) -> None:
    values = [
        json.dumps(value)
        for value in (
            {"ids": [1, "12", 99], "other": 2},
            {"ids": []},
            {"ids": {"1": 2}},
            {"ids": [None, True, "", [1], {"a": 1}]},
            [1],
            7,
            {"deep": {"ids": [1]}},
            {"by": {"10": {"who": 1}, "77": {"who": None}}},
            {},
        )
    ]

    archive = notes(url, kind, values, [{"json": "$.ids[*]"}, {"json": "$.by.*~"}, {"json": "$.by.*.who"}], tmp_path)

    assert pointed(archive, "held $.ids[*]") == {1: [["SOP-1"], ["SOP-12"], {"nowhere": "99"}]} | dict.fromkeys(
        range(2, 10)
    )
    assert pointed(archive, "held $.by.*~")[8] == [["SOP-10"], {"nowhere": "77"}]
    assert pointed(archive, "held $.by.*.who")[8] == [["SOP-1"]]
    assert archive.reference("note", "held $.by.*~").dangling_examples == ("77",)
    contents = archive.column("note", "@soft:held")
    assert len(set(contents.values())) == len(values)


@pytest.mark.parametrize(
    ("path", "document", "found"),
    [
        ("$[*]", [1, 2], {"SOP-1", "SOP-2"}),
        ("$[1]", [1, 2], {"SOP-2"}),
        ("$.*", {"a": 1, "b": {"c": 2}}, {"SOP-1"}),
        ('$."a.b"[*].id', {"a.b": [{"id": 1}, {"id": "2"}, {}]}, {"SOP-1", "SOP-2"}),
        ('$."q\\"uo\'te"', {"q\"uo'te": 12}, {"SOP-12"}),
        ("$.*.*~", {"x": {"1": 0}, "y": {"2": 0}}, {"SOP-1", "SOP-2"}),
        ("$[*][*].é", [[{"é": 1}], [{"é": 2}, {"e": 12}]], {"SOP-1", "SOP-2"}),
    ],
)
def test_each_form_of_path_selects_the_right_places(path: str, document: Any, found: set[str], tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'archive.sqlite3'}"

    archive = notes(url, "text", [json.dumps(document)], [{"json": path}], tmp_path)

    assert {key for (key,) in pointed(archive, f"held {path}")[1]} == found


def test_text_that_is_not_json_is_a_finding_and_is_restored_unchanged(url: str, tmp_path: Path) -> None:
    values = ["{", '{"ids": [1]', "ids: [1]", "", None, '{"ids": [1]}', '{"ids": ["\\ud800"]}']

    archive = notes(url, "text", values, [{"json": "$.ids[*]"}], tmp_path)

    assert [(one.code, one.subject, one.count) for one in archive.findings if one.code.startswith("soft")] == [
        ("soft-reference-unreadable", "note.held", 4)
    ]
    assert archive.reference("note", "held $.ids[*]").filled == 1
    contents = [text for text in archive.column("note", "@soft:held").values() if text is not None]
    assert len(set(contents)) == 6


HOSTILE = [
    '{"nowhere":"1"}',
    '[{"nowhere":"1"}]',
    '["SOP-1"]',
    '",["SOP-1"],"',
    "1') OR 1=1 --",
    '1"; DROP TABLE document; --',
    "\\",
    "1\\",
    "’",
    "१२",
    "1" * 4000,
    "\t\x01\x7f",
    "{1,{2},[3",
    "0x1",
    "1.0",
    "-1",
    "+1",
    "%d",
    "custom_field_%d",
    "'",
    "\u2028",
    "😀",
]


@pytest.mark.parametrize(
    "form", [{}, {"separator": ","}, {"separator": "'"}, {"json": "$.ids[*]"}, {"pattern": "%d"}, {"pattern": ".*[%d"}]
)
def test_hostile_values_are_neither_misread_nor_lost(form: dict[str, str], url: str, tmp_path: Path) -> None:
    values = [*HOSTILE, *(json.dumps({"ids": [value]}) for value in HOSTILE)]

    archive = notes(url, "text", values, [form], tmp_path)

    contents = archive.column("note", "@soft:held")
    assert len(set(contents.values())) == len(values)
    for text in contents.values():
        json.loads(text)
    state = archive.states["note"].references[0]
    assert state.dangling == sum(
        any(isinstance(one, dict) for one in found) for found in pointed(archive, state.name).values() if found
    )
    keys = {one[0] for found in pointed(archive, state.name).values() for one in found or () if isinstance(one, list)}
    assert keys <= {"SOP-1", "SOP-2", "SOP-10", "SOP-12"}


def test_deeply_nested_json_does_not_stop_a_backup(url: str, tmp_path: Path) -> None:
    depth = 900
    values = ["[" * depth + "]" * depth, '{"ids":' * depth + "1" + "}" * depth]

    archive = notes(url, "text", values, [{"json": "$.ids.ids.ids"}, {"json": "$[*][*]"}], tmp_path)

    assert [one.filled for one in archive.states["note"].references] == [0, 0]


def test_many_values_are_parsed_in_small_batches(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soft_columns, "BYTES_AT_ONCE", 800)
    values = [json.dumps({"ids": [n % 15], "text": "x" * n}) for n in range(30)] * 2

    archive = notes(url, "text", values, [{"json": "$.ids[*]"}], tmp_path)

    found = pointed(archive, "held $.ids[*]")
    keys = {1: ["SOP-1"], 2: ["SOP-2"], 10: ["SOP-10"], 12: ["SOP-12"]}
    expected = [
        keys.get(json.loads(value)["ids"][0], {"nowhere": str(json.loads(value)["ids"][0])}) for value in values
    ]
    assert found == {number: [key] for number, key in enumerate(expected, 1)}


@pytest.mark.parametrize(
    ("key", "ids", "held", "found"),
    [
        ("uuid", ["0a1b2c3d-0000-4000-8000-00000000000f"], "0A1B2C3D000040008000-00000000000F", ["N-0"]),
        ("varchar(40)", ['it\'s, a "key"', "K"], 'it\'s, a "key"', ["N-0"]),
        ("varchar(40)", ["a", "A"], "A", ["N-1"]),
        ("bigint", [2**53 + 1, 2**53], str(2**53 + 1), ["N-0"]),
    ],
)
def test_ids_of_any_type_are_found(
    key: str, ids: list[Any], held: str, found: list[str], postgres_database: str, tmp_path: Path
) -> None:
    held = held if key != "uuid" else "0A1B2C3D000040008000" + "00000000000F"
    execute(
        postgres_database,
        f"CREATE TABLE target (id {key} PRIMARY KEY, name text NOT NULL UNIQUE)",
        *(("INSERT INTO target VALUES (?, ?)", (one, f"N-{number}")) for number, one in enumerate(ids)),
        "CREATE TABLE note (id integer PRIMARY KEY, held text, doc jsonb)",
        ("INSERT INTO note VALUES (1, ?, ?::jsonb)", (held, json.dumps([held]))),
    )

    declared = [{"column": f"note.{name}", "target": "target"} for name in ("held", "doc")]
    declared[1]["json"] = "$[*]"
    archive = read_archive(postgres_database, declared, tmp_path / "work")

    assert pointed(archive, "held")[1] == [found]
    assert pointed(archive, "doc $[*]")[1] == [found]


def test_a_reference_may_target_one_column_of_a_composite_key(url: str, tmp_path: Path) -> None:
    execute(
        url,
        "CREATE TABLE page (book integer NOT NULL, number integer NOT NULL, PRIMARY KEY (book, number))",
        "INSERT INTO page VALUES (1, 5), (1, 6), (2, 5)",
        "CREATE TABLE note (id integer PRIMARY KEY, held integer)",
        "INSERT INTO note VALUES (1, 6), (2, 7), (3, 5)",
    )

    archive = read_archive(url, [{"column": "note.held", "target": "page.number"}], tmp_path / "work")

    assert pointed(archive, "held")[1] == [["1", "6"]]
    assert pointed(archive, "held")[2] == [{"nowhere": "7"}]
    assert archive.states["note"].rows == 3  # rows that share a value do not multiply


def test_values_of_several_classes_in_one_sqlite_column_are_distinguished(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'archive.sqlite3'}"
    values = [1, "1", 1.0, b"1", "x", None, 12, "xt1", 1.5]

    archive = notes(url, "", values, [{}], tmp_path)

    one = [["SOP-1"]]
    assert pointed(archive, "held") == {
        1: one,
        2: one,
        3: one,
        4: None,  # bytes are no text
        5: [{"nowhere": "x"}],
        6: None,
        7: [["SOP-12"]],
        8: [{"nowhere": "xt1"}],
        9: [{"nowhere": "1.5"}],
    }
    contents = archive.column("note", "@soft:held")
    assert len(set(contents.values())) == len(values)


def test_text_that_is_not_utf8_is_not_an_id_and_keeps_a_content_of_its_own(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'archive.sqlite3'}"
    execute(
        url,
        *DOCUMENTS,
        "CREATE TABLE note (id integer PRIMARY KEY, held text)",
        "INSERT INTO note VALUES (1, CAST(x'ff' AS TEXT)), (2, 'FF'), (3, '1'), (4, 'tFF'), (5, CAST(x'31ff' AS TEXT))",
    )

    archive = read_archive(url, [{"column": "note.held", "target": "document"}], tmp_path / "work")

    found = pointed(archive, "held")
    assert (found[1], found[3], found[5]) == (None, [["SOP-1"]], None)
    assert len(set(archive.column("note", "@soft:held").values())) == 5
