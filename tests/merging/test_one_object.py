"""One deleted document comes back into a living system, with what belongs to it, and nothing else changes."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from edms_tasks.errors import CommandError
from flows.merge import MergeResult
from tests.independent_comparison import differences, picture
from tests.reference_system import ReferenceEdms, ReferenceEdmsFactory
from tests.running import Protected, protect, run_merge

pytestmark = pytest.mark.slow


def merge(protected: Protected, *only: str, with_dependents: bool = False, dry_run: bool = False) -> MergeResult:
    return run_merge(
        protected.settings,
        snapshot="mine",
        only=only,
        with_dependents=with_dependents,
        dry_run=dry_run,
    )


def pick(edms: ReferenceEdms) -> tuple[int, str, int, int]:
    """A document with comments, versions and a file that no other document supersedes."""
    with closing(sqlite3.connect(edms.database_path)) as lite:
        row = lite.execute(
            "SELECT id, number, version_major, version_minor FROM documents_document d WHERE "
            "id NOT IN (SELECT supersedes_id FROM documents_document WHERE supersedes_id IS NOT NULL) "
            "AND id IN (SELECT document_id FROM documents_documentcomment) AND id IN (SELECT document_id FROM documents_documentversion) "
            "AND file <> '' ORDER BY id LIMIT 1"
        ).fetchone()
    document, number, major, minor = row
    return int(document), str(number), int(major), int(minor)


def delete(edms: ReferenceEdms, document: int) -> list[str]:
    """Delete it and whatever cannot be without it, as a cascade would; returns the tables that lost rows."""
    with closing(sqlite3.connect(edms.database_path)) as lite:
        lite.execute("PRAGMA foreign_keys = OFF")
        (name,) = lite.execute("SELECT file FROM documents_document WHERE id = ?", (document,)).fetchone()
        lite.execute("DELETE FROM documents_document WHERE id = ?", (document,))
        lost = ["documents_document"]
        # Whoever refers to a row that is gone goes too, and then whoever refers to that one.
        while broken := lite.execute("PRAGMA foreign_key_check").fetchall():
            for table, row, *_ in broken:
                lite.execute(f'DELETE FROM "{table}" WHERE rowid = ?', (row,))
                lost.append(table)
        lite.commit()
    (edms.media / name).unlink()
    return sorted(set(lost))


def test_a_deleted_document_comes_back_with_all_that_belongs_to_it(
    edms_factory: ReferenceEdmsFactory, tmp_path: Path
) -> None:
    edms = edms_factory("sqlite", documents=20)
    protected = protect(edms, tmp_path)
    document, number, major, minor = pick(edms)
    protected.backup(tag="mine")
    before = picture(edms)
    lost = delete(edms, document)
    assert len(lost) > 2
    assert len(differences(before, picture(edms))) > 2

    result = merge(protected, f"documents.Document:{number},{major},{minor}", with_dependents=True)

    assert result.plan.conflicts == ()
    assert result.done
    # Its old ids are free, so it gets them back: the system is as it was, to the last byte.
    assert differences(before, picture(edms)) == []


def test_without_its_dependents_only_the_document_itself_comes_back(
    edms_factory: ReferenceEdmsFactory, tmp_path: Path
) -> None:
    edms = edms_factory("sqlite", documents=20)
    protected = protect(edms, tmp_path)
    document, number, *_ = pick(edms)
    protected.backup(tag="mine")
    delete(edms, document)

    result = merge(protected, f"documents.Document:number={number}", dry_run=True)

    brought = {model.model: model.insert for model in result.plan.models if model.insert}
    assert brought.pop("documents.Document") == 1
    assert set(brought) <= {"documents.Document_reviewers"}
    assert [(root.add, root.replace) for root in result.plan.files if root.add or root.replace] == [(1, 0)]


def test_what_is_not_there_is_said(edms_factory: ReferenceEdmsFactory, tmp_path: Path) -> None:
    protected = protect(edms_factory("sqlite", documents=5), tmp_path)
    protected.backup(tag="mine")

    for only, said in (
        ("documents.Document", "does not name an object"),
        ("documents.Dokument:SOP-0001", "There is no model"),
        ("documents.Document:nummer=SOP-0001", "has no column"),
        ("documents.Document:no such number", "The snapshot has no documents.Document"),
    ):
        with pytest.raises(CommandError, match=said):
            merge(protected, only, dry_run=True)
