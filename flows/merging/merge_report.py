"""The report of a merge, or of its plan."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from importlib import metadata
from typing import TYPE_CHECKING

from edms_tasks.report.page import keep_page, render
from edms_tasks.repository import Repository
from flows.evidence.artifacts import leave_merge
from flows.evidence.reports import new_page
from flows.running.run import Run

if TYPE_CHECKING:
    from flows.merge import MergeResult


def report_merge(run: Run, repository: Repository, result: MergeResult) -> MergeResult:
    """Write the evidence: a page, the same as JSON, and Prefect's artifacts."""
    page = new_page(run.settings, "merge")
    shown = replace(result, report=page)
    made, version = datetime.now(UTC), metadata.version("edms-backup")
    place = {"id": repository.identity, "place": repository.display, "log_before": ""}
    origin = {**run.origin.as_json(), "repository": place}
    text = render("merge.html.j2", result=shown, run=origin, made=made, version=version)
    keep_page(page, text, shown.as_json())
    leave_merge(run, shown)
    run.evidence.page, run.evidence.details = page, {"merge": shown.as_json()}
    return shown
