"""What counts as an approval."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from typer.testing import CliRunner

from edms_tasks.approval_settings import ApprovalSettings
from edms_tasks.errors import NotApproved
from flows.approval.answers import TypedApproval, check_answer
from flows.approval.one_time_codes import new_secret
from flows.cli.app import app
from flows.running.approvals import Approval, Approved
from tests.approval.test_one_time_codes import code_at

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
ANNA, BEN = new_secret(), new_secret()
BY_CODE = ApprovalSettings.model_validate({"persons": 2, "approvers": {"anna": ANNA, "ben": BEN}})


def check(answer: TypedApproval, folder: Path, settings: ApprovalSettings = BY_CODE, before: Any = ()) -> Approval:
    return check_answer(answer, edms="plant", settings=settings, before=before, used=folder / "used", now=NOW)


def test_without_approvers_the_name_of_the_edms_and_any_name_approve(tmp_path: Path) -> None:
    approval = check(TypedApproval("plant ", " Anna  Smith", note="TICKET-7"), tmp_path, ApprovalSettings())

    assert approval == Approval("Anna Smith", NOW, False, "TICKET-7")
    assert "not checked" in str(approval)


@pytest.mark.parametrize(
    "answer",
    [
        TypedApproval("", "Anna"),
        TypedApproval("Plant", "Anna"),
        TypedApproval("plant2", "Anna"),
        TypedApproval("plant", " "),
    ],
)
def test_another_name_of_the_edms_or_no_name_refuses(tmp_path: Path, answer: TypedApproval) -> None:
    with pytest.raises(NotApproved, match="nothing was changed"):
        check(answer, tmp_path, ApprovalSettings())


def test_with_approvers_a_code_confirms_the_name(tmp_path: Path) -> None:
    approval = check(TypedApproval("plant", "anna", code_at(ANNA, NOW.timestamp())), tmp_path)

    assert (approval.by, approval.checked) == ("anna", True)


def test_somebody_else_and_somebody_elses_code_refuse(tmp_path: Path) -> None:
    now = NOW.timestamp()

    for answer in (
        TypedApproval("plant", "carl", code_at(ANNA, now)),
        TypedApproval("plant", "ben", code_at(ANNA, now)),
        TypedApproval("plant", "anna"),
    ):
        with pytest.raises(NotApproved):
            check(answer, tmp_path)


def test_four_eyes_are_of_two_people(tmp_path: Path) -> None:
    first = check(TypedApproval("plant", "anna", code_at(ANNA, NOW.timestamp())), tmp_path)

    with pytest.raises(NotApproved, match="another person"):
        check(TypedApproval("plant", "anna", code_at(ANNA, NOW.timestamp() - 60)), tmp_path, before=[first])
    with pytest.raises(NotApproved, match="another person"):
        check(TypedApproval("plant", "Anna", code_at(ANNA, NOW.timestamp() - 60)), tmp_path, before=[first])
    second = check(TypedApproval("plant", "ben", code_at(BEN, NOW.timestamp())), tmp_path, before=[first])
    assert second.by == "ben"


@pytest.mark.parametrize("approvers", [{}, {"anna": ANNA}])
def test_four_eyes_need_two_who_can_be_told_apart(approvers: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="second person"):
        ApprovalSettings.model_validate({"persons": 2, "approvers": approvers})


def test_what_is_done_is_what_was_approved() -> None:
    approved = Approved("abc", ())

    approved.require("abc")
    with pytest.raises(NotApproved, match="abc"):
        approved.require("abd")


@pytest.mark.parametrize("name", ['Anna "x"', "  Änne Müller-Lüdenscheid ", "a\\b", "anna = 1 # x"])
def test_the_line_of_an_approver_can_be_pasted_into_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / "edms-backup.toml").write_text("")
    monkeypatch.chdir(tmp_path)
    shown = CliRunner().invoke(app, ["approver", name])
    pasted = shown.stdout[shown.stdout.index("[approval.approvers]") :]
    assert [*tomllib.loads(pasted)["approval"]["approvers"]] == [name.strip()]


def test_an_approver_has_a_name_of_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "edms-backup.toml").write_text("")
    monkeypatch.chdir(tmp_path)
    assert "line break" in CliRunner().invoke(app, ["approver", "anna\nben"]).stderr
    assert "It is empty" in CliRunner().invoke(app, ["approver", " "]).stderr
