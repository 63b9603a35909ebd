"""What keeps the suite from growing: a test that takes too long fails, and so does a suite that does.

Counted is processor time, of the tests' processes and of those that they waited for, on a processor like the one that the limits are of.
A slower one, or one that others share, needs more of it: what is too large is measured against a known piece of work before it is said.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from functools import cache

import pytest

MOST_OF_A_TEST = 20.0
"""Seconds of a test that is not marked `slow`. Few take a tenth of it; the first that needs a system makes it."""
MOST_OF_A_SLOW_TEST = 60.0
MOST_OF_ALL = 1700.0
"""Seconds of the whole suite, which took 1,170 to 1,210 on 2026-12-01. Two cores have 1,200 in ten minutes; a busy machine counts more."""
MOST_SLOW_TESTS = 195
KNOWN_WORK = 0.35
"""Seconds of `_known_work` on the machine that the limits are of; on the same one at a busy time it was 0.51, and the suite took 1,750."""
SUITE = "not long"
"""The tests that are run if nothing else is said."""


class SuiteSize:
    """A plugin of pytest: measures, and fails what is too large."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._in_workers = 0.0
        self._is_whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS and not config.option.keyword

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        """Fail a test of the suite that takes too long."""
        before = _seconds()
        yield
        took = _seconds() - before
        most = MOST_OF_A_TEST if item.get_closest_marker("slow") is None else MOST_OF_A_SLOW_TEST
        if took > most and item.get_closest_marker("long") is None and took > most * _slowness():
            pytest.fail(
                f"{took:.0f} s of processor time, {most:.0f} at most: see CONTRIBUTING.md, Tests", pytrace=False
            )

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: object) -> None:
        """Add what a process of pytest-xdist took."""
        self._in_workers += getattr(node, "workeroutput", {}).get("processor seconds", 0.0)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Tell the first process what this one took; fail a suite that is too large."""
        told: dict[str, object] | None = getattr(self._config, "workeroutput", None)
        if told is not None:
            told["processor seconds"] = _seconds()
        elif self._too_large and exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say what was taken."""
        terminalreporter.write_line(f"{self._all:.0f} s of processor time")
        if self._too_large:
            most = f"The suite may take {MOST_OF_ALL:.0f}, here {MOST_OF_ALL * _slowness():.0f}: see CONTRIBUTING.md, Tests"
            terminalreporter.write_line(most, red=True)

    @property
    def _all(self) -> float:
        # Once they have ended, the processes of pytest-xdist are counted as children of this one.
        return max(_seconds(), self._in_workers)

    @property
    def _too_large(self) -> bool:
        is_suite = self._is_whole and self._config.option.markexpr == SUITE
        return is_suite and self._all > MOST_OF_ALL and self._all > MOST_OF_ALL * _slowness()


@cache
def _slowness() -> float:
    """How many times as long this processor takes as the one that the limits are of; at least 1."""
    return max(1.0, sorted(_known_work() for _ in range(5))[2] / KNOWN_WORK)


def _known_work() -> float:
    begun, total, held = time.process_time(), 0, dict[int, int]()
    for number in range(3_000_000):
        total += number * number % 7
        held[number & 1023] = total
    return time.process_time() - begun


def _seconds() -> float:
    took = os.times()
    return took.user + took.system + took.children_user + took.children_system
