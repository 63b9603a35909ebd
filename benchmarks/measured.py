"""Run a command, or a pipe of several, and measure it: seconds, and the peak memory of it and all its descendants."""

from __future__ import annotations

import os
import resource
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_SECONDS_BETWEEN_SAMPLES = 0.025
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Measured:
    """One run of one command."""

    seconds: float
    peak_bytes: int  # resident memory of the command and its descendants together, sampled
    output: str
    processor_seconds: float = 0.0  # user and system, of the command and the descendants that were waited for


def run_measured(command: Sequence[str], env: Mapping[str, str], cwd: Path) -> Measured:
    """Run a command to its end; raises RuntimeError with what it said where it fails. One at a time."""
    began, before = time.monotonic(), _childrens_seconds()
    process = subprocess.Popen(
        command, env=dict(env), cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with _sampled([process.pid]) as peak:
        output, errors = process.communicate()
    seconds = time.monotonic() - began
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} exited with {process.returncode}\n{output[-3000:]}\n{errors[-3000:]}")
    return Measured(seconds, max(peak), output, _childrens_seconds() - before)


def run_piped(first: Sequence[str], second: Sequence[str], to: Path, env: Mapping[str, str], cwd: Path) -> Measured:
    """Run `first | second > to` to the end of both; raises RuntimeError where either fails."""
    began = time.monotonic()
    with to.open("wb") as sink, subprocess.Popen(first, env=dict(env), cwd=cwd, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None  # it was asked for
        with (
            subprocess.Popen(second, env=dict(env), cwd=cwd, stdin=writer.stdout, stdout=sink) as reader,
            _sampled([writer.pid, reader.pid]) as peak,
        ):
            writer.stdout.close()  # or the writer would never hear that the reader is gone
            reader.wait()
        writer.wait()
    seconds = time.monotonic() - began
    if writer.returncode or reader.returncode:
        raise RuntimeError(f"{first[0]} exited with {writer.returncode}, {second[0]} with {reader.returncode}")
    return Measured(seconds, max(peak), "")


def _childrens_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@contextmanager
def _sampled(roots: Sequence[int]) -> Iterator[list[int]]:
    """The resident bytes of these processes and their descendants, looked at now and then meanwhile."""
    if not Path("/proc/thread-self/children").exists():
        raise RuntimeError("this kernel does not list a process's children, so the memory of all cannot be measured")
    seen = [0]
    done = threading.Event()

    def sample() -> None:
        while not done.wait(_SECONDS_BETWEEN_SAMPLES):
            seen[0] = max(seen[0], _resident_bytes(roots))

    sampler = threading.Thread(target=sample, daemon=True)
    sampler.start()
    try:
        yield seen
    finally:
        done.set()
        sampler.join()


def _resident_bytes(roots: Sequence[int]) -> int:
    # Only the tree itself is looked at: reading all of /proc forty times a second would be a load of its own.
    total = 0
    waiting = [(root, b"") for root in roots]
    while waiting:
        pid, parents_command = waiting.pop()
        process = Path("/proc") / str(pid)
        try:
            command = (process / "cmdline").read_bytes()
            if command == parents_command:
                continue  # between fork and exec it is its parent over again: the same memory, not as much once more
            total += int((process / "statm").read_text().split()[1]) * _PAGE
            for thread in (process / "task").iterdir():
                waiting += [(int(child), command) for child in (thread / "children").read_text().split()]
        except (FileNotFoundError, ProcessLookupError):
            continue  # it, or a thread of it, ended meanwhile
    return total
