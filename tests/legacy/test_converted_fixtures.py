"""What Django's own dumpdata wrote becomes a snapshot, and Django's own dumpdata of what is restored from it says the same."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edms_tasks.settings import Settings
from edms_tasks.soft_reference_settings import SoftReferenceSettings
from flows.convert import ConvertResult, convert
from flows.dashboard.figures import collect
from flows.listing import list_snapshots
from flows.requests import ConvertRequest
from flows.running.run import Run
from flows.status import read_status
from tests.backed_up import BackedUpSystems
from tests.reference_system import Engine, ReferenceEdms
from tests.running import Protected, run_diff, run_restore, run_verify

pytestmark = pytest.mark.usefixtures("edms_asked_once", "edms_migrated_once")

NATURAL = ("--natural-foreign", "--natural-primary")


def converted(protected: Protected, path: Path, **options: Any) -> ConvertResult:
    return convert.fn(Run(protected.settings), ConvertRequest(path=str(path), **options))


def objects_of(text: str) -> list[str]:
    """The objects of a fixture as texts that can be compared; times that end in zeros may be written without them."""
    found = []
    for one in json.loads(text):
        for name in ("reviewers", "document_types"):
            if isinstance(listed := one["fields"].get(name), list):
                one["fields"][name] = sorted(listed, key=json.dumps)
        found.append(json.dumps(one, sort_keys=True).replace('.000Z"', 'Z"').replace('.000"', '"'))
    return sorted(found)


def restored(protected: Protected, made: ConvertResult, folder: Path) -> ReferenceEdms:
    """The EDMS on what is restored from a converted snapshot."""
    edms = protected.edms
    name = str(folder / "back.sqlite3") if edms.engine == "sqlite" else f"{edms.database_name}_back"
    done = run_restore(protected.settings, snapshot=made.snapshot_id, into=name, into_files=folder / "files")
    assert done.verdict == "proved", done.failures
    url = f"sqlite:///{name}" if edms.engine == "sqlite" else edms.database_url.replace(edms.database_name, name)
    return replace(edms, database_url=url, media=folder / "files" / "media")


def _elsewhere(protected: Protected, folder: Path) -> Settings:
    """The settings of a machine from which no backup was made."""
    return protected.settings.model_copy(update={"workdir": folder / "elsewhere"})


@pytest.mark.parametrize("engine", ["sqlite", pytest.param("postgresql", marks=pytest.mark.long)])
def test_a_fixture_with_natural_keys_comes_back(backed_up: BackedUpSystems, engine: Engine, tmp_path: Path) -> None:
    protected = backed_up(engine).protected
    before = protected.edms.manage("dumpdata", *NATURAL).stdout
    path = tmp_path / "natural.json.gz"
    path.write_bytes(gzip.compress(b"System check identified some issues\n" + before.encode()))

    made = converted(protected, path)
    after = restored(protected, made, tmp_path).manage("dumpdata", *NATURAL).stdout

    assert objects_of(after) == objects_of(before)
    # Audit rows name their objects by keys that the backup lacks: that is said, and no row has such a key.
    assert {one.code for one in made.losses} == {"old-reference-unresolved"}
    assert all(one.subject.endswith("object_id") for one in made.losses)
    assert {"old-noise", "old-milliseconds", "old-key-assigned"} <= {one.code for one in made.findings}


@pytest.mark.long
def test_a_fixture_with_ids_comes_back_with_every_id(backed_up: BackedUpSystems, tmp_path: Path) -> None:
    protected = backed_up("sqlite").protected
    listed = list_snapshots(protected.settings)
    before = protected.edms.manage("dumpdata").stdout
    path = tmp_path / "ids.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in json.loads(before)), encoding="utf-8")

    made = converted(protected, path)
    after = restored(protected, made, tmp_path).manage("dumpdata").stdout

    assert objects_of(after) == objects_of(before)
    assert made.success
    assert made.made is not None
    assert made.made.manifest.converted is not None
    assert not made.made.manifest.converted.exact  # its times are cut
    # It is no backup of the live system: `latest` and the count are as before.
    now = list_snapshots(protected.settings)
    assert (now.expected, now.problems) == (listed.expected, listed.problems)
    assert [one.id for one in now.snapshots if one.converted] == [made.snapshot_id]
    assert [one.id for one in list_snapshots(_elsewhere(protected, tmp_path)).snapshots if one.converted] == [
        made.snapshot_id
    ]
    again = run_restore(protected.settings, snapshot="latest", into=str(tmp_path / "latest"), into_files=tmp_path / "l")
    assert again.snapshot_id == listed.snapshots[-1].id

    # Nor for monitoring, the dashboard and the next backup, although a restore has proved the converted one.
    state = read_status(protected.settings)
    assert (state.snapshot, state.snapshots) == (listed.snapshots[-1].id, listed.expected)
    assert state.proved is not None
    assert state.proved.snapshot == listed.snapshots[-1].id
    shown = {one.id for one in collect([protected.settings]).dashboard.snapshots}
    assert shown == {one.id for one in listed.snapshots}
    following = protected.backup().manifest
    assert (following.previous, following.number) == (listed.snapshots[-1].id, listed.expected + 1)
    assert run_verify(protected.settings, snapshot=made.snapshot_id).success
    compared = run_diff(protected.settings, snapshot=made.snapshot_id, other="latest", models=("users.Role",))
    assert compared.equal


@pytest.mark.long  # of references by id, the same is asked below
def test_declared_ids_of_rows_that_got_others_are_losses_and_lead_to_no_row(
    backed_up: BackedUpSystems, tmp_path: Path
) -> None:
    protected = backed_up("sqlite").protected
    rows = json.loads(protected.edms.manage("dumpdata", *NATURAL).stdout)
    events = [row for row in rows if row["model"] == "audit.systemevent"]
    for number, row in enumerate(events):
        row["fields"]["message"] = "" if number else "3,90001"
    path = tmp_path / "old.json"
    path.write_text(json.dumps(rows), encoding="utf-8")
    declared = {"column": "audit.SystemEvent.message", "target": "documents.Document", "separator": ","}
    settings = protected.settings.model_copy(update={"soft_references": (SoftReferenceSettings(**declared),)})

    made = convert.fn(Run(settings), ConvertRequest(path=str(path)))
    after = json.loads(restored(protected, made, tmp_path).manage("dumpdata", "documents.document").stdout)

    counted = {one.subject: one.count for one in made.losses if one.code == "old-reference-unresolved"}
    assert counted["audit.SystemEvent.message"] == 1
    assert min(row["pk"] for row in after) > 90_001


@pytest.mark.long
def test_what_has_no_place_is_named_and_listed(backed_up: BackedUpSystems, tmp_path: Path) -> None:
    protected = backed_up("sqlite").protected
    rows = json.loads(protected.edms.manage("dumpdata", "-e", "contenttypes", "-e", "auth.permission", *NATURAL).stdout)
    by_model: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_model.setdefault(row["model"], []).append(row)
    comments, documents = by_model["documents.documentcomment"], by_model["documents.document"]
    comments[0]["fields"]["document"] = ["NO-SUCH", 9, 9]
    comments[1]["fields"]["document"] = ["wrong arity"]
    documents[0]["fields"]["colour"] = "red"
    documents[0]["fields"]["approver"] = ["nobody"]
    documents[1]["fields"]["file_size"] = "many"
    del documents[2]["fields"]["abstract"]
    documents[2]["fields"]["reviewers"] = "x"
    del by_model["audit.systemevent"][0]["pk"]
    rows += [{"model": "gone.model", "pk": 1, "fields": {"a": 1}}, json.loads(json.dumps(by_model["users.role"][0]))]
    path = tmp_path / "old.json"
    path.write_text(json.dumps(rows), encoding="utf-8")

    made = converted(protected, path, tag="damaged")

    found = {(one.code, one.subject): one.count for one in made.losses}
    assert found["old-reference-unresolved", "documents.DocumentComment.document"] == 2
    assert found["old-reference-unresolved", "documents.Document.approver"] == 1
    assert found["old-field-unknown", "documents.Document.colour"] == 1
    assert found["old-value-invalid", "documents.Document.file_size"] == 1
    assert found["old-model-unknown", "gone.model"] == 1
    assert found["old-field-absent", "documents.Document.abstract"] == 1
    assert found["old-value-invalid", "documents.Document.reviewers"] == 1
    assert found["old-key-assigned", "audit.SystemEvent"] == 1
    assert made.left_out is not None
    listed = [json.loads(line) for line in made.left_out.read_text(encoding="utf-8").splitlines()]
    assert {row["model"] for row in listed} >= {"gone.model", "documents.DocumentComment"}
    assert made.made is not None
    held = {entry.table.label: entry.state.rows for entry in made.made.manifest.tables}
    assert held["documents.DocumentComment"] == len(comments) - 2


@pytest.mark.long
def test_a_migration_package_comes_back_with_its_files(backed_up: BackedUpSystems, tmp_path: Path) -> None:
    protected = backed_up("sqlite").protected
    package = _package(protected, tmp_path / "edms_migration_package_20240102_030405.tar.gz")

    made = converted(protected, package)

    # The reference EDMS has a row whose file is gone: the package should have held it.
    assert {one.subject.rpartition(".")[2] for one in made.losses} == {"object_id", "file"}
    assert [one.code for one in made.losses if one.subject.endswith(".file")] == ["old-files-missing"]
    assert made.made is not None
    manifest = made.made.manifest
    assert manifest.converted is not None
    assert manifest.converted.losses == len(made.losses)
    media = [path for path in protected.edms.media.rglob("*") if path.is_file()]
    assert [(index.root.name, index.files) for index in manifest.files] == [("media", len(media))]
    assert f"{manifest.created:%Y-%m-%d}" == "2024-01-02"
    assert "hunter2" not in manifest.to_json().decode()
    assert "old-secret" in {one.code for one in made.findings}


@pytest.mark.parametrize("damage", ["file", "rows", "count"])
def test_a_package_that_is_not_what_it_says_is_named(backed_up: BackedUpSystems, tmp_path: Path, damage: str) -> None:
    protected = backed_up("sqlite").protected
    package = _package(protected, tmp_path / "edms_migration_package_20240102_030405.tar.gz", damage)

    seen = converted(protected, package, inspect=True)

    expected = {"file": "old-checksum-differs", "rows": "old-checksum-differs", "count": "old-counts-differ"}
    assert expected[damage] in {one.code for one in seen.losses}
    assert not seen.success


def _package(protected: Protected, path: Path, damage: str = "") -> Path:
    """A package as the layout in docs/legacy.md has it."""
    rows = protected.edms.manage("dumpdata", "--indent", "2", *NATURAL).stdout.encode()
    files = {
        one.relative_to(protected.edms.media).as_posix(): one.read_bytes()
        for one in protected.edms.media.rglob("*")
        if one.is_file()
    }
    listed = {
        f"media/{name}": {"size": len(data), "checksum": hashlib.sha256(data).hexdigest()}
        for name, data in files.items()
    }
    total = len(json.loads(rows)) + (damage == "count")
    if damage == "file":
        name = max(files, key=lambda one: len(files[one]))
        files[name] = bytes([files[name][0] ^ 1]) + files[name][1:]
    checksum = hashlib.sha256(rows).hexdigest()
    members = {
        "metadata.json": json.dumps(
            {"export_type": "migration_package", "export_timestamp": "2024-01-02T03:04:05"}
        ).encode(),
        "database/database_backup.json": rows + (b"\n" if damage == "rows" else b""),
        "database/backup_metadata.json": json.dumps({"total_records": total}).encode(),
        "database/checksum.txt": f"{checksum}  database_backup.json\n".encode(),
        "storage/manifest.json": json.dumps({"files": listed}).encode(),
        "configuration/environment_variables.env": b"DB_PASSWORD=hunter2\n",
        **{f"storage/media/{name}": data for name, data in files.items()},
    }
    with tarfile.open(path, "w:gz") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(f"./{name}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


@pytest.mark.long
def test_keys_that_are_texts_are_found_again_where_one_row_fits(backed_up: BackedUpSystems, tmp_path: Path) -> None:
    protected = backed_up("sqlite").protected
    rows = json.loads(protected.edms.manage("dumpdata", *NATURAL).stdout)
    states = {row.pop("pk"): row for row in rows if row["model"] == "workflows.documentstate"}
    named = set()
    for row in rows:
        for field in ("state", "from_state", "to_state"):
            if isinstance(code := row["fields"].get(field), str) and code in states:
                row["fields"][field] = [code]  # as a natural_key() that is the primary key writes it
                named.add(code)
    path = tmp_path / "lost.json"
    path.write_text(json.dumps(rows), encoding="utf-8")

    made = converted(protected, path)
    after = json.loads(restored(protected, made, tmp_path).manage("dumpdata", "workflows.documentstate").stdout)

    assert {row["pk"]: row["fields"] for row in after} == {code: states[code]["fields"] for code in named}
    counted = {one.code: one.count for one in made.findings if one.subject == "workflows.DocumentState"}
    assert counted["old-key-recovered"] == len(named)
    assert counted.get("old-key-lost", 0) == len(states) - len(named)
    assert not any(
        one.subject.startswith("workflows.") for one in made.losses if one.code == "old-reference-unresolved"
    )


@pytest.mark.long
def test_references_by_id_to_rows_that_migrations_made_are_losses(backed_up: BackedUpSystems, tmp_path: Path) -> None:
    protected = backed_up("sqlite").protected
    path = tmp_path / "default-host-2024-02-29-123456.json"  # as django-dbbackup names it
    path.write_text(protected.edms.manage("dumpdata", "-e", "contenttypes", "-e", "auth.permission").stdout)
    named = [row for row in json.loads(path.read_text()) if row["fields"].get("content_type") is not None]

    made = converted(protected, path)

    counted = {one.subject: one.count for one in made.losses if one.code == "old-reference-by-id"}
    assert made.old.recognised.format == "django-dbbackup"
    assert made.made is not None
    assert f"{made.made.manifest.created:%Y-%m}" == "2024-02"
    assert sum(counted.values()) == len(named) > 0
