"""Tasks on threads: order, bounds, failures, retries."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from rich.console import Console

from edms_tasks.errors import CheckFailed, DatabaseRefused
from flows.running.flow_decorators import Task, task
from flows.running.threads import ThreadRunner


def made(function: Callable[..., Any], retries: int = 0) -> Task[..., Any]:
    """A task of it."""
    return task(name="work", tags=[], retries=retries)(function)


def test_results_come_in_the_order_of_the_items_whatever_finishes_first() -> None:
    def slow_when_early(number: int) -> int:
        time.sleep(0.03 - number * 0.01)
        return number * 10

    assert ThreadRunner().map(3, made(slow_when_early), [0, 1, 2]) == [0, 10, 20]


def test_no_items_give_no_results() -> None:
    assert ThreadRunner().map(2, made(abs), []) == []


def test_no_more_run_at_once_than_jobs_and_no_fewer() -> None:
    running = peak = 0
    lock, three_at_once = threading.Lock(), threading.Barrier(3)

    def count(_: int) -> None:
        nonlocal running, peak
        with lock:
            running += 1
            peak = max(peak, running)
        three_at_once.wait(timeout=300)
        with lock:
            running -= 1

    ThreadRunner().map(3, made(count), list(range(9)))

    assert peak == 3


def test_the_heaviest_is_started_first() -> None:
    started: list[str] = []

    def begin(name: str) -> None:
        started.append(name)

    ThreadRunner().map(1, task(name="start", tags=[], weight=len)(begin), ["a", "ccc", "bb"])

    assert started == ["ccc", "bb", "a"]


def test_the_first_failure_starts_nothing_more_waits_for_what_runs_and_is_raised() -> None:
    ended: list[int] = []
    failing = threading.Event()

    def work(number: int) -> None:
        if number == 1:
            failing.set()
            raise CheckFailed("number one")
        failing.wait(timeout=300)
        time.sleep(0.1)  # until the runner knows
        ended.append(number)

    with pytest.raises(CheckFailed, match="number one"):
        ThreadRunner().map(2, made(work), list(range(20)))

    assert ended == [0]


def test_only_transient_errors_are_retried() -> None:
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

    runner = ThreadRunner(sleep=waited.append)

    assert runner.call(made(busy_twice, retries=2)) == "done"
    with pytest.raises(CheckFailed):
        runner.call(made(broken, retries=2))
    assert calls == ["busy", "busy", "busy", "broken"]
    assert waited == sorted(waited)


def test_a_persistent_error_is_raised_after_the_last_retry() -> None:
    def refuse() -> None:
        raise DatabaseRefused("not now")

    with pytest.raises(DatabaseRefused):
        ThreadRunner(sleep=lambda seconds: None).call(made(refuse, retries=2))


def test_stages_are_timed_also_when_they_fail() -> None:
    runner = ThreadRunner()

    with runner.stage("extract"):
        time.sleep(0.01)
    with pytest.raises(ValueError, match="no"), runner.stage("package"):
        raise ValueError("no")

    assert list(runner.seconds) == ["extract", "package"]
    assert runner.seconds["extract"] >= 0.01


def measure(name: str) -> int:
    return len(name)


@pytest.mark.parametrize("terminal", [True, False])
def test_stages_and_lines_are_printed_without_interpreting_markup(terminal: bool) -> None:
    written = io.StringIO()
    runner = ThreadRunner(Console(file=written, force_terminal=terminal, width=100))

    with runner.stage("extract"):
        extract = task(name="extract", tags=[], task_run_name="extract {name}")(measure)
        runner.map(2, extract, ["[red]x[/red]", "[/nothing]"])
        with runner.progress("files", 0) as advance:
            advance(3)
        runner.say("found [bold]it\x1b[2J")

    assert "extract" in written.getvalue()
    assert "found [bold]it\\x1b[2J" in written.getvalue()
