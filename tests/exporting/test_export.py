"""The command that exports fixtures: every format that loaddata reads, natural keys, any snapshot, and targets that stay whole."""

from __future__ import annotations

import errno
import gc
import json
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from edms_tasks.durable import NewFile
from edms_tasks.errors import CommandError, DamagedRepository, NoSpace, TargetExists
from edms_tasks.inventory.model import Finding
from flows.convert import convert
from flows.fixtures import FixtureResult, export_fixtures
from flows.packages import export
from flows.requests import ConvertRequest, ExportRequest, FixtureRequest
from flows.running.run import Run
from tests.backed_up import BackedUpSystems
from tests.direct_access import execute
from tests.exporting.fixture_rows import cut, differences, differing_tables, rows_of
from tests.reference_system import ReferenceEdms, ReferenceEdmsFactory
from tests.running import Protected, encrypt, protect

FILES = ("a.json", "a.xml", "a.yaml", "a.jsonl.gz", "a.json.bz2", "a.xml.xz", "a.json.lzma", "a.json.zip")
# Reads fixtures as loaddata does, and prints what is in them that the first one does not say, too.
READ = """
import json, os, sys
from django.core import serializers
from django.core.management.commands.loaddata import Command

def spelled(value):
    return repr(bytes(value) if isinstance(value, memoryview) else value)

def read(path):
    command = Command()
    command.serialization_formats = serializers.get_public_serializer_formats()
    _, form, compression = command.parse_name(os.path.basename(path))
    open_method, mode = command.compression_formats[compression]
    with open_method(path, mode) as stream:
        for one in serializers.deserialize(form, stream):
            fields = {field.attname: spelled(getattr(one.object, field.attname)) for field in one.object._meta.local_concrete_fields}
            yield f"{one.object._meta.label} {one.object.pk}", fields | {name: sorted(map(str, ids)) for name, ids in one.m2m_data.items()}

first, *others = %r
wanted = dict(read(first))
said = {}
for other in others:
    found = dict(read(other))
    names = {(row.split()[0], name) for row in wanted for name in wanted[row] if found[row][name] != wanted[row][name]}
    said[os.path.basename(other)] = [len(found), sorted(map(list, names))]
print("SAID " + json.dumps([len(wanted), said]))
"""


def exported(protected: Protected, target: Path, **options: Any) -> FixtureResult:
    return export_fixtures.fn(Run(protected.settings), FixtureRequest(target=str(target), **options))


def read_by_django(edms: ReferenceEdms, paths: list[str]) -> tuple[int, dict[str, tuple[int, list[list[str]]]]]:
    """The number of rows of the first fixture; of each other its number of rows, and the fields in which it differs."""
    said = edms.manage("shell", "-c", READ % (paths,)).stdout
    line = next(line for line in said.splitlines() if line.startswith("SAID "))
    rows, others = json.loads(line.removeprefix("SAID "))
    return rows, others


def lost(findings: tuple[Finding, ...]) -> list[list[str]]:
    fields = {one.subject for one in findings if one.code == "fixture-value-lost"}
    return sorted(field.rsplit(".", 1) for field in fields)


@pytest.mark.long
def test_every_format_that_loaddata_reads_says_the_same(backed_up: BackedUpSystems, tmp_path: Path) -> None:
    protected = backed_up("sqlite").protected
    exported(protected, tmp_path / "first.jsonl", without_files=True)
    results = {name: exported(protected, tmp_path / name, without_files=True, indent=2) for name in FILES}

    rows, others = read_by_django(protected.edms, [str(tmp_path / name) for name in ("first.jsonl", *FILES)])

    assert rows > 250
    assert {name: count for name, (count, _) in others.items()} == dict.fromkeys(FILES, rows)
    # Blanks around texts and control characters, which XML loses: exactly the fields that the findings name.
    assert {name: fields for name, (_, fields) in others.items()} == {
        name: lost(results[name].findings) for name in FILES
    }
    assert lost(results["a.xml"].findings)
    assert not lost(results["a.yaml"].findings)


@pytest.mark.long  # Django loads them in test_fixtures_of_the_reference_edms
def test_references_by_natural_key_are_those_of_django(backed_up: BackedUpSystems, tmp_path: Path) -> None:
    protected = backed_up("postgresql").protected
    target = tmp_path / "django.jsonl"
    protected.edms.manage("dumpdata", "--all", "--natural-foreign", "--format", "jsonl", "-o", str(target))

    exported(protected, tmp_path / "ours.jsonl", without_files=True, natural_foreign=True)

    differing = differences(cut(rows_of(tmp_path / "ours.jsonl")), rows_of(target))
    assert not differing, "\n".join(differing)


@pytest.mark.long
def test_ids_are_left_out_only_where_natural_keys_find_the_rows_again(
    backed_up: BackedUpSystems, tmp_path: Path
) -> None:
    protected = backed_up("sqlite").protected

    result = exported(protected, tmp_path / "n.jsonl", without_files=True, natural_foreign=True, natural_primary=True)

    rows = [json.loads(line) for line in (tmp_path / "n.jsonl").read_text("utf-8").split("\n") if line]
    without = {row["model"] for row in rows if "pk" not in row}
    assert {"users.user", "documents.document", "contenttypes.contenttype"} <= without
    # Codes and UUIDs mean something; what inherits shares its parent's id.
    assert {row["model"] for row in rows if "pk" in row} >= {"workflows.documentstate", "documents.documentattachment"}
    assert "fixture-ids-left-out" in {one.code for one in result.losses}
    with pytest.raises(CommandError, match="natural-foreign"):
        exported(protected, tmp_path / "m.jsonl", natural_primary=True)


@pytest.mark.long
def test_natural_keys_load_into_an_edms_with_content_types_of_its_own(
    backed_up: BackedUpSystems, edms_factory: ReferenceEdmsFactory, tmp_path: Path
) -> None:
    protected = backed_up("postgresql").protected
    target = edms_factory("postgresql", populate=False)
    target.manage("flush", "--noinput")
    left_out = ("contenttypes", "auth.permission")
    result = exported(protected, tmp_path / "f", natural_foreign=True, exclude=left_out)

    target.manage("loaddata", str(tmp_path / "f" / "data.jsonl"))

    assert {one.subject for one in result.findings if one.code == "fixture-model-left-out"} == {
        "auth.Permission",
        "contenttypes.ContentType",
    }
    options = (
        "dumpdata",
        "--natural-foreign",
        "--exclude",
        "contenttypes",
        "--exclude",
        "auth.permission",
        "--format",
        "jsonl",
    )
    paths = [tmp_path / "one.jsonl", tmp_path / "other.jsonl"]
    for edms, path in zip((protected.edms, target), paths, strict=True):
        edms.manage(*options, "-o", str(path))
    assert differences(*map(rows_of, paths)) == []


@pytest.mark.long
def test_an_encrypted_chain_of_snapshots_and_a_package_give_the_rows_of_the_last(
    edms_factory: ReferenceEdmsFactory, tmp_path: Path
) -> None:
    protected = encrypt(protect(edms_factory("sqlite", documents=5, seed=1), tmp_path))
    protected.backup()
    execute(
        protected.edms,
        "UPDATE documents_document SET title = 'changed' WHERE id = (SELECT min(id) FROM documents_document)",
        "DELETE FROM documents_documentcomment WHERE id % 2 = 0",
    )
    protected.backup()
    package = tmp_path / "x.edms-package"
    export.fn(Run(protected.settings), ExportRequest(file=str(package)))

    exported(protected, tmp_path / "a.jsonl", without_files=True)
    exported(protected, tmp_path / "b.jsonl", without_files=True, snapshot=str(package))

    target = tmp_path / "django.jsonl"
    protected.edms.manage("dumpdata", "--all", "--format", "jsonl", "-o", str(target))
    assert differences(cut(rows_of(tmp_path / "a.jsonl")), rows_of(target)) == []
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()


@pytest.mark.long
def test_snapshots_of_format_1_are_exported(edms_factory: ReferenceEdmsFactory, tmp_path: Path) -> None:
    protected = protect(edms_factory("sqlite", populate=False), tmp_path)
    with tarfile.open(Path(__file__).parents[1] / "format_1" / "sqlite.tar.xz") as packed:
        packed.extractall(tmp_path, filter="data")
    expected = json.loads((Path(__file__).parents[1] / "format_1" / "sqlite.json").read_bytes())

    result = exported(
        protected, tmp_path / "old.jsonl", without_files=True, snapshot=expected[-1]["snapshot"], natural_foreign=True
    )

    rows = rows_of(tmp_path / "old.jsonl")
    assert len(rows) == result.rows > 250
    assert "fixture-zone-assumed" in {one.code for one in result.findings}
    # Only the keys of Django's own models are known from them.
    assert all(
        isinstance(row["fields"]["content_type"], list)
        for (model, _), row in rows.items()
        if model == "auth.permission"
    )


@pytest.mark.long  # of Django's own fixtures in test_converted_fixtures
def test_a_fixture_is_converted_into_a_snapshot_with_the_same_rows(backed_up: BackedUpSystems, tmp_path: Path) -> None:
    backed = backed_up("sqlite")
    exported(backed.protected, tmp_path / "f")

    made = convert.fn(Run(backed.protected.settings), ConvertRequest(path=str(tmp_path / "f")))

    assert made.made is not None
    assert differing_tables(backed.first.manifest, made.made.manifest) == set()
    (before,), (after,) = backed.first.manifest.files, made.made.manifest.files
    assert (after.files, after.bytes) == (before.files, before.bytes) > (5, 1)
    # Its times have all their decimals.
    assert made.made.manifest.converted is not None and made.made.manifest.converted.exact
    assert "old-milliseconds" not in {one.code for one in made.findings}


@pytest.mark.long
def test_what_no_fixture_holds_is_listed(edms_factory: ReferenceEdmsFactory, tmp_path: Path) -> None:
    protected = protect(edms_factory("sqlite", documents=5, seed=1), tmp_path)
    execute(
        protected.edms,
        "CREATE TABLE hr_export (badge integer PRIMARY KEY)",
        "INSERT INTO hr_export VALUES (7), (9)",
        "CREATE TABLE nobody_s (id integer PRIMARY KEY)",
        "ALTER TABLE documents_documenttype ADD COLUMN old_code text",
        "UPDATE documents_documenttype SET old_code = 'x' WHERE id = (SELECT min(id) FROM documents_documenttype)",
        "UPDATE documents_document SET effective_date = 'soon' WHERE id = (SELECT min(id) FROM documents_document)",
    )
    protected.backup()

    result = exported(protected, tmp_path / "a.json")

    found = {(one.code, one.subject): one.count for one in result.losses}
    assert found[("fixture-table-left-out", "hr_export")] == 2
    assert ("fixture-table-left-out", "nobody_s") not in found
    assert found[("fixture-column-left-out", "documents.DocumentType.old_code")] == 1
    assert found[("fixture-value-lost", "documents.Document.effective_date")] == 1
    assert found[("fixture-files-left-out", "media")] > 5
    assert result.shortfall() is not None
    assert result.as_json()["success"] is False
    rows = json.loads((tmp_path / "a.json").read_text("utf-8"))
    assert [row["model"] for row in rows if row["fields"].get("effective_date") == "soon"] == ["documents.document"]


@pytest.mark.long
def test_what_the_snapshot_lacks_and_links_of_rows_that_are_gone_are_listed(
    edms_factory: ReferenceEdmsFactory, tmp_path: Path
) -> None:
    left_out = '[exclude]\ntables = ["admin.LogEntry"]\n'
    protected = protect(edms_factory("sqlite", documents=5, seed=1), tmp_path, extra=left_out)
    linked = "(SELECT document_id FROM documents_document_reviewers LIMIT 1)"
    execute(protected.edms, f"DELETE FROM documents_document WHERE id = {linked}")
    protected.backup()

    result = exported(protected, tmp_path / "a.json", without_files=True)

    assert ("excluded", "admin.LogEntry") in {(one.code, one.subject) for one in result.findings}
    outside = {one.subject for one in result.losses if one.code == "fixture-reference-outside"}
    assert any(subject.startswith("documents.Document_reviewers.") for subject in outside)


@pytest.mark.long
def test_targets_are_never_replaced_nor_left_in_part(backed_up: BackedUpSystems, tmp_path: Path) -> None:
    protected = backed_up("sqlite").protected
    (tmp_path / "there.json").write_text("the only copy")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("the only copy")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for name in ("there.json", "full", "link"):
        with pytest.raises(TargetExists):
            exported(protected, tmp_path / name)
    for name in (
        "a.csv",
        "a.jsonl.zip",
        "a.xml.zip",
        "a.yaml.zip",
        "a.json.zst",
        "a.gz",
        "a.edms-package",
        "missing/a.json",
        "a.JSON",  # loaddata would not know it
        ".json",
        str(protected.repository / "a"),
        str(protected.edms.media / "a.json"),
    ):
        with pytest.raises(CommandError):
            exported(protected, tmp_path / name)
    with pytest.raises(CommandError, match="documnts"):
        exported(protected, tmp_path / "a.json", models=("documnts",))
    before = sorted(path.name for path in tmp_path.iterdir())
    largest = max((protected.repository / "objects").rglob("*"), key=lambda path: path.stat().st_size)
    largest.write_bytes(largest.read_bytes()[:-1] + b"!")

    with pytest.raises(DamagedRepository):
        exported(protected, tmp_path / "new")

    assert sorted(path.name for path in tmp_path.iterdir()) == before


@pytest.mark.parametrize("name", ["a.json.zip", "a.json.gz", "a.jsonl"])
def test_a_full_disk_leaves_an_error_and_nothing_else(
    name: str, backed_up: BackedUpSystems, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    protected = backed_up("sqlite").protected
    unraisable: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda found: unraisable.append(found.exc_value))

    def full(file: NewFile, data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(NewFile, "write", full)
    with pytest.raises(NoSpace):
        exported(protected, tmp_path / name, without_files=True)
    gc.collect()

    assert not unraisable
    assert not list(tmp_path.glob("*a.json*"))


def test_models_are_chosen_by_app_or_name(backed_up: BackedUpSystems, tmp_path: Path) -> None:
    protected = backed_up("sqlite").protected

    exported(
        protected,
        tmp_path / "a.jsonl",
        without_files=True,
        models=("documents", "users.Role"),
        exclude=("documents.documentcomment",),
    )

    models = {model for model, _ in rows_of(tmp_path / "a.jsonl")}
    assert models >= {"documents.document", "users.role"}
    assert "documents.documentcomment" not in models
    assert {model.partition(".")[0] for model in models} == {"documents", "users"}
    assert (tmp_path / "a.jsonl").stat().st_mode & 0o077 == 0
