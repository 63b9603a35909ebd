"""Handle Ctrl-C, a kill and a closed terminal: the run cleans up, and says what was stopped and what is left.

Staging databases, staged folders, scratch files and locks are removed before it ends. A second signal ends it immediately: then
they stay, and the next run removes them.
"""

from __future__ import annotations

import os
import signal
import threading
from contextlib import suppress
from pathlib import Path
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_UNCHANGED = "Nothing was changed, neither the EDMS nor the repository."
_SAID = b"Stopped at once. Staged files and databases remain; the next run removes them.\n"
_STDERR = 2
_left = _UNCHANGED
_received = 0
_watched = False


class Stopped(KeyboardInterrupt):
    """A signal stopped the run; `number` is the signal's number."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def handle_signals() -> None:
    """Turn signals into `Stopped`, so that the run cleans up. A signal that is already ignored (nohup) stays ignored."""
    _watch()
    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop)


def when_stopped(text: str) -> None:
    """Set the sentence that says what a run leaves behind if it is stopped from here on."""
    global _left
    _left = text


def sentence_when_stopped() -> str:
    """The sentence that was last set."""
    return _left


def exit_code_of(error: BaseException) -> int:
    """128 plus the signal's number, as in shells: 130 for Ctrl-C, 143 for a kill."""
    return 128 + (error.number if isinstance(error, Stopped) else signal.SIGINT)


def _stop(number: int, frame: FrameType | None) -> None:
    global _received
    _received += 1
    if _received == 1:
        raise Stopped(number)


def _watch() -> None:
    """Count signals in a thread of their own.

    The system may deliver the second of two signals to any thread, and Python calls its handler only when the main thread
    wakes up, which it does not while it waits for another thread.
    """
    global _watched
    if _watched:
        return
    _watched = True
    read, write = os.pipe()
    os.set_blocking(write, False)  # `set_wakeup_fd` wants it
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    threading.Thread(target=_leave_at_the_second, args=(read,), name="signals", daemon=True).start()


def _leave_at_the_second(signals: int) -> None:
    received: list[int] = []
    while len(received) < 2:
        received += [number for number in os.read(signals, 64) if number in _SIGNALS]
    _leave(received[1])


def _leave(number: int) -> None:
    """End this process and those it started, immediately."""
    try:
        with suppress(OSError):  # nobody reads
            os.write(_STDERR, _SAID)
        for child in _children():
            with suppress(ProcessLookupError):  # it has ended meanwhile
                if os.getpgid(child) == child:  # a hook, or the EDMS: with everything that it started
                    os.killpg(child, signal.SIGTERM)
                else:
                    os.kill(child, signal.SIGTERM)
    finally:
        os._exit(128 + number)


def _children() -> list[int]:
    """The processes that this one started: pg_dump, the EDMS's interpreter. On Linux only."""
    found: list[int] = []
    for listed in Path("/proc/self/task").glob("*/children"):
        try:
            found += [int(child) for child in listed.read_text().split()]
        except OSError:
            continue  # that thread has ended meanwhile
    return found
