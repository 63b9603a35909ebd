"""Processor seconds and peak memory of processes that go on running, from /proc: servers, and workers of a cluster.

Processor seconds count what a machine had to do, also while others want it; the clock counts who waited for whom.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def processor_seconds(roots: Iterable[int]) -> float:
    """User and system seconds of these processes, of those below them, and of those that they waited for."""
    return sum(_ticks(root) for root in roots) / _TICKS


def forget_peak(process: int) -> None:
    """Let a process's peak memory begin anew."""
    Path(f"/proc/{process}/clear_refs").write_text("5")


def peak_bytes(process: int) -> int:
    """The most resident memory of a process since it began, or since `forget_peak`."""
    for line in Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"the kernel does not tell the peak memory of process {process}")


def _ticks(process: int) -> int:
    try:
        # The name of a program is in brackets, and may have blanks and brackets in it.
        fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        threads = list(Path(f"/proc/{process}/task").iterdir())
        children = [int(child) for one in threads for child in (one / "children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return 0  # it ended meanwhile, and its parent has its seconds
    return sum(map(int, fields[11:15])) + sum(map(_ticks, children))
