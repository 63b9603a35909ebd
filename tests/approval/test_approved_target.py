"""An approval holds for the place that the plan was made for."""

from __future__ import annotations

from pathlib import Path

import pytest

from edms_tasks.errors import NotApproved
from edms_tasks.inventory.probe_report import ProbeReport
from edms_tasks.inventory.run_probe import run_probe
from edms_tasks.settings import Settings
from flows.approval.approved_target import KnownTarget
from flows.running.run import Run
from tests.backed_up import BackedUpSystems


def test_another_database_or_folder_is_not_what_was_approved(backed_up: BackedUpSystems, tmp_path: Path) -> None:
    settings = backed_up("sqlite").protected.settings
    report = run_probe(settings)
    planned = KnownTarget(Run(settings, ask=lambda _: report)).lines()
    database, *others = report.databases
    (root, *more) = report.file_roots
    elsewhere = [
        report.model_copy(
            update={"databases": (database.model_copy(update={"name": str(tmp_path / "other.sqlite3")}), *others)}
        ),
        report.model_copy(update={"file_roots": (root.model_copy(update={"path": str(tmp_path)}), *more)}),
    ]

    KnownTarget(Run(settings, ask=lambda _: report)).require(planned)
    for moved in elsewhere:
        with pytest.raises(NotApproved, match="nothing was changed"):
            KnownTarget(Run(settings, ask=lambda _, moved=moved: moved)).require(planned)  # type: ignore[misc]


def test_the_verb_gets_the_answer_that_was_approved(backed_up: BackedUpSystems) -> None:
    settings = backed_up("sqlite").protected.settings
    report, asked = run_probe(settings), []

    def ask(one: Settings) -> ProbeReport:
        asked.append(one)
        return report

    place = KnownTarget(Run(settings, ask=ask))
    place.lines()

    assert place.knowing.ask(settings) is report
    assert len(asked) == 1
