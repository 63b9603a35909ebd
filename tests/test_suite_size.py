"""The suite stays under ten minutes: few slow tests, and what takes too long fails."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.suite_size import MOST_SLOW_TESTS

CONFTEST = """
from tests import suite_size
suite_size.MOST_OF_A_TEST, suite_size.MOST_OF_ALL, suite_size.KNOWN_WORK = {}, {}, {}

def pytest_configure(config):
    config.pluginmanager.register(suite_size.SuiteSize(config))
"""
TESTS = """
import subprocess, sys, time, pytest

WORK = "import time\\nends = time.process_time() + 0.4\\nwhile time.process_time() < ends: pass"

def test_at_work(): exec(WORK)

def test_in_a_child(): subprocess.run([sys.executable, "-c", WORK], check=True)

def test_asleep(): time.sleep(0.6)

@pytest.mark.slow
def test_marked(): exec(WORK)
"""


def test_few_are_marked_as_slow(request: pytest.FixtureRequest) -> None:
    """The others go to `make test-long`, or are made cheaper."""
    slow = [
        item
        for item in request.session.items
        if item.get_closest_marker("slow") and not item.get_closest_marker("long")
    ]

    assert len(slow) <= MOST_SLOW_TESTS


def test_a_test_that_takes_too_long_fails_and_one_that_waits_does_not(tmp_path: Path) -> None:
    # Of a part of the suite, the sum is nobody's business.
    done = _run(tmp_path, "test_it.py", of_a_test=0.3, of_all=0.9)

    assert [line.split()[1] for line in done.stdout.splitlines() if line.startswith("FAILED")] == [
        "test_it.py::test_at_work",
        "test_it.py::test_in_a_child",
    ]
    assert "of processor time, 0 at most: see CONTRIBUTING.md" in done.stdout
    assert "The suite may take" not in done.stdout


def test_a_slow_processor_may_take_longer(tmp_path: Path) -> None:
    done = _run(tmp_path, "test_it.py", of_a_test=0.3, of_all=0.9, known_work=0.001)

    assert "4 passed" in done.stdout


@pytest.mark.long
def test_a_suite_that_takes_too_long_fails_though_each_test_passes(tmp_path: Path) -> None:
    done = _run(tmp_path, "-n", "2", of_a_test=100, of_all=0.9)

    assert "4 passed" in done.stdout
    assert "The suite may take 1, here 1: see CONTRIBUTING.md" in done.stdout
    assert done.returncode == pytest.ExitCode.TESTS_FAILED


def _run(
    folder: Path, *options: str, of_a_test: float, of_all: float, known_work: float = 1000.0
) -> subprocess.CompletedProcess[str]:
    (folder / "conftest.py").write_text(CONFTEST.format(of_a_test, of_all, known_work))
    (folder / "test_it.py").write_text(TESTS)
    (folder / "pytest.ini").write_text(
        f"[pytest]\naddopts = -rf -m 'not long' -p no:cacheprovider\ntestpaths = .\nmarkers =\n    slow\n    long\n"
        f"pythonpath = {Path(__file__).parents[1]}\n"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    command = [sys.executable, "-m", "pytest", *options]
    return subprocess.run(
        command, cwd=folder, env=environment | {"COLUMNS": "200"}, capture_output=True, text=True, check=False
    )
