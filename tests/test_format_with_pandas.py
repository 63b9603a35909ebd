"""docs/format.md is enough: real snapshots are read with pandas and the standard library, and everything adds up."""

from __future__ import annotations

import ast
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests import plain_snapshot_reader
from tests.plain_snapshot_reader import PlainRepository, files_digest, proof, untag
from tests.reference_system import EdmsTemplates, Engine, LazyPostgres, ReferenceEdms
from tests.running import protect

MIXED = [1, 1.5, "text", b"\x00\xff", None, 2**63 - 1, "", 0.1, -(2**63), "é😀"]


@dataclass(frozen=True)
class Snapshot:
    """A snapshot of a small EDMS, as a stranger finds it."""

    edms: ReferenceEdms
    repository: PlainRepository
    manifest: dict[str, Any]

    def entry(self, name: str) -> dict[str, Any]:
        """A table entry, by model or table name."""
        return next(e for e in self.manifest["tables"] if name in (e["table"]["model"], e["table"]["id"]))


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.long)])
def snapshot(
    request: pytest.FixtureRequest,
    _edms_templates: EdmsTemplates,
    _lazy_postgres: LazyPostgres,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Snapshot]:
    engine: Engine = request.param
    tmp_path = tmp_path_factory.mktemp(f"format_{engine}")
    name = f"format_{engine}"
    edms = _edms_templates.copy(_edms_templates.get(engine, 5, 1), tmp_path / "edms", name)
    if engine == "sqlite":
        with closing(sqlite3.connect(edms.database_path)) as database:
            database.execute("CREATE TABLE mixed (id INTEGER PRIMARY KEY, anything)")
            database.executemany("INSERT INTO mixed(anything) VALUES (?)", [(value,) for value in MIXED])
            database.commit()
    protected = protect(edms, tmp_path, top="chunk_rows = 7")  # several chunks to a table
    result = protected.backup()
    repository = PlainRepository(protected.repository)
    yield Snapshot(edms, repository, repository.manifest(result.snapshot_id))
    if engine == "postgresql":
        _lazy_postgres.server.drop_database(name)


def test_the_reader_imports_nothing_of_ours() -> None:
    tree = ast.parse(Path(plain_snapshot_reader.__file__).read_text(encoding="utf-8"))
    allowed = {*sys.stdlib_module_names, "pandas", "pyarrow"}
    assert {name.partition(".")[0] for name in _imported(tree)} <= allowed


def test_every_table_adds_up_to_what_the_manifest_says(snapshot: Snapshot) -> None:
    encodings = set()
    for entry in snapshot.manifest["tables"]:
        frame = snapshot.repository.frame(entry)
        label = entry["table"]["id"]
        assert len(frame) == entry["state"]["rows"], label
        assert proof(entry, frame) == entry["state"]["proof"], label
        if len(frame):
            encodings |= set(entry["encodings"].values())
    assert encodings == {"native", "tagged" if snapshot.manifest["engine"] == "sqlite" else "output"}


def test_every_reference_leads_to_its_row_by_natural_key(snapshot: Snapshot) -> None:
    followed = set()
    entries = {entry["table"]["id"]: entry for entry in snapshot.manifest["tables"]}
    for entry in entries.values():
        rows = snapshot.repository.frame(entry)
        for reference in entry["table"]["references"]:
            found = rows.dropna(subset=[f"@ref:{reference['name']}"])
            if reference["kind"] == "generic" or found.empty or len(reference["columns"]) > 1:
                continue
            targets = snapshot.repository.frame(entries[reference["target"]])
            keys = _column(targets, reference["target_columns"][0])
            by_key = dict(zip(map(_parsed, _column(targets, "@key")), keys, strict=True))
            pointed = [by_key[_parsed(key)] for key in _column(found, f"@ref:{reference['name']}")]
            assert pointed == _column(found, reference["columns"][0]), (entry["table"]["id"], reference["name"])
            followed.add(reference["kind"])
    assert {"foreign", "one_to_one"} <= followed


def _parsed(key: str) -> str:
    """A key as JSON says it, however its text is escaped."""
    return json.dumps(json.loads(key))


def test_the_example_in_the_document_runs(snapshot: Snapshot, tmp_path: Path) -> None:
    text = (Path(__file__).resolve().parent.parent / "docs" / "format.md").read_text(encoding="utf-8")
    example = text.split("## 9.")[1].split("```python\n")[1].split("```")[0]
    (tmp_path / "edms-backups").symlink_to(snapshot.repository.folder)

    done = subprocess.run([sys.executable, "-c", example], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert "@key" in done.stdout


def test_a_generic_reference_leads_to_its_row_by_model_and_natural_key(snapshot: Snapshot) -> None:
    entry = snapshot.entry("audit.AuditTrail")
    reference = next(r for r in entry["table"]["references"] if r["kind"] == "generic")
    rows = snapshot.repository.frame(entry).dropna(subset=[f"@ref:{reference['name']}"])
    by_label = {
        ".".join(e["table"]["content_type"]): e for e in snapshot.manifest["tables"] if e["table"]["content_type"]
    }

    label, key = json.loads(rows[f"@ref:{reference['name']}"].iloc[0])

    targets = snapshot.repository.frame(by_label[label])
    primary_key = by_label[label]["table"]["primary_key"][0]
    target = targets[[json.loads(text) == key for text in _column(targets, "@key")]]
    assert [str(value) for value in _column(target, primary_key)] == [str(rows[reference["object_id_column"]].iloc[0])]


def test_a_mixed_sqlite_column_keeps_each_value_and_its_class(snapshot: Snapshot) -> None:
    if snapshot.manifest["engine"] != "sqlite":
        pytest.skip("only SQLite has a type per value")
    entry = snapshot.entry("mixed")
    encoding = snapshot.manifest["native_schema"]["settings"]["encoding"]

    values = _column(snapshot.repository.frame(entry), "anything")

    assert entry["encodings"]["anything"] == "tagged"
    assert [None if value is None else untag(value, encoding) for value in values] == MIXED


def test_every_file_comes_out_of_its_packs(snapshot: Snapshot) -> None:
    (files,) = snapshot.manifest["files"]
    index = snapshot.repository.index(files)
    stored = index[index["kind"] == "file"]

    assert files_digest(index) == files["digest"]
    assert (len(stored), int(stored["size"].sum())) == (files["files"], files["bytes"])
    media = os.fsencode(f"{snapshot.edms.media}/")
    for row in stored.itertuples(index=False):
        original = Path(os.fsdecode(media + row.path))
        assert snapshot.repository.content(files, row) == original.read_bytes(), row.path
    assert len(stored) > 5


def test_the_native_schema_is_the_engines_own(snapshot: Snapshot) -> None:
    schema = snapshot.manifest["native_schema"]
    data = snapshot.repository.object(schema["object"])
    if schema["format"] == "pg_dump-custom":
        assert data.startswith(b"PGDMP")
        return
    with closing(sqlite3.connect(":memory:")) as database:
        for made in json.loads(data)["objects"]:
            if not made["name"].startswith("sqlite_"):
                database.execute(made["sql"])
        tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert {entry["table"]["name"] for entry in snapshot.manifest["tables"]} <= tables


def _column(frame: pd.DataFrame, name: str) -> list[Any]:
    return [None if value is pd.NA else value for value in frame[name].tolist()]


def _imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
