"""Steps in this process: order, bounds, failures, retries."""

from __future__ import annotations

import io
import threading
import time

import pytest
from rich.console import Console

from edms_tasks.errors import CheckFailed, DatabaseRefused
from flows.running.threads import DirectSteps


def test_results_come_in_the_order_of_the_items_whatever_finishes_first() -> None:
    def slow_when_early(number: int) -> int:
        time.sleep(0.03 - number * 0.01)
        return number * 10

    assert DirectSteps().map(str, slow_when_early, [0, 1, 2], jobs=3) == [0, 10, 20]


def test_nothing_to_do_is_no_results() -> None:
    assert DirectSteps().map(str, abs, [], jobs=2) == []


def test_no_more_run_at_once_than_jobs_and_no_fewer() -> None:
    running = peak = 0
    lock = threading.Lock()

    def count(_: int) -> None:
        nonlocal running, peak
        with lock:
            running += 1
            peak = max(peak, running)
        time.sleep(0.02)
        with lock:
            running -= 1

    DirectSteps().map(str, count, list(range(8)), jobs=3)

    assert peak == 3


def test_the_heaviest_is_started_first() -> None:
    started: list[str] = []

    DirectSteps().map(str, started.append, ["a", "ccc", "bb"], jobs=1, weight=len)

    assert started == ["ccc", "bb", "a"]


def test_the_first_failure_starts_nothing_more_waits_for_what_runs_and_is_raised() -> None:
    ended: list[int] = []

    def work(number: int) -> None:
        if number == 1:
            raise CheckFailed("number one")
        time.sleep(0.1)
        ended.append(number)

    with pytest.raises(CheckFailed, match="number one"):
        DirectSteps().map(str, work, list(range(20)), jobs=2)

    assert ended == [0]


def test_only_what_may_pass_is_tried_again() -> None:
    calls: list[str] = []
    waited: list[float] = []

    def busy_twice() -> str:
        calls.append("busy")
        if len(calls) < 3:
            raise DatabaseRefused("not now")
        return "done"

    def broken() -> None:
        calls.append("broken")
        raise CheckFailed("never")

    steps = DirectSteps(sleep=waited.append)

    assert steps.run("ask", busy_twice, retries=2) == "done"
    with pytest.raises(CheckFailed):
        steps.run("break", broken, retries=2)
    assert calls == ["busy", "busy", "busy", "broken"]
    assert waited == sorted(waited)


def test_a_failure_that_does_not_pass_is_raised_after_the_last_retry() -> None:
    def refuse() -> None:
        raise DatabaseRefused("not now")

    with pytest.raises(DatabaseRefused):
        DirectSteps(sleep=lambda seconds: None).run("ask", refuse, retries=2)


def test_stages_are_timed_also_when_they_fail() -> None:
    steps = DirectSteps()

    with steps.stage("extract"):
        time.sleep(0.01)
    with pytest.raises(ValueError, match="no"), steps.stage("package"):
        raise ValueError("no")

    assert list(steps.seconds) == ["extract", "package"]
    assert steps.seconds["extract"] >= 0.01


@pytest.mark.parametrize("terminal", [True, False])
def test_a_watcher_sees_stages_and_lines_but_no_markup_of_strangers(terminal: bool) -> None:
    written = io.StringIO()
    steps = DirectSteps(Console(file=written, force_terminal=terminal, width=100))

    with steps.stage("extract"):
        steps.map(lambda name: f"extract {name}", len, ["[red]x[/red]", "[/nothing]"], jobs=2)
        with steps.progress("files", 0) as advance:
            advance(3)
        steps.say("found [bold]it\x1b[2J")

    assert "extract" in written.getvalue()
    assert "found [bold]it\\x1b[2J" in written.getvalue()
