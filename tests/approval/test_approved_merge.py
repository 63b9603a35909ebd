"""A merge does what was approved: if the live system has changed since, so that it would do something else, it does nothing."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from edms_tasks.errors import NotApproved
from flows.approval.proposal import CHANGES_SHOWN
from flows.merge import MergeResult, merge
from flows.merging.merge_proposal import proposal_of
from flows.requests import MergeRequest
from flows.running.approvals import Approved
from flows.running.run import Run
from tests.inventory.small_project import small_system
from tests.running import run_backup

pytestmark = pytest.mark.usefixtures("edms_asked_once")


def test_a_merge_that_would_overwrite_more_than_was_approved_does_nothing(tmp_path: Path) -> None:
    settings = small_system(tmp_path, "", natural_keys={"paper": ["number"]})

    def run(approved: Approved | None, *, dry_run: bool) -> MergeResult:
        request = MergeRequest(snapshot=snapshot, confirm=True, dry_run=dry_run)
        return merge.fn(Run(settings, approved=approved), request)

    def planned() -> Approved:
        plan = run(None, dry_run=True).plan
        return Approved(plan.snapshot_id, (), proposal_of(plan, ()).lines(CHANGES_SHOWN))

    with closing(sqlite3.connect(tmp_path / "project" / "db.sqlite3", isolation_level=None)) as lite:
        lite.executescript(
            "CREATE TABLE paper (id integer PRIMARY KEY, number text NOT NULL UNIQUE, title text);"
            "INSERT INTO paper VALUES (1, 'a', 'one'), (2, 'b', 'two')"
        )
        snapshot = run_backup(settings).snapshot_id
        lite.execute("UPDATE paper SET title = 'other' WHERE id = 1")
        approved = planned()
        lite.execute("UPDATE paper SET title = 'newer' WHERE id = 2")

        with pytest.raises(NotApproved, match=r"Rows that would be overwritten: 2"):
            run(approved, dry_run=False)
        assert lite.execute("SELECT title FROM paper ORDER BY id").fetchall() == [("other",), ("newer",)]

        agreed = planned()
        assert run(agreed, dry_run=False).done
        assert run(agreed, dry_run=False).plan.writes == 0  # a retry of a run that failed after it had merged
        assert lite.execute("SELECT title FROM paper ORDER BY id").fetchall() == [("one",), ("two",)]
