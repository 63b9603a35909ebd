"""Measured is what a command and its children really took; what fails is not measured."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from benchmarks.measured import run_measured, run_piped

MEGABYTE = 1_000_000
HOLD = "import time; held = b'x' * {bytes}; time.sleep(0.4)"
CHILD = "import subprocess, sys; held = b'x' * {bytes}; subprocess.run([sys.executable, '-c', {code!r}], check=True)"


def test_memory_is_that_of_the_command_and_its_children(tmp_path: Path) -> None:
    inner = HOLD.format(bytes=150 * MEGABYTE)
    outer = CHILD.format(bytes=100 * MEGABYTE, code=inner)

    measured = run_measured([sys.executable, "-c", outer], os.environ, tmp_path)

    # Two interpreters come on top, some ten megabytes each.
    assert 250 * MEGABYTE < measured.peak_bytes < 310 * MEGABYTE


@pytest.mark.long
def test_starting_children_is_not_taken_for_memory(tmp_path: Path) -> None:
    many = (
        "import subprocess, time; held = b'x' * 100_000_000\n"
        "for _ in range(300): subprocess.run(['true'], check=True, preexec_fn=lambda: time.sleep(0.001))"
    )

    measured = run_measured([sys.executable, "-c", many], os.environ, tmp_path)

    assert 100 * MEGABYTE < measured.peak_bytes < 150 * MEGABYTE


def test_seconds_are_those_of_the_whole_command(tmp_path: Path) -> None:
    measured = run_measured([sys.executable, "-c", "import time; time.sleep(0.3); print('done')"], os.environ, tmp_path)

    assert 0.3 <= measured.seconds < 30
    assert measured.output == "done\n"


def test_a_command_that_fails_is_no_measurement(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"exited with 3[\s\S]*what went wrong"):
        run_measured(
            [sys.executable, "-c", "import sys; sys.stderr.write('what went wrong'); sys.exit(3)"], os.environ, tmp_path
        )


def test_a_pipe_gives_what_its_last_command_wrote(tmp_path: Path) -> None:
    run_piped(["echo", "hello"], ["tr", "a-z", "A-Z"], tmp_path / "out", os.environ, tmp_path)

    assert (tmp_path / "out").read_text(encoding="utf-8") == "HELLO\n"


@pytest.mark.parametrize(("first", "second"), [("false", "cat"), ("true", "false")])
def test_a_pipe_of_which_either_end_fails_is_no_measurement(first: str, second: str, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="exited with"):
        run_piped([first], [second], tmp_path / "out", os.environ, tmp_path)
