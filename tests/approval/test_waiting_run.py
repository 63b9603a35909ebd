"""A run that waits, as the work folder remembers it."""

from __future__ import annotations

import stat
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from edms_tasks.errors import TerminalError
from flows.approval.waiting_run import WaitingRun, WaitingRuns, recorded
from flows.requests import RestoreRequest
from flows.running.approvals import Approval

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


def waiting() -> WaitingRun:
    return WaitingRun(1, NOW, recorded(RestoreRequest(confirm=True)), "abc", {"snapshot": "abc"})


def test_it_is_there_after_a_restart_with_who_approved(tmp_path: Path) -> None:
    runs = WaitingRuns(tmp_path / "approvals")
    known = waiting().approved_by(Approval("anna", NOW, True, "yes"))

    runs.write("run-1", known)

    assert WaitingRuns(tmp_path / "approvals").read("run-1") == known
    assert runs.read("run-2") is None
    assert stat.S_IMODE((tmp_path / "approvals" / "run-1.json").stat().st_mode) == 0o600


def test_a_damaged_record_stops_the_run(tmp_path: Path) -> None:
    runs = WaitingRuns(tmp_path)
    (tmp_path / "run-1.json").write_text('{"number": 1}')

    with pytest.raises(TerminalError, match="nothing was changed"):
        runs.read("run-1")


def test_it_expires_after_the_plan_or_the_last_approval() -> None:
    later = Approval("anna", NOW + timedelta(hours=2), True)

    assert waiting().expires(timedelta(hours=1)) == NOW + timedelta(hours=1)
    assert waiting().approved_by(later).expires(timedelta(hours=1)) == NOW + timedelta(hours=3)


@pytest.mark.parametrize("changed", [{"snapshot": "other"}, {"drop_unknown": True}, {"salvage": True}, {"wait": False}])
def test_every_changed_parameter_shows(changed: dict[str, object]) -> None:
    request = RestoreRequest(confirm=True)

    assert recorded(replace(request, **changed)) != recorded(request)  # type: ignore[arg-type]
    assert recorded(replace(request)) == recorded(request)
