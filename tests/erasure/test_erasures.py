"""Whoever was erased stays erased, whatever snapshot is restored or merged; everything else comes back as it was."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from edms_tasks.erasure.ledger import record_erasure
from edms_tasks.errors import CheckFailed, CommandError, DamagedRepository
from edms_tasks.repository import Repository
from edms_tasks.repository.records import Record
from flows.erasures import listed, record
from flows.fixtures import export_fixtures
from flows.prune import prune
from flows.requests import FixtureRequest, PruneRequest
from flows.restoring.restore_result import RestoreResult
from flows.running.run import Run
from tests.backed_up import BackedUpSystems
from tests.direct_access import execute, query
from tests.one_per_engine import OnePerEngine
from tests.reference_system import EdmsTemplates, Engine, ReferenceEdms, ReferenceEdmsFactory
from tests.running import Protected, encrypt, protect, run_merge, run_restore_plan

pytestmark = pytest.mark.usefixtures("edms_asked_once")

PERSON = {"username": "hash", "first_name": "name", "last_name": "name", "email": "email"}


def _made(engine: Engine, factory: ReferenceEdmsFactory, folder: Path) -> Protected:
    """A system with a snapshot, after which a user's columns, a document with all that hangs on it and a template were erased."""
    edms = factory(engine, documents=4, seed=1)
    protected = encrypt(protect(edms, folder))
    execute(edms, "DELETE FROM security_electronicsignature")  # they protect their documents
    if engine == "sqlite":
        execute(
            edms,
            "CREATE VIRTUAL TABLE words USING fts5(body)",
            "INSERT INTO words SELECT username FROM users_user",
            "CREATE VIRTUAL TABLE people USING fts5(username, content='users_user', content_rowid='id')",
            "INSERT INTO people (people) VALUES ('rebuild')",
            "CREATE VIRTUAL TABLE roles USING fts5(name, content='users_role', content_rowid='id')",
            "INSERT INTO roles (roles) VALUES ('rebuild')",
        )
    protected.backup()
    for row, columns in (
        ("users.User:user0002", [f"{name}={kind}" for name, kind in PERSON.items()]),
        (f"documents.Document:id={_document(edms)}", []),
    ):
        record(protected.settings, row, columns, reason="request 17", by="Ann")
    person = record(protected.settings, "users.User:user0001", ["email=email"], reason="request 16", by="Ann").erased
    nobody = person.model_copy(update={"row": {"username": "nobody"}})
    record_erasure(
        Repository.open(protected.settings.repository), protected.settings.workdir, nobody, reason="none", by="Ann"
    )
    return protected


@pytest.fixture(scope="module")
def systems(
    tmp_path_factory: pytest.TempPathFactory, _edms_templates: EdmsTemplates
) -> Iterator[OnePerEngine[Protected]]:
    yield OnePerEngine("erased", _made, tmp_path_factory, _edms_templates)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.long)])
def protected(request: pytest.FixtureRequest, systems: OnePerEngine[Protected]) -> Protected:
    return systems(request.param)


def _document(edms: ReferenceEdms) -> int:
    """A document with a file and comments that no other one needs."""
    ((found,),) = query(
        edms,
        "SELECT max(d.id) FROM documents_document d WHERE d.file <> '' AND d.id NOT IN"
        " (SELECT depends_on_id FROM documents_documentdependency) AND d.id NOT IN"
        " (SELECT supersedes_id FROM documents_document WHERE supersedes_id IS NOT NULL)",
    )
    return int(found)


def _restored(protected: Protected, folder: Path, **options: Any) -> tuple[RestoreResult, ReferenceEdms]:
    edms = protected.edms
    if edms.engine == "sqlite":
        into, url = str(folder / "copy.sqlite3"), f"sqlite:///{folder / 'copy.sqlite3'}"
    else:
        into = f"{edms.database_name}_{len(str(options))}"
        url = edms.database_url.replace(edms.database_name, into)
    return protected.restore(into=into, into_files=folder / "files", **options), replace(edms, database_url=url)


@dataclass(frozen=True)
class Restored:
    """What was restored beside a system; several tests look at it."""

    result: RestoreResult
    copy: ReferenceEdms
    files: Path


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Protected], Restored]:
    made: dict[Engine, Restored] = {}

    def get(protected: Protected) -> Restored:
        engine = protected.edms.engine
        if engine not in made:
            folder = tmp_path_factory.mktemp(f"restored_{engine}")
            made[engine] = Restored(*_restored(protected, folder, reason="evidence"), folder / "files")
        return made[engine]

    return get


def test_an_earlier_snapshot_comes_back_without_what_was_erased(
    protected: Protected, copies: Callable[[Protected], Restored]
) -> None:
    live, document = protected.edms, _document(protected.edms)

    restored = copies(protected)
    result, copy, media = restored.result, restored.copy, restored.files / "media"

    assert result.verdict == "proved" and result.success, result.failures
    masked, deleted, _, missing = result.erasures
    assert (masked.masked, masked.deleted) == (1, 0) and not missing.found and deleted.deleted > 1
    person = "SELECT username, first_name, last_name, email FROM users_user WHERE employee_id = 'E-00002'"
    ((username, first, last, email),) = query(copy, person)
    ((was_username, was_first, was_last, was_email),) = query(live, person)
    assert not {username, first, last, email} & {was_username, was_first, was_last, was_email}
    assert email.endswith("@masked.invalid")
    # Everything else is as it was.
    others = "SELECT * FROM users_user WHERE employee_id NOT IN ('E-00001', 'E-00002') ORDER BY id"
    assert query(copy, others) == query(live, others)
    kept = "SELECT id, is_active, date_joined, department FROM users_user ORDER BY id"
    assert query(copy, kept) == query(live, kept)
    for table in ("documents_documentcomment", "documents_documentversion", "documents_document_reviewers"):
        left = f"SELECT * FROM {table} WHERE document_id <> {document} ORDER BY id"
        assert query(copy, left) == query(live, left)
        assert query(copy, f"SELECT count(*) FROM {table} WHERE document_id = {document}") == [(0,)]
    assert query(copy, f"SELECT count(*) FROM documents_document WHERE id = {document}") == [(0,)]
    left = f"SELECT id, title, author_id FROM documents_document WHERE id <> {document} ORDER BY id"
    assert query(copy, left) == query(live, left)
    ((file,),) = query(live, f"SELECT file FROM documents_document WHERE id = {document}")
    assert (live.media / file).exists() and not (media / file).exists()
    others_files = {path.relative_to(live.media) for path in live.media.rglob("*") if path.is_file()}
    copied = {path.relative_to(media) for path in media.rglob("*") if path.is_file()}
    gone = {str(one) for one in others_files - copied}
    named = query(live, f"SELECT file FROM documents_documentversion WHERE document_id = {document} AND file <> ''")
    named += query(live, f"SELECT file FROM documents_documentattachment WHERE document_id = {document} AND file <> ''")
    assert gone <= {file, *(one for (one,) in named)} and not copied - others_files


def test_search_indexes_do_not_hold_the_words_of_erased_rows(
    systems: OnePerEngine[Protected], copies: Callable[[Protected], Restored]
) -> None:
    protected = systems("sqlite")
    restored = copies(protected)
    result, copy = restored.result, restored.copy
    assert result.success and any("come back empty: words, people." in note for note in result.notes), result.notes
    assert query(protected.edms, "SELECT count(*) FROM words") != query(copy, "SELECT count(*) FROM words") == [(0,)]
    for found in (protected.edms, copy):
        expected = [(1,)] if found is protected.edms else [(0,)]
        assert query(found, "SELECT count(*) FROM people WHERE people MATCH 'user0002'") == expected
    role = "SELECT count(*) FROM roles WHERE roles MATCH (SELECT '\"' || name || '\"' FROM users_role LIMIT 1)"
    assert query(copy, role) == query(protected.edms, role) != [(0,)]


def test_the_report_and_the_log_say_which_erasures_and_no_names(
    protected: Protected, copies: Callable[[Protected], Restored]
) -> None:
    result = copies(protected).result
    page, facts = result.report_html.read_text(encoding="utf-8"), result.report_json.read_text(encoding="utf-8")
    assert (
        "request 17" in page
        and "1 row masked" in page
        and "no row with this key is in this snapshot" in page + str(result.notes)
    )
    assert "without what was erased since then" in page
    records = "".join(path.read_text() for path in (protected.repository / "records").iterdir())
    for text in (page, facts, records, str(result.as_json())):
        assert "user0002" not in text and "nobody" not in text
    assert '"erasures"' in "".join(path.read_text() for path in (protected.repository / "log").rglob("*.json"))


def test_the_ledger_is_not_skipped_without_a_word(protected: Protected, tmp_path: Path) -> None:
    result, copy = _restored(protected, tmp_path, without_erasures="an audit of last year")
    assert any("NOT APPLIED: an audit of last year" in note for note in result.notes)
    assert query(copy, "SELECT count(*) FROM users_user WHERE username = 'user0002'") == [(1,)]
    log = "".join(path.read_text() for path in (protected.repository / "log").rglob("*.json"))
    assert '"without_erasures": "an audit of last year"' in log


@pytest.mark.long
def test_fixtures_hold_neither_erased_rows_nor_values_nor_files(
    systems: OnePerEngine[Protected], tmp_path: Path
) -> None:
    protected = systems("sqlite")
    document = _document(protected.edms)
    ((file,),) = query(protected.edms, f"SELECT file FROM documents_document WHERE id = {document}")
    (named, other) = query(
        protected.edms, "SELECT id, email FROM users_user WHERE username LIKE 'user000_' ORDER BY 1"
    )[:2]
    rows = {}
    for name, skipped in (("left", ""), ("all", "an inspection")):
        request = FixtureRequest(target=str(tmp_path / name), without_erasures=skipped)
        exported = export_fixtures.fn(Run(protected.settings), request)
        rows[name] = _fixture(tmp_path / name / "data.jsonl")
        assert any(("NOT APPLIED: an inspection" if skipped else "request 17") in note for note in exported.notes)

    assert rows["all"]["users.user", named[0]]["email"] == named[1]
    assert str(rows["left"]["users.user", named[0]]["email"]).endswith("@masked.invalid")
    assert rows["left"]["users.user", other[0]]["username"] != "user0002"
    assert ("documents.document", document) in rows["all"].keys() - rows["left"].keys()
    assert not rows["left"].keys() - rows["all"].keys()
    assert [(tmp_path / name / "files/media" / file).exists() for name in rows] == [False, True]
    skipped_entry, entry = list(Repository.open(protected.settings.repository).log.backwards())[:2]
    assert skipped_entry.facts["without_erasures"] == "an inspection"
    assert len(entry.facts["erasures"]) == 4


def _fixture(path: Path) -> dict[tuple[str, int], dict[str, object]]:
    found = [json.loads(line) for line in path.read_text().split("\n") if line]
    return {(one["model"], one["pk"]): one["fields"] for one in found}


def test_erasures_say_how_many_snapshots_are_older(protected: Protected) -> None:
    found = listed(protected.settings)
    assert [len(one.older) for one in found.lines] == [1, 1, 1, 1] and found.doubts == ()
    assert "1 snapshot," in found.lines[0].still_in
    assert "user0002" not in str([one.as_json() for one in found.lines])


def test_a_lost_erasure_is_missed_even_if_it_was_the_last(systems: OnePerEngine[Protected], tmp_path: Path) -> None:
    protected = systems("sqlite")
    erasures = Repository.open(protected.settings.repository).records.read().erasures
    last = max((at.at, name) for name, at in erasures.items() if at.reason != "none")[1]
    path = next(path for path in (protected.repository / "records").iterdir() if path.name.startswith(last[:12]))
    content = path.read_bytes()
    path.unlink()
    try:
        with pytest.raises(DamagedRepository, match=f"{last[:12]} is in the log, and not in the ledger"):
            _restored(protected, tmp_path)
        assert any(last[:12] in doubt and "lost" in doubt for doubt in listed(protected.settings).doubts)
    finally:
        path.write_bytes(content)


def test_a_planned_restore_and_a_prune_say_what_was_erased(systems: OnePerEngine[Protected], tmp_path: Path) -> None:
    settings = systems("sqlite").settings
    plan = run_restore_plan(settings, into=str(tmp_path / "planned.sqlite3"), into_files=tmp_path)
    assert len([note for note in plan.notes if note.endswith("again.") and "request 1" in note]) == 3, plan.notes
    assert "user0002" not in str(plan.notes)
    (note,) = prune.fn(Run(settings), PruneRequest(dry_run=True, keep_last=1)).notes
    assert "may still be in 1 of the snapshots that stay" in note


def test_records_without_a_body_are_signed_as_they_were_before_there_were_any() -> None:
    old = b'{"kind": "hold", "repository": "r", "at": "2026-01-01T00:00:00Z", "by": "a", "host": "h"}'
    assert b"body" not in Record.model_validate_json(old).message
    assert b"body" not in Record.model_validate_json(old).to_json()


@pytest.mark.long
def test_a_merge_does_not_bring_deleted_rows_back(edms_factory: ReferenceEdmsFactory, tmp_path: Path) -> None:
    edms = edms_factory("sqlite", documents=3, seed=1)
    protected = encrypt(protect(edms, tmp_path))
    first = protected.backup()
    ((comment,),) = query(edms, "SELECT id FROM documents_documentcomment WHERE parent_id IS NULL ORDER BY id LIMIT 1")
    record(protected.settings, f"documents.DocumentComment:id={comment}", [], reason="request 18", by=None)
    execute(edms, f"DELETE FROM documents_documentcomment WHERE id = {comment} OR parent_id = {comment}")
    execute(edms, "DELETE FROM documents_documentversion")

    result = run_merge(protected.settings, snapshot=first.snapshot_id)

    assert result.done and any("request 18" in note and "deleted" in note for note in result.notes)
    assert query(edms, f"SELECT count(*) FROM documents_documentcomment WHERE id = {comment}") == [(0,)]
    assert query(edms, "SELECT count(*) FROM documents_documentversion")[0][0] > 0
    record(protected.settings, "users.User:user0001", ["email=email"], reason="request 19", by=None)
    with pytest.raises(CheckFailed, match="cannot be merged"):
        run_merge(protected.settings, snapshot=first.snapshot_id)


@pytest.mark.long
def test_what_cannot_be_meant_is_refused(
    backed_up: BackedUpSystems, edms_factory: ReferenceEdmsFactory, tmp_path: Path
) -> None:
    with pytest.raises(CommandError, match="encrypted repositories only"):
        record(backed_up("sqlite").protected.settings, "users.User:user0001", [], reason="x", by=None)
    protected = encrypt(protect(edms_factory("sqlite", documents=3, seed=1), tmp_path))
    protected.backup()
    for row, columns, what in (
        ("users.Usr:x", [], "no model or table 'users.Usr'"),
        ("users.User", [], "does not name a row"),
        ("users.User:a,b", [], "does not name one row"),
        ("users.User:nick=x", [], "no column 'nick'"),
        ("users.User:x", [], "No snapshot has such a row"),
        ("users.User:USER0001", [], "No snapshot has such a row"),
        ("users.User:x", ["email"], "what becomes of a column"),
        ("users.User:x", ["emial=email"], "no column 'emial'"),
        ("users.User:x", ["manager_id=null"], "refers to another row"),
    ):
        with pytest.raises(CommandError, match=what):
            record(protected.settings, row, columns, reason="request", by=None)
    with pytest.raises(CommandError, match="needs a reason"):
        record(protected.settings, "users.User:x", [], reason=" ", by=None)
    # A user who is the author of documents is protected by them.
    ((author,),) = query(
        protected.edms, "SELECT u.username FROM users_user u JOIN documents_document d ON d.author_id = u.id LIMIT 1"
    )
    record(protected.settings, f"users.User:{author}", [], reason="request 20", by=None)
    with pytest.raises(CheckFailed, match="cannot be applied again"):
        _restored(protected, tmp_path)
    # Erasing columns of the same row takes its place, also if it is named by another column.
    ((number,),) = query(protected.edms, f"SELECT employee_id FROM users_user WHERE username = '{author}'")
    record(protected.settings, f"users.User:employee_id={number}", ["email=email"], reason="request 20", by=None)
    result, _ = _restored(protected, tmp_path)
    assert result.success and [(one.deleted, one.masked) for one in result.erasures] == [(0, 0), (0, 1)]
    assert any("a later erasure of the same row took its place" in note for note in result.notes)


@pytest.mark.long
def test_what_protects_a_row_can_be_erased_after_it(edms_factory: ReferenceEdmsFactory, tmp_path: Path) -> None:
    edms = edms_factory("sqlite", documents=3, seed=1)
    execute(edms, "DELETE FROM documents_documentdependency", "UPDATE documents_document SET supersedes_id = NULL")
    protected = encrypt(protect(edms, tmp_path))
    protected.backup()
    ((document,),) = query(edms, "SELECT document_id FROM security_electronicsignature LIMIT 1")
    record(protected.settings, f"documents.Document:id={document}", [], reason="first", by=None)
    record(
        protected.settings,
        f"security.ElectronicSignature:document={document}",
        [],
        reason="second",
        by=None,
        several=True,
    )
    result, copy = _restored(protected, tmp_path)
    assert result.success and [one.deleted > 0 for one in result.erasures] == [True, True]
    assert query(copy, f"SELECT count(*) FROM documents_document WHERE id = {document}") == [(0,)]


def test_a_snapshot_in_which_an_erased_column_has_another_name_is_refused(
    edms_factory: ReferenceEdmsFactory, tmp_path: Path
) -> None:
    protected = encrypt(protect(edms_factory("sqlite", documents=3, seed=1), tmp_path))
    protected.backup()
    person = record(protected.settings, "users.User:user0001", ["email=email"], reason="request", by=None).erased
    for change in ({"columns": {"e_mail": "email"}}, {"row": {"login": "user0001"}}):
        renamed = person.model_copy(update=change)
        record_erasure(
            Repository.open(protected.settings.repository), protected.settings.workdir, renamed, reason="x", by="Ann"
        )
        with pytest.raises(CheckFailed, match=r"has no column (e_mail|login) in this snapshot"):
            _restored(protected, tmp_path)


@pytest.mark.long  # of other rows, above
def test_the_row_of_an_inherited_model_is_deleted_with_its_child(
    edms_factory: ReferenceEdmsFactory, tmp_path: Path
) -> None:
    edms = edms_factory("sqlite", documents=3, seed=1)
    protected = encrypt(protect(edms, tmp_path))
    protected.backup()
    ((child,),) = query(edms, "SELECT min(documenttemplate_ptr_id) FROM placeholders_controlledtemplate")
    named = f"placeholders.ControlledTemplate:documenttemplate_ptr={child}"
    record(protected.settings, named, [], reason="request", by=None)
    result, copy = _restored(protected, tmp_path)
    assert result.success and result.erasures[0].deleted >= 2
    for table, column in (("controlledtemplate", "documenttemplate_ptr_id"), ("documenttemplate", "id")):
        counted = f"SELECT count(*) FROM placeholders_{table} WHERE {column} = {child}"
        assert (query(edms, counted), query(copy, counted)) == ([(1,)], [(0,)])
