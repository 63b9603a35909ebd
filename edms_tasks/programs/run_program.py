"""Run a program with a time-out. If it takes too long, or this run is stopped, it is ended with everything that it started.

Its output is kept up to a limit: the beginning and the end, where the reason of a failure is.
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from edms_tasks.programs.marked_processes import end_marked

_MARK = "_EDMS_BACKUP_PROGRAM_"
_SECONDS_TO_END = 5.0
_SECONDS_FOR_OUTPUT = 2.0
_PIECE = 1 << 16


@dataclass(frozen=True)
class Ended:
    """How a program ended. `returncode` is negative if a signal ended it; `timed_out` if it was ended here."""

    returncode: int
    stdout: str
    stderr: str
    seconds: float
    timed_out: bool = False

    @property
    def success(self) -> bool:
        """Whether it ended by itself, with exit code 0."""
        return self.returncode == 0 and not self.timed_out


def run_program(
    words: Sequence[str],
    *,
    environment: Mapping[str, str],
    folder: Path | None = None,
    seconds: float | None = None,
    pass_fds: Sequence[int] = (),
    most: int = 1 << 20,
) -> Ended:
    """Run a program to its end; it has no input.

    What it leaves running when it ends by itself, such as a service that it started, goes on.

    Args:
        words: the program and its arguments.
        environment: all of its environment variables.
        folder: its working folder; default: that of this process.
        seconds: how long it may take; None: as long as it wants.
        pass_fds: open files that it gets.
        most: how many bytes of each of its outputs are kept.

    Raises:
        OSError: it cannot be started.
    """
    began = time.monotonic()
    mark = f"{_MARK}{secrets.token_hex(16)}"  # one of its own for each, because programs of ours may start others
    process = subprocess.Popen(
        [*words],
        env={**environment, mark: "1"},
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=tuple(pass_fds),
        process_group=0,
    )
    assert process.stdout is not None and process.stderr is not None  # they are pipes
    outputs = [_Output(process.stdout, most), _Output(process.stderr, most)]
    timed_out = False
    try:
        if not _ends(process, seconds):
            timed_out = True
            end_group(process)
            end_marked(mark)
    except BaseException:
        end_group(process)
        end_marked(mark)
        raise
    out, err = (output.text() for output in outputs)
    return Ended(process.returncode, out, err, time.monotonic() - began, timed_out)


def end_group(process: subprocess.Popen[bytes]) -> None:
    """End a program and everything in its process group: first by asking, after some seconds by force."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    _ends(process, _SECONDS_TO_END)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _ends(process: subprocess.Popen[bytes], seconds: float | None) -> bool:
    """Wait for the end; returns whether it came in time."""
    # In a thread: `Popen.wait` with a time-out looks only every twentieth of a second.
    waiting = threading.Thread(target=process.wait, name="program", daemon=True)
    waiting.start()
    waiting.join(seconds)
    return not waiting.is_alive()


class _Output:
    """Reads an output in a thread, so that the program never waits for us; keeps its beginning and its end."""

    def __init__(self, stream: IO[bytes], most: int) -> None:
        self._stream = stream
        self._half = max(1, most // 2)
        self._first = bytearray()
        self._last = bytearray()
        self._dropped = 0
        self._reader = threading.Thread(target=self._read, name="output of a program", daemon=True)
        self._reader.start()

    def text(self) -> str:
        """What was written so far. A process that the program left running may keep the output open; it is not waited for."""
        self._reader.join(_SECONDS_FOR_OUTPUT)
        first, last = (bytes(part).decode("utf-8", "replace") for part in (self._first, self._last))
        between = f"\n… {self._dropped:,} bytes are left out …\n" if self._dropped else ""
        return f"{first}{between}{last}"

    def _read(self) -> None:
        with self._stream:
            while piece := os.read(self._stream.fileno(), _PIECE):
                room = self._half - len(self._first)
                self._first += piece[:room]
                self._last += piece[room:]
                if (over := len(self._last) - self._half) > 0:
                    del self._last[:over]
                    self._dropped += over
