"""docs/format.md §5.5 and §7.4 are enough: content, marks, counts and digests come out of snapshots as it says."""

from __future__ import annotations

import hashlib
import json
import re
import struct
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.plain_snapshot_reader import PlainRepository, proof
from tests.soft.content_from_the_document import content
from tests.soft.paper_archive import paper_archive
from tests.soft.small_archive import execute, read_archive

IDS = {"SOP-1": 3, "SOP-2": 12, "SOP-3": 101}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def snapshot(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[PlainRepository, dict[str, Any]]:
    """A snapshot with every form, as a stranger finds it."""
    folder = tmp_path_factory.mktemp("format")
    postgres = None
    if request.param == "postgresql":
        postgres = request.getfixturevalue("postgres_server").create_database(f"format_{folder.name[-1]}")
    archive = paper_archive(folder, IDS, postgres, lost=2)
    snapshot_id = archive.backup().snapshot_id
    repository = PlainRepository(folder / "repository")
    return repository, repository.manifest(snapshot_id)


def _entry(manifest: dict[str, Any], model: str) -> dict[str, Any]:
    found: dict[str, Any] = next(entry for entry in manifest["tables"] if entry["table"]["model"] == model)
    return found


def _values(frame: pd.DataFrame, column: str) -> list[Any]:
    return [None if value is pd.NA else value for value in frame[column].tolist()]


def test_proofs_recomputed_as_documented_equal_the_manifest(snapshot: tuple[PlainRepository, dict[str, Any]]) -> None:
    repository, manifest = snapshot
    for entry in manifest["tables"]:
        frame = repository.frame(entry)
        assert proof(entry, frame) == entry["state"]["proof"]


def test_content_marks_and_counts_are_as_documented(snapshot: tuple[PlainRepository, dict[str, Any]]) -> None:
    repository, manifest = snapshot
    entry = _entry(manifest, "small.Rule")
    documents = repository.frame(_entry(manifest, "small.Document"))
    keys = {str(pk): key for pk, key in zip(_values(documents, "id"), _values(documents, "@key"), strict=True)}
    frame = repository.frame(entry)
    soft = [one for one in entry["table"]["references"] if one["kind"] == "soft"]
    looked_up: dict[str, set[str]] = {}

    def mark(reference: dict[str, Any], one: str) -> str:
        found = keys.get(one, f'{{"nowhere":{json.dumps(one)}}}')
        looked_up.setdefault(reference["name"], set()).add(found)
        return found

    counts = {one["name"]: [0, 0] for one in soft}
    for column in dict.fromkeys(one["column"] for one in soft):
        references = [one for one in soft if one["column"] == column]
        pointed = {one["name"]: _values(frame, f"@ref:{one['name']}") for one in references}
        for row, (raw, stored) in enumerate(
            zip(_values(frame, column), _values(frame, f"@soft:{column}"), strict=True)
        ):
            looked_up.clear()
            assert stored == (None if raw is None else content(references, str(raw), mark))
            for one in references:
                marks = sorted(looked_up.get(one["name"], ()), key=str.encode)
                assert pointed[one["name"]][row] == (f"[{','.join(marks)}]" if marks else None)
                counts[one["name"]][0] += bool(marks)
                counts[one["name"]][1] += any(text.startswith("{") for text in marks)
    stated = {one["name"]: [one["filled"], one["dangling"]] for one in entry["state"]["references"]}
    assert counts == {name: stated[name] for name in counts}
    assert all(0 < dangling < filled for filled, dangling in counts.values())


def test_digest_and_counts_of_file_names_are_as_documented(snapshot: tuple[PlainRepository, dict[str, Any]]) -> None:
    repository, manifest = snapshot
    (state,) = manifest["file_names"]
    assert state["reference"]["pattern"] == "thumbnails/{pk:07}.webp"
    documents = repository.frame(_entry(manifest, "small.Document"))
    keys = {str(pk): key for pk, key in zip(_values(documents, "id"), _values(documents, "@key"), strict=True)}
    files = dangling = upper = lower = 0
    for row in repository.index(manifest["files"][0]).itertuples(index=False):
        found = re.fullmatch(r"(thumbnails/)(\d{7}|[1-9]\d{7,})(\.webp)", row.path.decode())
        if row.kind != "file" or found is None:
            continue
        one = str(int(found[2]))
        files += 1
        dangling += one not in keys
        texts = [found[1], keys.get(one, f'{{"nowhere":"{one}"}}'), found[3], row.sha256]
        text = "".join(f"{len(part.encode())}:{part}" for part in texts)
        low, high = struct.unpack("<QQ", hashlib.md5(text.encode()).digest())
        upper, lower = (upper + high) % 2**64, (lower + low) % 2**64

    assert (files, dangling) == (state["files"], state["dangling"]) == (5, 2)
    assert state["content_digest"] == f"{upper:016x}{lower:016x}"


_IDS = st.sampled_from([1, 2, 12, 99, "1", "2", "12", "x", "", 0, -1, None, True])
_TEXTS = st.lists(
    st.sampled_from(
        ["1", "2", "12", "99", ",", " ", "\n", "[", "]", "{", '"', "'", "doc_", "case ", "x", "\\", "é", "\x01"]
    ),
    max_size=9,
).map("".join)
_DOCUMENTS = st.recursive(
    _IDS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["ids", "by", "1", "12", "99", "", 'a"b', "é.["]), inner, max_size=4)
    ),
    max_leaves=12,
).map(lambda value: json.dumps(value, ensure_ascii=False))
PATHS = ["$.ids[*]", "$.by.*~", "$.by.*.ids[1]", "$[*][*]", '$."a\\"b".*', "$.*", '$."é.["[*].ids']


GENERATED = settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
VALUES = {"texts": st.lists(_TEXTS, max_size=15), "documents": st.lists(_DOCUMENTS | _TEXTS, max_size=15)}


@GENERATED
@example(texts=[], documents=["1 ", " [1,\t2]\n", '{"a" : 1e5, "b": [ ]}', '"1" '])
@given(**VALUES)
def test_the_content_of_random_values_is_as_documented(
    texts: list[str], documents: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    content_is_what_the_document_says(texts, documents, tmp_path_factory.mktemp("random"))


@pytest.mark.long
@settings(GENERATED, max_examples=50)
@given(**VALUES)
def test_the_content_of_many_random_values_is_as_documented(
    texts: list[str], documents: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    content_is_what_the_document_says(texts, documents, tmp_path_factory.mktemp("random"))


def content_is_what_the_document_says(texts: list[str], documents: list[str], folder: Path) -> None:
    url = f"sqlite:///{folder / 'archive.sqlite3'}"
    execute(
        url,
        "CREATE TABLE document (id integer PRIMARY KEY, number text NOT NULL UNIQUE)",
        "INSERT INTO document VALUES (1, 'SOP-1'), (2, 'SOP-2'), (12, 'SOP-12')",
        "CREATE TABLE note (id integer PRIMARY KEY, value text, list text, pattern text, json text)",
        *(("INSERT INTO note (value, list, pattern) VALUES (?, ?, ?)", (one, one, one)) for one in texts),
        *(("INSERT INTO note (json) VALUES (?)", (one,)) for one in documents),
    )
    forms = [
        ("value", {}),
        ("list", {"separator": ","}),
        ("pattern", {"pattern": "doc_%d"}),
        ("pattern", {"pattern": "case %s"}),
    ]
    forms += [("json", {"json": path}) for path in PATHS]
    declared = [{"column": f"note.{name}", "target": "document"} | form for name, form in forms]

    archive = read_archive(url, declared, folder / "work", chunk_rows=4)

    keys = {"1": '["SOP-1"]', "2": '["SOP-2"]', "12": '["SOP-12"]'}
    for name in ("value", "list", "pattern", "json") if archive.states["note"].rows else ():
        references = [one.model_dump() for one in archive.tables["note"].soft_references if one.column == name]
        raws = archive.column("note", name)
        for number, stored in archive.column("note", f"@soft:{name}").items():
            raw = raws[number]
            expected = (
                None
                if raw is None
                else content(
                    references,
                    raw,
                    lambda _, one: keys.get(one, f'{{"nowhere":{json.dumps(one, ensure_ascii=False)}}}'),
                )
            )
            assert stored == expected, (name, raw)
