"""Soft references from a backup to a restore that is proved, and to restores that are refused."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from edms_tasks.databases.protocol import StagingDatabase
from edms_tasks.manifest import Manifest
from edms_tasks.repository import Repository
from tests.plain_snapshot_reader import PlainRepository, content_digest
from tests.running import run_verify
from tests.soft.paper_archive import PaperArchive, paper_archive

pytestmark = pytest.mark.usefixtures("edms_asked_once")

IDS = {"SOP-1": 3, "SOP-2": 12, "SOP-3": 101, "SOP-4": 102}


@dataclass(frozen=True)
class Backed:
    """The archive, with one id without a row, and its first backup; no test changes it."""

    archive: PaperArchive
    snapshot: str
    manifest: Manifest


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.long)])
def backed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Backed:
    postgres = None
    if request.param == "postgresql":
        postgres = request.getfixturevalue("postgres_server").create_database("paper_archive")
    archive = paper_archive(tmp_path_factory.mktemp("here"), IDS, postgres, lost=1)
    made = archive.backup()
    return Backed(archive, made.snapshot_id, made.manifest)


def _states(manifest: Manifest) -> dict[str, tuple[int, int]]:
    entry = next(entry for entry in manifest.tables if entry.table.model == "small.Rule")
    return {one.name: (one.filled, one.dangling) for one in entry.state.references}


def test_ids_without_a_row_are_counted_and_reported(backed: Backed) -> None:
    manifest = backed.manifest

    # Five rules point at something: four at documents, and one at an id that no document has.
    counts = _states(manifest)
    assert counts.pop("about_type_id") == (5, 0)
    assert counts == {
        "document_ref": (5, 1),
        "document_list": (5, 2),  # each list names its neighbour too, and the first rule's is the last
        "payload $.document_ids[*]": (5, 1),
        "payload $.by_document.*~": (5, 1),
        "state $.parent.id": (5, 1),
        "label document_%d": (5, 1),
        "about_type + about_pk": (5, 1),
    }
    told = {(one.code, one.subject): (one.count, one.examples) for one in manifest.findings}
    assert told["dangling-reference", "small.Rule.label document_%d"] == (1, ("10000",))
    assert told["soft-reference-unreadable", "small.Rule.state"] == (1, ())
    assert told["file-of-no-row", "files of media: thumbnails/{pk:07}.webp"] == (1, ("thumbnails/0010000.webp",))
    (names,) = manifest.file_names
    assert (names.files, names.dangling) == (5, 1)


def test_a_restore_validates_rows_and_files_and_reports_only_what_it_measured(backed: Backed, tmp_path: Path) -> None:
    archive = backed.archive
    into = f"{archive.address.name}_copy" if archive.address.engine == "postgresql" else str(tmp_path / "copy.sqlite3")

    result = archive.restore(into=into, into_files=tmp_path / "files")

    assert result.success, result.failures
    said = json.dumps(json.loads((result.data_docs.parent.parent / "validation.json").read_text(encoding="utf-8")))
    assert "small.Rule: proof" in said and "missing files" in said
    assert "rows dangling" not in said and "content digest" not in said and "files of no row" not in said
    assert run_verify(archive.settings, snapshot="latest").as_json()["problems"] == []


_EXCHANGED = (
    "UPDATE small_document SET number = 'between' WHERE number = '{0}';"
    "UPDATE small_document SET number = '{0}' WHERE number = '{1}';"
    "UPDATE small_document SET number = '{1}' WHERE number = 'between'"
)

DAMAGES = {
    "a plain id re-pointed to another document": (
        "UPDATE small_rule SET document_ref = 12 WHERE document_ref = 3",
        "small.Rule: proof",
    ),
    "an id in a list re-pointed": (
        "UPDATE small_rule SET document_list = replace(document_list, '101', '102')",
        "small.Rule: proof",
    ),
    "an id in JSON re-pointed": (
        "UPDATE small_rule SET payload = CAST(replace(CAST(payload AS text), '102', '101') AS {json})",
        "small.Rule: proof",
    ),
    "an id in a string re-pointed": (
        "UPDATE small_rule SET label = replace(label, 'document_101', 'document_102')",
        "small.Rule: proof",
    ),
    "an id in JSON that loses its row": (
        "UPDATE small_rule SET state = replace(state, '101', '999')",
        "soft reference state $.parent.id: rows dangling",
    ),
    "a document that others point at taken away": (
        "DELETE FROM small_document WHERE id = 101",
        "small.Rule: soft reference label document_%d: rows dangling",
    ),
    "a document whose picture stays taken away": (
        "DELETE FROM small_document WHERE id = 102",
        "files of no row named thumbnails/{pk:07}.webp",
    ),
    # No row of the rules has changed, and every id still leads to a row: to the wrong one.
    "two documents that changed places": (
        _EXCHANGED.format("SOP-1", "SOP-2"),
        "small.Document: proof",
    ),
    "two pictures whose documents changed places": (
        _EXCHANGED.format("SOP-3", "SOP-4"),
        "content digest of files named thumbnails/{pk:07}.webp",
    ),
}


@pytest.mark.long
def test_a_damaged_soft_reference_fails_the_validation_and_is_named(backed: Backed) -> None:
    archive = backed.archive
    json_type = "jsonb" if archive.address.engine == "postgresql" else "text"

    for name, (statement, named) in DAMAGES.items():
        changed: list[int] = []

        def damage_it(
            staging: StagingDatabase, folders: Sequence[Path], sql: str = statement, to: list[int] = changed
        ) -> None:
            to.append(_execute(staging, sql.replace("{json}", json_type)))

        result = archive.restore(before_validation=damage_it)

        assert changed and changed[0] > 0, f"{name}: the damage itself must have happened"
        assert not result.success and not result.promoted, name
        assert any(named in failure for failure in result.failures), (name, result.failures)


@pytest.mark.long  # of one table, in test_nested_documents
def test_an_installation_with_other_ids_has_the_same_content_digests(tmp_path: Path) -> None:
    others = {"SOP-3": 7, "SOP-1": 1000, "SOP-4": 20, "SOP-2": 21}
    here = paper_archive(tmp_path / "here", IDS).backup()
    there = paper_archive(tmp_path / "there", {number: others[number] for number in IDS}).backup()

    def contents(folder: str, snapshot_id: str) -> dict[str, str]:
        repository = PlainRepository(tmp_path / folder / "repository")
        return {
            entry["table"]["model"]: content_digest(entry, repository.frame(entry))
            for entry in repository.manifest(snapshot_id)["tables"]
            if entry["table"]["model"] in ("small.Document", "small.Rule")
        }

    assert contents("here", here.snapshot_id) == contents("there", there.snapshot_id)
    here_manifest, there_manifest = here.manifest, there.manifest
    assert here_manifest.file_names[0].content_digest == there_manifest.file_names[0].content_digest
    assert here_manifest.files[0].digest != there_manifest.files[0].digest


def test_an_unchanged_row_is_not_stored_again(backed: Backed) -> None:
    second = backed.archive.backup().manifest

    def objects(manifest: Manifest) -> list[str]:
        entry = next(entry for entry in manifest.tables if entry.table.model == "small.Rule")
        return [chunk.object.sha256 for chunk in entry.chunks]

    assert objects(backed.manifest) == objects(second)


def test_a_manifest_from_before_soft_references_can_be_read(backed: Backed) -> None:
    snapshot = backed.snapshot
    written = json.loads(Repository.open(backed.archive.settings.repository).read_snapshot(snapshot))
    del written["file_names"]
    for entry in written["tables"]:
        entry["table"]["references"] = [one for one in entry["table"]["references"] if one["kind"] != "soft"]

    manifest = Manifest.from_json(json.dumps(written).encode(), where=snapshot)

    assert manifest.file_names == ()


def test_a_manifest_of_an_earlier_release_reads_as_the_same_references(backed: Backed) -> None:
    snapshot = backed.snapshot
    written = json.loads(Repository.open(backed.archive.settings.repository).read_snapshot(snapshot))
    for entry in written["tables"]:
        for name in ("child_lists", "id_lists", "generic_relations"):
            del entry["table"][name]
        for one in entry["table"]["references"]:
            for name in ("path", "where", "copied") if one["kind"] == "soft" else ():
                del one[name]
        for key in (entry["natural_key"], *entry["table"]["key_candidates"]):
            if key is not None:
                del key["by_meaning"]

    found = Manifest.from_json(json.dumps(written).encode(), where=snapshot)

    unknown = {"child_lists": (), "id_lists": (), "generic_relations": ()}
    expected = [
        entry.model_copy(update={"table": entry.table.model_copy(update=unknown)}) for entry in backed.manifest.tables
    ]
    assert found == backed.manifest.model_copy(update={"tables": tuple(expected)})


def _execute(staging: StagingDatabase, statements: str) -> int:
    parts = statements.split(";")
    if staging.address.engine == "sqlite":
        with closing(sqlite3.connect(staging.address.name)) as connection, connection:
            return sum(connection.execute(part).rowcount for part in parts)
    with psycopg.connect(staging.address.url()) as session:
        session.execute("SET session_replication_role = replica")
        return sum(session.execute(part.encode()).rowcount for part in parts)
