"""Processes that a program has started, also those that left its process group, by a mark in the environment that they inherited."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

_MOST_ROUNDS = 20


def end_marked(name: str) -> None:
    """End by force every process of this user that has the variable in its environment, until there is none.

    One that has changed its user or cleared its environment is not found; neither is any where there is no /proc.
    """
    for _ in range(_MOST_ROUNDS):  # those may start others meanwhile
        found = _marked(f"{name}=1".encode())
        if not found:
            return
        for process in found:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(process, signal.SIGKILL)


def _marked(mark: bytes) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
        except OSError:  # it has ended, or is another user's
            continue
    return found
