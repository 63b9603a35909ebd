"""What the owner cannot fix tonight is a finding, not an end: the backup holds all there is, and all of it comes back."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from edms_tasks.inventory.model import Finding
from flows.backing_up.backup_result import BackupResult
from flows.restoring.restore_result import RestoreResult
from tests.direct_access import execute, query, spoil
from tests.independent_comparison import differences, picture
from tests.reference_system import EdmsTemplates, Engine, ReferenceEdms, ReferenceEdmsFactory
from tests.running import protect

ENGINES: tuple[Engine, ...] = ("sqlite", "postgresql")
UNREADABLE = "documents/only for the director.pdf"
MISSING = "documents/gone.pdf"

TROUBLE = (
    # A table that a model names and the database lacks.
    "DROP TABLE documents_documentdependency",
    # A column more and a column less than the model says.
    "ALTER TABLE documents_documentcomment ADD COLUMN legacy_note varchar(40)",
    "UPDATE documents_documentcomment SET legacy_note = 'kept since 2009'",
    "ALTER TABLE workflows_documenttransition DROP COLUMN comment",
    # Tables that no model owns: one with a key, one without.
    "CREATE TABLE hr_export (badge integer PRIMARY KEY, holder varchar(80), since timestamp)",
    "INSERT INTO hr_export VALUES (7, 'Ada Lovelace', '2019-02-03 04:05:06.000007'), (9, NULL, NULL)",
    "CREATE TABLE scribbles (line text)",
    "INSERT INTO scribbles VALUES ('one'), ('one'), ('')",
    # A row whose file is not there.
    f"UPDATE documents_document SET file = '{MISSING}' WHERE id = (SELECT max(id) FROM documents_document)",
)


@dataclass(frozen=True)
class Troubled:
    """An EDMS with every trouble at once: what it was, its backup, and what came back after it was spoiled."""

    edms: ReferenceEdms
    before: dict[str, object]
    backup: BackupResult
    restored: RestoreResult
    after: dict[str, object]

    def finding(self, code: str, subject: str) -> Finding:
        """The finding, as the manifest has it."""
        found = [f for f in self.backup.manifest.findings if f.code == code and subject in f.subject]
        assert len(found) == 1, [(f.code, f.subject) for f in self.backup.manifest.findings]
        return found[0]


@pytest.fixture(scope="module")
def troubled_systems(
    tmp_path_factory: pytest.TempPathFactory, _edms_templates: EdmsTemplates
) -> Callable[[Engine], Troubled]:
    """Backed up, spoiled and restored once per engine; the tests look at different sides of it."""
    made: dict[Engine, Troubled] = {}

    def get(engine: Engine) -> Troubled:
        if engine not in made:
            folder = tmp_path_factory.mktemp(f"troubled_{engine}")
            factory = ReferenceEdmsFactory(_edms_templates, folder / "installations", f"troubled_{os.getpid()}")
            made[engine] = _back_up_and_restore(factory(engine), folder)
        return made[engine]

    return get


@pytest.fixture(params=[pytest.param("sqlite", marks=pytest.mark.long), "postgresql"])
def troubled(request: pytest.FixtureRequest, troubled_systems: Callable[[Engine], Troubled]) -> Troubled:
    """The troubled system of each engine."""
    return troubled_systems(request.param)


def test_the_backup_succeeds_and_everything_that_was_there_comes_back(troubled: Troubled) -> None:
    assert troubled.backup.verified and troubled.backup.problems == ()
    assert (troubled.restored.success, troubled.restored.promoted, troubled.restored.failures) == (True, True, ())
    # The one file that could not be read is in no snapshot; nothing else may differ.
    before, after = _without(troubled.before, UNREADABLE), _without(troubled.after, UNREADABLE)
    assert differences(before, after) == []


def test_a_model_without_a_table_does_not_stop_the_backup(troubled: Troubled) -> None:
    finding = troubled.finding("model-without-table", "documents.DocumentDependency")

    assert finding.severity == "warning" and "documents_documentdependency" in finding.message


def test_a_column_without_a_field_does_not_stop_the_backup(troubled: Troubled) -> None:
    troubled.finding("column-without-field", "documents_documentcomment.legacy_note")

    notes = query(troubled.edms, "SELECT DISTINCT legacy_note FROM documents_documentcomment")
    assert notes == [("kept since 2009",)]


def test_a_field_without_a_column_does_not_stop_the_backup(troubled: Troubled) -> None:
    finding = troubled.finding("column-missing", "workflows.DocumentTransition.comment")

    assert finding.severity == "warning"


def test_tables_without_a_model_do_not_stop_the_backup(troubled: Troubled) -> None:
    for table in ("hr_export", "scribbles"):
        troubled.finding("table-without-model", table)

    assert query(troubled.edms, "SELECT badge, holder FROM hr_export ORDER BY badge") == [
        (7, "Ada Lovelace"),
        (9, None),
    ]
    assert query(troubled.edms, "SELECT line FROM scribbles ORDER BY line") == [("",), ("one",), ("one",)]


def test_a_missing_file_does_not_stop_the_backup(troubled: Troubled) -> None:
    finding = troubled.finding("missing-file", "documents.Document.file")

    assert MISSING in " ".join(finding.examples)


def test_an_unreadable_file_does_not_stop_the_backup(troubled: Troubled) -> None:
    finding = troubled.finding("file-unreadable", "media")

    assert (finding.severity, finding.count, finding.examples) == ("error", 1, (UNREADABLE,))


def test_the_report_of_the_restore_shows_what_the_backup_found(troubled: Troubled) -> None:
    page = troubled.restored.report_html.read_text(encoding="utf-8")
    findings = json.loads(troubled.restored.report_json.read_text(encoding="utf-8"))["findings"]
    subjects = {finding["code"]: finding["subject"] for finding in findings}

    for code in ("model-without-table", "column-missing", "column-without-field", "missing-file", "file-unreadable"):
        assert subjects[code] in page, code


def test_dangling_references_are_restored_as_they_were(edms_factory: ReferenceEdmsFactory, tmp_path: Path) -> None:
    edms = edms_factory("sqlite")
    protected = protect(edms, tmp_path)
    with closing(sqlite3.connect(edms.database_path)) as connection, connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute(
            "UPDATE documents_documentcomment SET author_id = 999999 "
            "WHERE id = (SELECT min(id) FROM documents_documentcomment)"
        )
    before = picture(edms)

    backup = protected.backup()
    spoil(edms)
    result = protected.restore()

    dangling = [f for f in backup.manifest.findings if f.code == "dangling-reference" and "Comment.author" in f.subject]
    assert [finding.count for finding in dangling] == [1]
    assert result.success and result.failures == ()
    assert differences(before, picture(edms)) == []


def _back_up_and_restore(edms: ReferenceEdms, folder: Path) -> Troubled:
    execute(edms, *TROUBLE)
    (edms.media / UNREADABLE).write_bytes(b"%PDF-1.4 secret")
    protected = protect(edms, folder)
    before = picture(edms)
    with pytest.MonkeyPatch.context() as patch:
        _refuse_to_open(patch, edms.media / UNREADABLE)
        backup = protected.backup(tag="as it is")
    spoil(edms)
    execute(edms, "DROP TABLE hr_export", "DELETE FROM scribbles")
    restored = protected.restore()
    return Troubled(edms, before, backup, restored, picture(edms))


def _refuse_to_open(patch: pytest.MonkeyPatch, forbidden: Path) -> None:
    """As the kernel does for a file of another owner; root, as whom tests may run, is refused nothing."""
    really_open = os.open

    def refusing(path: object, *arguments: object, **options: object) -> int:
        if isinstance(path, (str, bytes, os.PathLike)) and os.fsencode(path) == os.fsencode(forbidden):
            raise PermissionError(13, "Permission denied", os.fspath(forbidden))
        return really_open(path, *arguments, **options)  # type: ignore[arg-type]

    patch.setattr("os.open", refusing)


def _without(whole: dict[str, object], file: str) -> dict[str, object]:
    files = whole["files"]
    assert isinstance(files, dict)
    return {**whole, "files": {name: entry for name, entry in files.items() if name != file}}
