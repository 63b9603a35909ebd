"""The reference EDMS, on both engines: what it is made with is found, counted as the database counts it, and no more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edms_tasks.settings import load_settings
from flows.doctor import Examined
from tests.direct_access import query
from tests.independent_comparison import picture
from tests.reference_system import Engine, ReferenceEdms, ReferenceEdmsFactory
from tests.running import run_doctor


def _examined(edms: ReferenceEdms, folder: Path) -> Examined:
    settings = load_settings(edms.settings_file(folder / "edms-backup.toml", folder / "repository"))
    return run_doctor(settings)


def _one(edms: ReferenceEdms, statement: str) -> Any:
    return query(edms, statement)[0][0]


@pytest.mark.parametrize("engine", ["sqlite", pytest.param("postgresql", marks=pytest.mark.long)])
def test_every_problem_of_the_reference_edms_is_found_and_nothing_is_changed(
    engine: Engine, edms_factory: ReferenceEdmsFactory, tmp_path: Path
) -> None:
    edms = edms_factory(engine, documents=60)
    before = picture(edms), edms.database_path.read_bytes() if engine == "sqlite" else b""

    examined = _examined(edms, tmp_path)

    assert (picture(edms), edms.database_path.read_bytes() if engine == "sqlite" else b"") == before
    assert not (tmp_path / "repository").exists()
    assert not any((tmp_path / "work").iterdir())

    # Ids above a million million belong to nothing, nor does what is no number; all other entries point at real rows.
    nowhere = "object_id LIKE '10000000%' OR object_id = 'no such id'"
    files = [path.relative_to(edms.media).as_posix() for path in edms.media.rglob("*") if path.is_file()]
    named = [
        row[0]
        for table, column in (
            ("documents_document", "file"),
            ("documents_documentversion", "file"),
            ("documents_documentattachment", "file"),
            ("placeholders_documenttemplate", "file"),
        )
        for row in query(edms, f"SELECT {column} FROM {table} WHERE {column} <> ''")
    ]
    paths = [row[0] for row in query(edms, "SELECT archive_path FROM documents_document WHERE archive_path <> ''")]
    expected = {
        ("warning", "dangling-reference", "audit.AuditTrail.content_object"): _one(
            edms, f"SELECT count(*) FROM audit_audittrail WHERE content_type_id IS NOT NULL AND ({nowhere})"
        ),
        ("info", "generic-look-alike", "admin.LogEntry.content_type + object_id"): _one(
            edms, "SELECT count(object_id) FROM django_admin_log WHERE content_type_id IS NOT NULL"
        ),
        ("info", "generic-look-alike", "audit.SystemEvent.content_type + object_id"): _one(
            edms, "SELECT count(object_id) FROM audit_systemevent WHERE content_type_id IS NOT NULL"
        ),
        ("info", "no-natural-key", "admin.LogEntry"): 1,
        ("info", "no-natural-key", "audit.SystemEvent"): 1,
        ("info", "no-natural-key", "django_migrations"): 1,
        ("warning", "missing-file", "documents.Document.file"): len([name for name in named if name not in files]),
        ("info", "path-column", "documents.Document.archive_path"): len([name for name in paths if name in files]),
        ("info", "orphan-files", "files of media"): len(set(files) - {*named, *paths}),
    }
    said = {(one.severity, one.code, one.subject): one.count for one in examined.diagnosis.assessments}
    assert said == {what: count for what, count in expected.items() if count}
    assert examined.diagnosis.healthy
    assert examined.files == len(files)
    # What the shipped profile says of these already.
    told = examined.as_json()
    assert told["profile"]["name"] == "reference-edms"
    answered = [one["subject"] for one in told["findings"] if one["answered_by_profile"]]
    assert answered == ["audit.SystemEvent.content_type + object_id"]
    assert told["profile"]["answers"] == len(answered)


@pytest.mark.long
def test_rows_that_break_a_foreign_key_are_an_error(edms_factory: ReferenceEdmsFactory, tmp_path: Path) -> None:
    from tests.direct_access import execute

    edms = edms_factory("postgresql")
    rows = _one(edms, "SELECT count(*) FROM documents_documentversion WHERE document_id = 1")
    execute(edms, "DELETE FROM documents_document WHERE id = 1")

    examined = _examined(edms, tmp_path)

    broken = {one.subject: one.count for one in examined.diagnosis.assessments if one.severity == "error"}
    assert rows
    assert broken["documents.DocumentVersion.document_id"] == rows
    assert not examined.diagnosis.healthy
