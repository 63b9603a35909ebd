"""Django's fixtures are read whole where they are whole; every damage is named, and costs the rows it hits."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import json
import lzma
import random
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from edms_tasks.errors import UnreadableBackup
from edms_tasks.legacy.formats import recognise
from edms_tasks.legacy.old_backup import OldBackup, Scratch
from edms_tasks.legacy.source import Source, zstd
from flows.convert_all import convert_all
from flows.requests import ConvertRequest
from flows.running.run import Run
from tests.backed_up import BackedUpSystems

ROWS = [
    {
        "model": "documents.document",
        "pk": 1,
        "fields": {"title": 'A "quoted" { title ]', "tags": [1, [2, "x"]], "note": None},
    },
    {
        "model": "documents.document",
        "pk": 2,
        "fields": {"title": "Prüfung \U0001f9ea", "metadata": {"model": "x", "pk": 1}},
    },
    {"model": "workflows.state", "pk": None, "fields": {"name": "Draft", "big": 123456789012345678901234567890}},
]
YAML = """- model: documents.document
  pk: 1
  fields:
    title: 'on'
    at: 2026-01-02 03:04:05.000006+00:00
- model: workflows.state
  fields: {name: Draft, text: "two\\
    lines"}
"""
XML = """<?xml version="1.0" encoding="utf-8"?>
<django-objects version="1.0"><object model="documents.document" pk="1"><field name="title" type="CharField">a &amp; b</field>
<field name="metadata" type="JSONField">{"a": [1]}</field><field name="none" type="CharField"><None></None></field>
<field name="owner" rel="ManyToOneRel" to="users.user"><natural>anna</natural><natural>1</natural></field>
<field name="tags" rel="ManyToManyRel" to="documents.tag"><object pk="3"></object><object><natural>x</natural></object></field></object>
<object model="workflows.state" pk="S"></object></django-objects>"""


def read(path: Path, folder: Path | None = None) -> OldBackup:
    """As `convert --inspect` does; with `folder` the rows are written there."""
    ((reader, _), *_) = recognise(path)
    return reader.read(Source(path), Scratch(folder or path.parent, look_only=folder is None))


def codes(old: OldBackup) -> set[str]:
    return {finding.code for finding in old.findings}


def rows_of(old: OldBackup) -> list[dict[str, object]]:
    found = []
    for rows in old.rows:
        assert rows.path is not None
        lines = rows.path.read_text(encoding="utf-8").splitlines()
        found += [json.loads(line) for line in lines]
    return found


def _zstd(data: bytes) -> bytes:
    return zstd.compress(data, options={zstd.CompressionParameter.checksum_flag: 1})


def _xz(data: bytes) -> bytes:
    return lzma.compress(data, check=lzma.CHECK_NONE)


def _lzma(data: bytes) -> bytes:
    return lzma.compress(data, format=lzma.FORMAT_ALONE)


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize(
    "compress",
    [bytes, gzip.compress, bz2.compress, lzma.compress, _zstd, zstd.compress, _xz, _lzma],
    ids=["plain", "gz", "bz2", "xz", "zst", "zst-unchecked", "xz-unchecked", "lzma"],
)
def test_rows_come_back_as_they_were_written(
    tmp_path: Path, compress: Callable[[bytes], bytes], indent: int | None
) -> None:
    path = tmp_path / "whatever.json"
    path.write_bytes(compress(json.dumps(ROWS, indent=indent, ensure_ascii=indent is None).encode()))
    (tmp_path / "out").mkdir()

    old = read(path, tmp_path / "out")

    assert [row["fields"] for row in rows_of(old)] == [row["fields"] for row in ROWS]
    assert not old.losses
    assert ("old-unproved" in codes(old)) == (
        compress in (bytes, zstd.compress, _xz, _lzma)
    )  # the others have a checksum


def test_lines_of_json_and_utf16_are_read(tmp_path: Path) -> None:
    lines = tmp_path / "lines.jsonl"
    lines.write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
    redirected = tmp_path / "redirected.json"  # by PowerShell
    redirected.write_text(json.dumps(ROWS), encoding="utf-16")

    assert {rows.model: rows.rows for rows in read(lines).rows} == {"documents.document": 2, "workflows.state": 1}
    assert sum(rows.rows for rows in read(redirected).rows) == 3
    assert not read(redirected).losses


def test_yaml_and_xml_are_read_with_every_digit(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(YAML + "- model: x.y\n  pk: 1\n  fields: {x: .nan, y: -.inf}\n")
    (tmp_path / "a.xml").write_text(XML)
    (tmp_path / "y").mkdir()
    (tmp_path / "x").mkdir()

    yaml_rows = rows_of(read(tmp_path / "a.yaml", tmp_path / "y"))
    xml_rows = rows_of(read(tmp_path / "a.xml", tmp_path / "x"))

    assert yaml_rows[0]["fields"] == {"title": "on", "at": "2026-01-02 03:04:05.000006+00:00"}
    assert yaml_rows[1]["fields"] == {"name": "Draft", "text": "twolines"}
    assert yaml_rows[2]["fields"] == {"x": "NaN", "y": "-Infinity"}
    assert xml_rows[0]["fields"] == {
        "title": "a & b",
        "metadata": {"a": [1]},
        "none": None,
        "owner": ["anna", "1"],
        "tags": ["3", ["x"]],
    }
    assert not read(tmp_path / "a.xml").losses


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("DEBUG = True\nloading…\n" + json.dumps(ROWS), {"old-noise"}),
        (json.dumps(ROWS) + "\nbye", {"old-noise"}),
        (json.dumps(ROWS)[:-1], {"old-truncated"}),  # the array is not closed
        (json.dumps(ROWS)[:-40], {"old-truncated"}),
        (json.dumps(ROWS).replace('"pk": 2', '"pk" 2'), {"old-rows-damaged"}),
        (json.dumps(ROWS).replace("Draft", "Dra\x01ft"), {"old-rows-damaged"}),
        (json.dumps([{"model": "a.b", "pk": 1, "fields": None}, *ROWS]), {"old-rows-damaged"}),
        ("[]", {"old-no-rows"}),
        (
            json.dumps({"backup_type": "edms_metadata_fallback", "tables_info": {"a": {"column_count": 3}}}),
            {"old-no-rows"},
        ),
        (XML[:-30], {"old-truncated"}),
        (XML.replace("&amp;", "&"), {"old-rows-damaged"}),
        (XML.replace('encoding="utf-8"', 'encoding="utfm8"'), {"old-rows-damaged"}),
        (XML.replace('encoding="utf-8"', 'encoding="utf-16"'), {"old-rows-damaged"}),
        (XML.replace("<django", '<!DOCTYPE x [<!ENTITY a "aaaa">]><django'), {"old-rows-damaged"}),
        (YAML[:-9], {"old-truncated"}),
        (YAML.replace("'on'", "'on"), {"old-rows-damaged"}),
        (YAML.replace("'on'", "!!python/object/apply:os.system [id]"), {"old-rows-damaged"}),
    ],
)
def test_a_damage_is_named(tmp_path: Path, text: str, expected: set[str]) -> None:
    path = tmp_path / "old.json"
    path.write_bytes(text.encode())

    found = codes(read(path))

    assert expected <= found
    assert bool(read(path).losses) == (expected != {"old-noise"})


def test_lines_of_json_that_end_anywhere_in_a_row_are_cut(tmp_path: Path) -> None:
    lines = "".join(f"{json.dumps(row)}\n" for row in ROWS[:2])
    last = json.dumps(ROWS[2])
    path = tmp_path / "old.jsonl"
    unnoticed = []
    for length in range(1, len(last)):
        path.write_text(lines + last[:length])
        if not read(path).losses:
            unnoticed.append(last[:length])

    assert not unnoticed
    path.write_text(lines + last)
    assert not read(path).losses


def test_bytes_that_are_no_utf8_cost_their_row_alone(tmp_path: Path) -> None:
    path = tmp_path / "old.json"
    path.write_bytes(json.dumps(ROWS, ensure_ascii=False).encode().replace("ü".encode(), b"\xfc"))

    old = read(path)

    assert sum(rows.rows for rows in old.rows) == 2
    assert [one.count for one in old.findings if one.code == "old-rows-damaged"] == [1]


def test_an_empty_file_is_no_backup(tmp_path: Path) -> None:
    path = tmp_path / "database_backup.json"
    path.touch()

    assert recognise(path) == []


def test_a_file_with_the_names_of_a_million_models_ends(tmp_path: Path) -> None:
    path = tmp_path / "old.json"
    rows = [{"model": f"a.m{number}", "pk": 1, "fields": {}} for number in range(6_000)]
    path.write_text(json.dumps(rows))

    with pytest.raises(UnreadableBackup):
        read(path)


def _fuzzed(tmp_path: Path, times: int) -> None:
    chance = random.Random(17)
    for name, text in (("old.json", json.dumps(ROWS, indent=1)), ("old.xml", XML), ("old.yaml", YAML)):
        for pack in (bytes, gzip.compress):
            whole = pack(text.encode())
            for turn in range(times):
                data = bytearray(whole)
                if turn % 2:
                    data = data[: chance.randrange(len(data))]
                else:
                    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
                path = tmp_path / name
                path.write_bytes(data)
                for reader, _ in recognise(path)[:1]:
                    old = reader.read(Source(path), Scratch(tmp_path, look_only=True))
                    # A flipped letter is another letter: then it is said that nothing proves the values.
                    assert old.findings or bytes(data) == whole or _same_content(bytes(data), text), (name, turn)


def _same_content(data: bytes, text: str) -> bool:
    """Whether a flipped bit hit the header of the compression, and not the data."""
    try:
        return gzip.decompress(data) == text.encode()
    except (OSError, EOFError):
        return False


def test_a_cut_or_a_flipped_bit_is_never_called_whole(tmp_path: Path) -> None:
    _fuzzed(tmp_path, 12)


@pytest.mark.long
def test_two_hundred_cuts_and_flipped_bits_are_never_called_whole(tmp_path: Path) -> None:
    _fuzzed(tmp_path, 200)


def test_a_folder_of_old_backups_goes_on_where_it_stopped(backed_up: BackedUpSystems, tmp_path: Path) -> None:
    protected = backed_up("sqlite").protected
    folder = tmp_path / "years"
    (folder / "2019").mkdir(parents=True)
    (folder / "2019" / "whole.json.gz").write_bytes(gzip.compress(json.dumps(ROWS).encode()))
    (folder / "cut.json").write_text(json.dumps(ROWS)[:-40])
    (folder / "empty.json").touch()
    request = ConvertRequest(path=str(folder), inspect=True)

    first = convert_all.fn(Run(protected.settings), request)
    (folder / "cut.json").write_text(json.dumps(ROWS))
    second = convert_all.fn(Run(protected.settings), request)

    outcomes = {one.name: one.outcome for one in first.made}
    assert outcomes == {
        "2019/whole.json.gz": "inspected",
        "cut.json": "inspected with losses",
        "empty.json": "no known format",
    }
    assert {one.name for one in first.incomplete} == {"cut.json", "empty.json"}
    assert second.known == 1  # the changed one was looked at again, and the empty one
    assert {one.name for one in second.incomplete} == {"empty.json"}
    assert [one["name"] for one in json.loads(second.table.read_text())] == [one.name for one in second.made]


def test_what_is_passed_over_is_said_and_is_no_failure(backed_up: BackedUpSystems, tmp_path: Path) -> None:
    folder = tmp_path / "years"
    (folder / ".cache").mkdir(parents=True)
    (folder / "whole.json").write_text(json.dumps(ROWS))
    (folder / "whole.json.sha256").write_text(hashlib.sha256((folder / "whole.json").read_bytes()).hexdigest())
    (folder / "README").write_text("what lies here")
    (folder / "newest").symlink_to("whole.json")
    request = ConvertRequest(path=str(folder), inspect=True)

    passed = convert_all.fn(Run(backed_up("sqlite").protected.settings), request)
    (folder / "unknown.dump").write_text("not a dump")
    failed = convert_all.fn(Run(backed_up("sqlite").protected.settings), request)

    assert {one.name: one.why.split(",")[0] for one in passed.passed_over} == {
        ".cache": "hidden",
        "README": "no known format",
        "newest": "a link",
    }
    assert not passed.incomplete
    assert [one.name for one in failed.incomplete] == ["unknown.dump"]


def test_fixtures_with_files_beside_them_are_one_backup_among_all(backed_up: BackedUpSystems, tmp_path: Path) -> None:
    folder = tmp_path / "years" / "leaving"
    (folder / "files" / "media").mkdir(parents=True)
    (folder / "data.json").write_text(json.dumps(ROWS))
    (folder / "files" / "media" / "a.txt").write_text("a")
    request = ConvertRequest(path=str(tmp_path / "years"), inspect=True)

    found = convert_all.fn(Run(backed_up("sqlite").protected.settings), request)

    assert [(one.name, one.outcome, one.rows) for one in found.made] == [("leaving", "inspected", len(ROWS))]


def test_all_rows_before_the_damage_of_a_compressed_file_are_read(tmp_path: Path) -> None:
    rows = [{"model": "a.b", "pk": n, "fields": {"x": random.Random(n).randbytes(40).hex()}} for n in range(3000)]
    whole = gzip.compress(json.dumps(rows).encode())
    cut = whole[: len(whole) // 2]
    path = tmp_path / "old.json.gz"
    path.write_bytes(cut)

    there = zlib.decompressobj(31).decompress(cut).count(b"}}")
    assert there - 300 < sum(one.rows for one in read(path).rows) <= there


def test_aliases_of_values_in_yaml_are_read_and_those_that_multiply_are_not(tmp_path: Path) -> None:
    # Django writes one where a time is in a key of several columns and in its field.
    (tmp_path / "a.yaml").write_text(
        "- model: x.reading\n  pk: [3, &id001 2026-01-02 03:04:05.000006]\n  fields:\n    at: *id001\n"
        "- model: x.bomb\n  pk: 1\n  fields:\n    a: &a [1, 2]\n    b: *a\n"
        f"- model: x.bomb\n  pk: 2\n  fields:\n    a: &a {'x' * 1_000_000}\n    b: [{', '.join(['*a'] * 40)}]\n"
        "- model: x.circle\n  pk: 3\n  fields: &a\n    b: *a\n"
    )

    old = read(tmp_path / "a.yaml", tmp_path)

    assert [(row["pk"], row["fields"]) for row in rows_of(old)] == [
        ([3, "2026-01-02 03:04:05.000006"], {"at": "2026-01-02 03:04:05.000006"})
    ]
    assert sum(one.count for one in old.findings if one.code == "old-rows-damaged") == 3


def test_all_rows_before_the_damage_of_a_compressed_yaml_file_are_read(tmp_path: Path) -> None:
    values = [random.Random(n).randbytes(40).hex() for n in range(2000)]
    rows = [f"- model: a.b\n  pk: {n}\n  fields:\n    x: x{one}\n    y: y{one}\n" for n, one in enumerate(values)]
    whole = gzip.compress("".join(rows).encode())
    path = tmp_path / "old.yaml.gz"
    for turn in range(10):
        cut = whole[: len(whole) // 2 + 137 * turn]
        path.write_bytes(cut)
        (tmp_path / str(turn)).mkdir()

        old = read(path, tmp_path / str(turn))

        assert codes(old) == {"old-truncated"}
        found = [row["fields"] for row in rows_of(old)]
        assert found == [{"x": f"x{one}", "y": f"y{one}"} for one in values[: len(found)]]
        there = zlib.decompressobj(31).decompress(cut).count(b"- model")  # and the last of them is not whole
        assert there - 1 <= len(found) <= there
