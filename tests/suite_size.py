"""What keeps the suite from growing: a test that takes too long fails, and so does a suite that does.

Counted is processor time, of the tests' processes and of those that they waited for: that hardly depends on what else the machine does.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

MOST_OF_A_TEST = 20.0
"""Seconds of a test that is not marked `slow`. Few take a tenth of it; the first that needs a system makes it."""
MOST_OF_A_SLOW_TEST = 60.0
MOST_OF_ALL = 1700.0
"""Seconds of the whole suite, which took 1,170 to 1,210 on 2026-12-01. Two cores have 1,200 in ten minutes; a busy machine counts more."""
MOST_SLOW_TESTS = 195
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
        if took > most and item.get_closest_marker("long") is None:
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
            terminalreporter.write_line(f"The suite may take {MOST_OF_ALL:.0f}: see CONTRIBUTING.md, Tests", red=True)

    @property
    def _all(self) -> float:
        # Once they have ended, the processes of pytest-xdist are counted as children of this one.
        return max(_seconds(), self._in_workers)

    @property
    def _too_large(self) -> bool:
        return self._is_whole and self._config.option.markexpr == SUITE and self._all > MOST_OF_ALL


def _seconds() -> float:
    took = os.times()
    return took.user + took.system + took.children_user + took.children_system
