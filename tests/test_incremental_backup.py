"""A later backup stores the rows that are new or changed, and every snapshot is still whole by itself."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from edms_tasks.manifest import Manifest, TableEntry
from flows.backing_up.backup_result import BackupResult
from tests.backed_up import BackedUpSystems
from tests.direct_access import execute, query
from tests.independent_comparison import differences, picture
from tests.plain_snapshot_reader import PlainRepository, proof
from tests.reference_system import Engine, ReferenceEdms, ReferenceEdmsFactory
from tests.running import Protected, protect

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("edms_asked_once")]

ENGINES: tuple[Engine, ...] = ("sqlite", "postgresql")
COMMENTS = "documents.DocumentComment"
CHANGES = (
    "UPDATE documents_documentcomment SET text = text || ' (corrected)' WHERE id IN "
    "(SELECT id FROM documents_documentcomment ORDER BY id LIMIT 2)",
    "DELETE FROM documents_documentcomment WHERE id = (SELECT max(id) FROM documents_documentcomment WHERE parent_id IS NULL)",
    # A natural key changes: rows that point at this document hold its key, so they are stored anew as well.
    "UPDATE documents_document SET number = 'RENAMED-1' WHERE id = (SELECT document_id FROM workflows_documentworkflow "
    "ORDER BY id LIMIT 1)",
)


@pytest.mark.parametrize("engine", [pytest.param("sqlite", marks=pytest.mark.long), "postgresql"])
def test_changed_rows_alone_are_stored_and_each_snapshot_comes_back_as_it_was(
    engine: Engine, edms_factory: ReferenceEdmsFactory, tmp_path: Path
) -> None:
    edms = edms_factory(engine, documents=20)
    protected = protect(edms, tmp_path, extra="[validate]\ndjango_check = false")
    then = picture(edms)
    first = protected.backup()
    execute(edms, *CHANGES)
    now = picture(edms)

    second = protected.backup()

    assert second.verified and len(differences(then, now)) >= 2
    comments, new = _entry(second.manifest, COMMENTS), _new_rows(first, second)
    assert new[COMMENTS] == 2
    assert comments.chunks[0].superseded_rows >= 3  # two changed, one or more (its answers) gone
    assert new["workflows.DocumentWorkflow"] == 1
    assert "documents.DocumentType" not in new and "users.User" not in new
    for snapshot, expected in ((first, then), (second, now)):
        into, copy = _copy(edms, tmp_path / snapshot.snapshot_id[:6])
        result = protected.restore(snapshot.snapshot_id, into=into, into_files=copy.media.parent)
        assert result.success, result.failures
        assert differences(expected, picture(copy)) == []
    assert protected.verify().problems == ()


@pytest.mark.long
@pytest.mark.parametrize("engine", ["sqlite", pytest.param("postgresql", marks=pytest.mark.long)])
def test_a_snapshot_with_superseded_rows_reads_as_the_format_says(engine: Engine, backed_up: BackedUpSystems) -> None:
    protected = backed_up(engine, documents=20, top="chunk_rows = 40").protected
    edms = protected.edms
    execute(edms, *CHANGES)
    made = protected.backup()
    repository = PlainRepository(protected.repository)
    manifest = repository.manifest(made.snapshot_id)

    for entry in manifest["tables"]:
        frame = repository.frame(entry)
        assert len(frame) == entry["state"]["rows"]
        assert proof(entry, frame) == entry["state"]["proof"], entry["table"]["id"]
    (entry,) = [e for e in manifest["tables"] if e["table"]["model"] == COMMENTS]
    stored = {(row["id"], row["text"]) for row in repository.frame(entry).to_dict("records")}
    assert stored == set(query(edms, "SELECT id, text FROM documents_documentcomment"))
    assert any(chunk["superseded"] for chunk in entry["chunks"])


@pytest.mark.long
def test_values_of_another_class_are_stored_even_where_they_read_the_same(
    edms_factory: ReferenceEdmsFactory, tmp_path: Path
) -> None:
    """SQLite keeps a number and a text of its digits apart in a column without a type."""
    edms = edms_factory("sqlite", documents=5)
    protected = protect(edms, tmp_path, extra="[validate]\ndjango_check = false")
    execute(edms, "CREATE TABLE legacy (id INTEGER PRIMARY KEY, v)", "INSERT INTO legacy (v) VALUES (10), (20), (30)")
    numbers = protected.backup().snapshot_id
    execute(edms, "UPDATE legacy SET v = CAST(v AS TEXT)")
    texts = protected.backup().snapshot_id
    execute(edms, "UPDATE legacy SET v = CAST(v AS INTEGER)")
    again = protected.backup().snapshot_id

    for snapshot, kind in ((numbers, "integer"), (texts, "text"), (again, "integer")):
        copy = tmp_path / f"{kind}-{snapshot[:8]}.sqlite3"
        assert protected.restore(snapshot, into=str(copy)).success
        with closing(sqlite3.connect(copy)) as connection:
            assert connection.execute("SELECT DISTINCT typeof(v) FROM legacy").fetchall() == [(kind,)]


@pytest.mark.long
def test_a_table_with_another_shape_is_stored_whole(backed_up: BackedUpSystems) -> None:
    system = backed_up("sqlite", documents=20)
    protected, first = system.protected, system.first
    execute(protected.edms, "ALTER TABLE documents_documentcomment ADD COLUMN added_by_hand text DEFAULT 'new'")

    second = protected.backup()

    assert second.verified
    assert _new_rows(first, second) == {COMMENTS: _entry(second.manifest, COMMENTS).state.rows}
    assert all(chunk.superseded is None for chunk in _entry(second.manifest, COMMENTS).chunks)


@pytest.mark.long
def test_missing_objects_are_not_used_again(backed_up: BackedUpSystems) -> None:
    system = backed_up("sqlite", documents=20)
    protected = system.protected
    chunk = _entry(system.first.manifest, COMMENTS).chunks[0]
    _object(protected, chunk.object.sha256).unlink()

    second = protected.backup()

    assert [f.subject for f in second.manifest.findings if f.code == "previous-rows-unusable"] == [COMMENTS]
    assert second.verified
    assert protected.verify(second.snapshot_id).problems == ()


def test_a_list_of_superseded_rows_that_does_not_match_is_refused(backed_up: BackedUpSystems) -> None:
    protected = backed_up("sqlite", documents=20).protected
    execute(protected.edms, *CHANGES)
    second = protected.backup()
    path = protected.repository / "snapshots" / f"{second.snapshot_id}.json"
    manifest = json.loads(path.read_bytes())
    (entry,) = [e for e in manifest["tables"] if e["table"]["model"] == COMMENTS]
    rows = entry["chunks"][0]["superseded_rows"]
    entry["chunks"][0]["superseded_rows"] = rows - 1
    forged = _store(protected, json.dumps(manifest).encode())

    problems = protected.verify(forged).problems

    assert [p for p in problems if COMMENTS in p and f"It has {rows} rows, the manifest says {rows - 1}." in p]


@pytest.mark.long  # of a block in many pieces, the same is asked in test_block_changes
def test_a_block_of_which_little_is_left_is_stored_anew(edms_factory: ReferenceEdmsFactory, tmp_path: Path) -> None:
    edms = edms_factory("sqlite", documents=20)
    protected = protect(edms, tmp_path, extra="[validate]\ndjango_check = false")
    first = _entry(protected.backup().manifest, COMMENTS)
    most = "(SELECT id FROM documents_documentcomment ORDER BY id LIMIT (SELECT count(*) * 3 / 4 FROM documents_documentcomment))"
    execute(edms, f"UPDATE documents_documentcomment SET text = text || '!' WHERE id IN {most}")

    second = _entry(protected.backup().manifest, COMMENTS)

    assert len(second.chunks) == len(first.chunks) == 1
    assert second.chunks[0].object != first.chunks[0].object and second.chunks[0].superseded is None
    assert second.chunks[0].rows == second.state.rows
    assert protected.restore(into=str(tmp_path / "second.sqlite3"), into_files=tmp_path / "second").success


def _new_rows(before: BackupResult, after: BackupResult) -> dict[str, int]:
    """Model -> rows in chunks that the earlier snapshot has not."""
    known = set(before.manifest.objects())
    counts = {
        entry.table.label: sum(chunk.rows for chunk in entry.chunks if chunk.object.sha256 not in known)
        for entry in after.manifest.tables
    }
    return {label: rows for label, rows in counts.items() if rows}


def _entry(manifest: Manifest, label: str) -> TableEntry:
    return next(entry for entry in manifest.tables if entry.table.label == label)


def _object(protected: Protected, sha256: str) -> Path:
    return protected.repository / "objects" / sha256[:2] / sha256


def _store(protected: Protected, manifest: bytes) -> str:
    from hashlib import sha256

    name = sha256(manifest).hexdigest()
    (protected.repository / "snapshots" / f"{name}.json").write_bytes(manifest)
    return name


def _copy(edms: ReferenceEdms, folder: Path) -> tuple[str, ReferenceEdms]:
    if edms.engine == "sqlite":
        into = str(folder.with_suffix(".sqlite3"))
        url = f"sqlite:///{into}"
    else:
        into = f"{edms.database_name}_{folder.name}"
        url = edms.database_url.replace(edms.database_name, into)
    return into, ReferenceEdms(engine=edms.engine, database_url=url, media=folder / "media")
