"""The clock that the times of a run come from: the host's, and whether the kernel says that it is synchronised."""

from __future__ import annotations

import ctypes
import os
import sys
from dataclasses import dataclass

_LARGEST_ERROR = 16_000_000
"""Microseconds. From this on `timedatectl` says that a clock is not synchronised, too."""


@dataclass(frozen=True)
class HostClock:
    """Whether the host's clock is synchronised; None if the system does not say."""

    synchronised: bool | None
    error_microseconds: int | None = None

    def __str__(self) -> str:
        if self.synchronised is None:
            return "host clock, UTC; this system does not say whether it is synchronised"
        if not self.synchronised:
            return "host clock, UTC, NOT synchronised with a time server"
        return f"host clock, UTC, synchronised with a time server (error at most {self.error_microseconds or 0:,} µs)"


class _Timex(ctypes.Structure):
    """The beginning of Linux's `struct timex`, with room for the rest of it."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("rest", ctypes.c_char * 256),
    )


def read_host_clock() -> HostClock:
    """Ask the kernel, as `timedatectl` does. It changes nothing and needs no privilege."""
    if sys.platform != "linux":
        return HostClock(None)
    found = _Timex(modes=0)
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(found))
    except (OSError, AttributeError):  # no libc that has it
        return HostClock(None)
    if state < 0:  # forbidden, as by some containers
        return HostClock(None)
    error = int(found.maxerror)
    return HostClock(error < _LARGEST_ERROR, error)


def machine_of_this_run() -> str:
    """The name of this host."""
    return os.uname().nodename
