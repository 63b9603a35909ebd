"""Hooks run around a verb: before it, after it whatever happens, and on errors; also after a kill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from edms_tasks.errors import HookFailed, HookFailedAfterwards, SettingsError, TerminalError
from edms_tasks.settings import Settings, settings_from
from flows.evidence.repository_log import LogFacts
from flows.hooks.with_hooks import with_hooks
from flows.requests import MergeRequest, RestoreRequest
from flows.running.flow_decorators import Shortfall
from flows.running.run import Run
from flows.running.threads import ThreadRunner
from flows.status import hooks_of_killed_runs

_NOTE = """
import os, sys
said = " ".join(f"{k[12:]}={v}" for k, v in sorted(os.environ.items()) if k.startswith("EDMS_BACKUP_") and v and k[12] != "_")
open(sys.argv[1], "a").write(said + "\\n")
"""


@dataclass(frozen=True)
class Done:
    failed: bool = False

    def shortfall(self) -> Shortfall | None:
        return Shortfall("It is not equal.", ()) if self.failed else None

    def log_facts(self) -> LogFacts:
        return LogFacts(not self.failed, snapshot="5" * 64)


class Log:
    """A file in which hooks note what they were told, and the settings with such hooks."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "hooks.log"

    @property
    def note(self) -> list[str]:
        """A hook that notes what it is told."""
        return [sys.executable, "-c", _NOTE, str(self.path)]

    def settings(self, **hooks: Any) -> Settings:
        values = {"workdir": "work", "repository": {"url": "repository"}, "hooks": hooks}
        return settings_from(values, where=self.folder / "edms-backup.toml")

    def lines(self) -> list[str]:
        return self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else []


class Said(ThreadRunner):
    """Keeps the lines that it is to show."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path)


def _restore(run: Run, work: Callable[[], Done], **request: Any) -> Done:
    @with_hooks("restore")
    def verb(run: Run, request: RestoreRequest) -> Done:
        return work()

    return verb(run, RestoreRequest(**{"confirm": True} | request))


def _everywhere(log: Log) -> dict[str, Any]:
    return {f"{moment}_restore": [log.note] for moment in ("before", "after", "error")}


def test_before_and_after_run_around_a_success_and_no_error_hook(log: Log) -> None:
    run = Run(log.settings(**_everywhere(log)))

    _restore(run, Done, snapshot="monday")

    assert log.lines() == [
        "HOOK=before SNAPSHOT=monday VERB=restore",
        f"HOOK=after OUTCOME=success SNAPSHOT={'5' * 64} VERB=restore",
    ]
    assert list((log.folder / "work" / "hooks").iterdir()) == []


def test_after_an_error_the_error_hooks_run_too_and_the_error_stays(log: Log) -> None:
    def fail() -> Done:
        raise TerminalError("The disk is\nfull.")

    with pytest.raises(TerminalError, match="The disk is"):
        _restore(Run(log.settings(**_everywhere(log))), fail)

    before, after, error = log.lines()
    assert before == "HOOK=before SNAPSHOT=latest VERB=restore"
    assert after == "ERROR=The disk is full. HOOK=after OUTCOME=failed SNAPSHOT=latest VERB=restore"
    assert error == after.replace("HOOK=after", "HOOK=error")


def test_a_result_that_falls_short_is_a_failure_for_hooks(log: Log) -> None:
    _restore(Run(log.settings(**_everywhere(log))), lambda: Done(failed=True))

    assert log.lines()[-1].startswith("ERROR=It is not equal. HOOK=error OUTCOME=failed")


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(1), RuntimeError("a bug")])
def test_what_was_stopped_is_started_again_whatever_ends_the_verb(log: Log, error: BaseException) -> None:
    def end() -> Done:
        raise error

    with pytest.raises(type(error)):
        _restore(Run(log.settings(**_everywhere(log))), end)

    assert any("HOOK=after" in line for line in log.lines())


def test_a_failing_hook_before_stops_the_verb_and_what_was_stopped_is_started(log: Log) -> None:
    begun: list[int] = []
    hooks = {"before_restore": [log.note, "false", log.note], "after_restore": [log.note]}

    with pytest.raises(HookFailed, match="nothing was begun") as failed:
        _restore(Run(log.settings(**hooks)), lambda: begun.append(1) or Done())  # type: ignore[func-returns-value]

    assert "before_restore `false` failed with exit code 1" in failed.value.why
    assert begun == []
    assert [line.split()[0] for line in log.lines()] == ["HOOK=before", "ERROR=A"]  # the third was not begun


def test_a_failing_hook_after_is_an_error_that_says_that_the_verb_succeeded(log: Log) -> None:
    hooks = {"after_restore": ["false", log.note], "error_restore": [log.note]}

    with pytest.raises(HookFailedAfterwards, match=r"The restore succeeded, and commands after it failed") as failed:
        _restore(Run(log.settings(**hooks)), Done)

    assert failed.value.exit_code == 4
    assert "HOOK=after" in log.lines()[0]
    assert "HOOK=error" in log.lines()[1]


def test_a_failing_hook_after_a_failure_is_told_with_it(log: Log) -> None:
    def fail() -> Done:
        raise TerminalError("No room.", why="The disk is full.")

    with pytest.raises(TerminalError, match=r"No room\.") as failed:
        _restore(Run(log.settings(after_restore=["false"])), fail)

    assert failed.value.why.startswith("The disk is full. Besides, commands after it failed")


def test_a_hook_that_hangs_is_ended_with_what_it_started(log: Log) -> None:
    # A shell, because Python may take longer than that to start; the second child leaves its process group.
    child = "sleep 600 & echo $!; setsid sh -c 'echo $$; exec sleep 600' & wait"
    runner = Said()

    with pytest.raises(HookFailed, match="did not end in 1 seconds"):
        _restore(Run(log.settings(before_restore=[["sh", "-c", child]], timeout=1), runner), Done)

    pids = [int(line.removeprefix("  | ")) for line in runner.lines if line.startswith("  | ")]
    assert len(pids) == 2
    assert all(map(_ended, pids))


def test_plans_and_requests_that_are_refused_anyway_run_no_hooks(log: Log) -> None:
    settings = log.settings(before_restore=[log.note], before_merge=[log.note])

    @with_hooks("merge")
    def merge(run: Run, request: MergeRequest) -> Done:
        return Done()

    merge(Run(settings), MergeRequest(dry_run=True))
    _restore(Run(settings), Done, confirm=False)

    assert log.lines() == []


def test_no_shell_runs_and_secrets_are_not_shown(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDMS_BACKUP__REPOSITORY__PASSPHRASE", "correct horse")
    runner = Said()
    settings = log.settings(before_restore=["echo $HOME 'correct horse' ; rm -rf /"])

    _restore(Run(settings, runner), Done)

    assert "  | $HOME *** ; rm -rf /" in runner.lines
    assert not any("correct horse" in line for line in runner.lines)


def test_long_output_is_cut(log: Log) -> None:
    runner = Said()

    _restore(Run(log.settings(before_restore=["seq 100000"]), runner), Done)

    assert len(runner.lines) == 21
    assert runner.lines[-1] == "  | 100000"


def test_a_command_that_is_no_command_is_refused_when_the_settings_are_read(log: Log) -> None:
    with pytest.raises(SettingsError):
        log.settings(before_restore=["'unclosed"])
    with pytest.raises(SettingsError, match="before_restor"):
        log.settings(before_restor=["true"])


_KILLED = """
import json, os, signal, sys
from pathlib import Path
from edms_tasks.settings import settings_from
from tests.hooks.test_hooks import Log, _restore
from flows.running.run import Run
values, where = json.loads(sys.argv[1])
settings = settings_from(values, where=Path(where))
_restore(Run(settings), lambda: os.kill(os.getpid(), signal.SIGKILL), snapshot="monday")
"""


@pytest.mark.long
def test_after_a_kill_the_next_run_runs_the_hooks(log: Log) -> None:
    hooks = {"before_restore": [log.note], "after_restore": [log.note], "error_restore": [log.note]}
    values = {"workdir": "work", "repository": {"url": "repository"}, "hooks": hooks}
    where = str(log.folder / "edms-backup.toml")
    killed = subprocess.run([sys.executable, "-c", _KILLED, json.dumps([values, where])], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert log.lines() == ["HOOK=before SNAPSHOT=monday VERB=restore"]
    runner = Said()

    @with_hooks("backup")
    def backup(run: Run, request: object) -> Done:
        assert len(log.lines()) == 3  # before it begins
        return Done()

    backup(Run(log.settings(), runner), object())  # others are in force by now, or none

    after, error = log.lines()[1:]
    assert after == "ERROR=The run was killed. HOOK=after OUTCOME=killed SNAPSHOT=monday VERB=restore"
    assert error == after.replace("HOOK=after", "HOOK=error")
    assert "because it was killed" in runner.lines[0]
    assert list((log.folder / "work" / "hooks").iterdir()) == []


@pytest.mark.long
def test_status_says_that_the_hooks_of_a_killed_run_are_still_to_run(log: Log) -> None:
    hooks = {"before_restore": [log.note], "after_restore": [log.note]}
    values = {"workdir": "work", "repository": {"url": "repository"}, "hooks": hooks}
    where = str(log.folder / "edms-backup.toml")
    subprocess.run([sys.executable, "-c", _KILLED, json.dumps([values, where])], check=False)

    (problem,) = hooks_of_killed_runs(log.settings())

    assert "The restore of" in problem and "the EDMS may be stopped" in problem


def test_the_hooks_of_a_run_at_work_are_left_to_it(log: Log) -> None:
    settings = log.settings(before_restore=[log.note], after_restore=[log.note])

    def inside() -> Done:
        @with_hooks("backup")
        def backup(run: Run, request: object) -> Done:
            return Done()

        backup(Run(settings), object())
        assert len(log.lines()) == 1
        return Done()

    _restore(Run(settings), inside)

    assert len(log.lines()) == 2


def _ended(pid: int) -> bool:
    until = time.monotonic() + 300
    while time.monotonic() < until:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0]
        if state == "Z":
            return True
        time.sleep(0.1)
    return False
