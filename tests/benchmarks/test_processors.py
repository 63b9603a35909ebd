"""Processor seconds are those of a process, of those below it and of those that it waited for, whoever else wants the machine."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from benchmarks.measured import run_measured
from benchmarks.processors import forget_peak, peak_bytes, processor_seconds

_BUSY = "import time\nwhile time.process_time() < {seconds}: pass\n"
_WAIT = "print('done', flush=True); input()"
_PARENT = "import subprocess, sys; subprocess.run([sys.executable, '-c', {code!r}], check=True)\n"


@contextmanager
def _process_that_did(code: str) -> Iterator[subprocess.Popen[str]]:
    """Runs on when it has done that, until this is left."""
    command = [sys.executable, "-c", f"{code}\n{_WAIT}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "done\n"
        try:
            yield process
        finally:
            process.communicate("\n")


def test_seconds_count_the_process_and_the_children_that_ended() -> None:
    with _process_that_did(_PARENT.format(code=_BUSY.format(seconds=0.5)) + _BUSY.format(seconds=0.3)) as process:
        assert 0.75 < processor_seconds([process.pid]) < 1.5


def test_seconds_count_children_that_live() -> None:
    code = (
        "import subprocess, sys\n"
        f"child = subprocess.Popen([sys.executable, '-c', {_BUSY.format(seconds=0.5) + _WAIT!r}], stdin=subprocess.PIPE,"
        " stdout=subprocess.PIPE)\n"
        "child.stdout.readline()"
    )
    with _process_that_did(code) as process:
        assert 0.45 < processor_seconds([process.pid]) < 1.2


def test_a_process_that_is_gone_has_no_seconds() -> None:
    process = subprocess.Popen(["true"])
    process.wait()
    assert processor_seconds([process.pid]) == 0


def test_a_command_is_measured_with_its_children(tmp_path: object) -> None:
    code = _PARENT.format(code=_BUSY.format(seconds=0.6))
    measured = run_measured([sys.executable, "-c", code], os.environ, tmp_path)  # type: ignore[arg-type]
    assert 0.55 < measured.processor_seconds < 1.5


def test_the_peak_of_memory_stays_until_it_is_forgotten() -> None:
    with _process_that_did("held = b'x' * 200_000_000\ndel held") as process:
        assert peak_bytes(process.pid) > 200_000_000
        if os.geteuid() != 0:
            pytest.skip("only root may make the kernel forget another process's peak")
        forget_peak(process.pid)
        assert peak_bytes(process.pid) < 100_000_000
