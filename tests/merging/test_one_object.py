"""One deleted document comes back into a living system, with what belongs to it, and nothing else changes."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pytest

from edms_tasks.errors import CommandError
from edms_tasks.merging.selection import Selector
from flows.merge import MergeResult
from flows.running.flow_decorators import Task
from flows.running.threads import ThreadRunner
from flows.tasks.merge_tasks import choose_rows
from tests.independent_comparison import differences, picture
from tests.reference_system import EdmsTemplates, ReferenceEdms
from tests.running import Protected, protect, run_merge

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("edms_asked_once")]


def merge(
    protected: Protected,
    *only: str,
    runner: ThreadRunner | None = None,
    with_dependents: bool = False,
    dry_run: bool = False,
) -> MergeResult:
    return run_merge(
        protected.settings,
        runner,
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


@dataclass(frozen=True)
class Deleted:
    """A system that lost a document since its backup, and what it was before."""

    protected: Protected
    number: str
    version: str
    before: dict[str, object]


@pytest.fixture(scope="module")
def deleted(tmp_path_factory: pytest.TempPathFactory, _edms_templates: EdmsTemplates) -> Deleted:
    """The document is missing until the last test here; plans change nothing."""
    folder = tmp_path_factory.mktemp("one_object")
    edms = _edms_templates.copy(_edms_templates.get("sqlite", 20, 1), folder / "edms", "unused")
    protected = protect(edms, folder)
    document, number, major, minor = pick(edms)
    protected.backup(tag="mine")
    before = picture(edms)
    lost = delete(edms, document)
    assert len(lost) > 2
    assert len(differences(before, picture(edms))) > 2
    return Deleted(protected, number, f"{number},{major},{minor}", before)


NOT_THERE = {
    "documents.Dokument:SOP-0001": "There is no model",
    "documents.Document:nummer=SOP-0001": "has no column",
    "documents.Document:no such number": "The snapshot has no documents.Document 'no such number'",
    "documents.Document:number=no such number": "The snapshot has no documents.Document 'number=no such number'",
}


class AskedForOthersFirst(ThreadRunner):
    """A runner that, where rows are chosen, first asks for others that are not there, and keeps what is said of each."""

    def __init__(self) -> None:
        super().__init__()
        self.said: dict[str, str] = {}

    def call(self, task: Task[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        if task is choose_rows:
            matched, _, *more, folder = args
            there = Selector.parse("documents.Document:number=*")
            for number, only in enumerate(NOT_THERE):
                # What another selector finds in the same table is no answer for this one.
                with pytest.raises(CommandError) as refused:
                    super().call(
                        task, matched, [there, Selector.parse(only)], *more, folder.with_name(f"others-{number}")
                    )
                self.said[only] = str(refused.value)
        return super().call(task, *args, **kwargs)


@pytest.mark.long
def test_without_dependents_only_the_document_is_merged_and_unknown_objects_are_refused(
    deleted: Deleted,
) -> None:
    runner = AskedForOthersFirst()
    result = merge(deleted.protected, f"documents.Document:number={deleted.number}", runner=runner, dry_run=True)

    brought = {model.model: model.insert for model in result.plan.models if model.insert}
    assert brought.pop("documents.Document") == 1
    assert set(brought) <= {"documents.Document_reviewers"}
    assert [(root.add, root.replace) for root in result.plan.files if root.add or root.replace] == [(1, 0)]

    for only, said in NOT_THERE.items():
        assert said in runner.said[only]
    with pytest.raises(CommandError, match="does not name an object"):
        merge(deleted.protected, "documents.Document", dry_run=True)


@pytest.mark.long
def test_a_deleted_document_is_restored_with_its_dependents(deleted: Deleted) -> None:
    result = merge(deleted.protected, f"documents.Document:{deleted.version}", with_dependents=True)

    assert result.plan.conflicts == ()
    assert result.done
    # Its old ids are free, so it gets them back: the system is as it was, to the last byte.
    assert differences(deleted.before, picture(deleted.protected.edms)) == []
