"""Conversions that are stopped, that meet a file they may not read, or whose snapshot is not verified."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from edms_tasks.errors import CheckFailed
from edms_tasks.legacy.formats import recognise
from edms_tasks.legacy.old_backup import OldBackup, Reader, Recognised
from flows.convert import ConvertResult, convert
from flows.convert_all import convert_all
from flows.requests import ConvertRequest
from flows.running.run import Run
from tests.backed_up import BackedUpSystems
from tests.legacy.test_fixture_reader import ROWS


def test_a_stopped_run_over_many_backups_forgets_none_that_an_earlier_one_has_done(
    backed_up: BackedUpSystems, tmp_path: Path
) -> None:
    settings = backed_up("sqlite").protected.settings
    (tmp_path / "years").mkdir()
    for name in ("2019.json", "2020.json", "2021.json"):
        (tmp_path / "years" / name).write_text(json.dumps(ROWS))
    request = ConvertRequest(path=str(tmp_path / "years"), inspect=True)
    convert_all.fn(Run(settings), request)
    for name in ("2018.json", "2022.json"):
        (tmp_path / "years" / name).write_text(json.dumps(ROWS))

    class Stopping(Run):
        def say(self, text: str) -> None:
            if text == "2022.json":
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert_all.fn(Stopping(settings), request)

    # The first of the two was looked at by the stopped run, the last is by this one.
    assert convert_all.fn(Run(settings), request).known == 4


def test_what_was_not_converted_is_tried_again(
    backed_up: BackedUpSystems, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A later release may know its format, and what was wrong may have been the EDMS's code."""
    settings = backed_up("sqlite").protected.settings
    for name in ("2019.json", "2020.json", "2021.json"):
        (tmp_path / name).write_text(json.dumps(ROWS))
    request = ConvertRequest(path=str(tmp_path), inspect=True)

    def refusing(run: Run, one: ConvertRequest) -> ConvertResult:
        if one.path is not None and one.path.endswith("2020.json"):
            raise CheckFailed("The EDMS's migrations fail.")
        return convert.fn(run, one)

    with monkeypatch.context() as before:
        before.setattr("flows.convert_all.recognise", lambda path: recognise(path) if "2019" not in path.name else [])
        before.setattr("flows.convert_all.convert", SimpleNamespace(fn=refusing))
        first = convert_all.fn(Run(settings), request)
    second = convert_all.fn(Run(settings), request)

    assert [one.outcome for one in first.made] == ["no known format", "unreadable", "inspected"]
    assert [one.outcome for one in second.made] == ["inspected"] * 3
    assert second.known == 1


def test_one_that_cannot_be_read_does_not_end_the_run_over_the_others(
    backed_up: BackedUpSystems, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "years" / "closed").mkdir(parents=True)
    for name in ("2019.json", "2020.json"):
        (tmp_path / "years" / name).write_text(json.dumps(ROWS))

    def refusing(path: Path) -> list[tuple[Reader, Recognised]]:
        if path.name in ("2019.json", "closed"):  # root may read everything
            raise PermissionError(13, "Permission denied", str(path))
        return recognise(path)

    monkeypatch.setattr("flows.convert_all.recognise", refusing)
    found = convert_all.fn(
        Run(backed_up("sqlite").protected.settings), ConvertRequest(path=str(tmp_path / "years"), inspect=True)
    )

    assert {one.name: one.outcome for one in found.made} == {
        "2019.json": "failed",
        "2020.json": "inspected",
        "closed": "failed",
    }
    assert [one.name for one in found.incomplete] == ["2019.json", "closed"]
    assert "Permission denied" in found.incomplete[0].why


def test_a_snapshot_of_an_old_backup_that_was_not_verified_is_no_success(backed_up: BackedUpSystems) -> None:
    made = replace(backed_up("sqlite").first, verified=False, problems=("2 objects are damaged",))
    recognised = Recognised("dumpdata", "a fixture", "certain", ())
    old = OldBackup(recognised)
    result = ConvertResult(Path("old.json"), old, (), (), snapshot_id=made.snapshot_id, made=made)

    shortfall = result.shortfall()

    assert not result.success
    assert shortfall is not None and shortfall.problems == ("2 objects are damaged",)
