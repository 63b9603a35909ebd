"""Write standard output and standard error so that a failure to print does not fail the run.

A full disk, a closed pipe, a closed descriptor or an encoding without ✓ must not turn a finished snapshot into a failure. A
result is written in one piece; if it cannot be printed, standard error says so.
"""

from __future__ import annotations

import codecs
import errno
import io
import json
import os
import sys
from collections.abc import Mapping
from typing import Any, TextIO, cast

_PLAIN = {"✓": "OK", "✗": "FAILED", "·": "-", "…": "...", "→": "->", "‹": "<", "›": ">", "–": "-", "━": "-", "×": "x"}
_HANDLER = "edms-backup-plain"


def prepare_streams() -> None:
    """Let both streams accept any text, and reserve their descriptors.

    A run that was started with `>&-` or `2>&-` has no descriptor 1 or 2: the next opened file would get this number, and
    printed text would go into it.
    """
    codecs.register_error(_HANDLER, _plainly)
    for descriptor in (0, 1, 2):
        _occupy(descriptor)
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    if sys.stdout is None:
        sys.stdout = _closed_stream(1)
    if sys.stderr is None:
        sys.stderr = _closed_stream(2)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_HANDLER)
    sys.stderr = cast("TextIO", _Forgiving(sys.stderr))


def json_line(facts: Mapping[str, Any]) -> str:
    """One line of JSON, in characters that standard output can encode."""
    text = json.dumps(facts, ensure_ascii=False, default=str)
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(facts, default=str)
    return text + "\n"


def write_out(text: str) -> OSError | ValueError | None:
    """Write to standard output. Returns the error if that failed, after printing it to standard error.

    A reader that closed the pipe (`| head`) has read what it wanted; this is not reported.
    """
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except (OSError, ValueError) as error:  # ValueError: the stream is closed
        _let_go_of_stdout()
        if getattr(error, "errno", None) != errno.EPIPE:
            why = getattr(error, "strerror", None) or str(error)
            sys.stderr.write(f"The result could not be printed: standard output: {why}\n")
        return error
    return None


def is_broken_pipe(error: OSError | ValueError | None) -> bool:
    """Whether the error means that the reader closed the pipe."""
    return isinstance(error, OSError) and error.errno == errno.EPIPE


def _let_go_of_stdout() -> None:
    """Discard the buffer: Python would write it again at exit, and that failure would set the exit code."""
    try:
        orphans = os.open(os.devnull, os.O_WRONLY)
        os.dup2(orphans, sys.stdout.fileno())
        os.close(orphans)
    except (OSError, ValueError):
        sys.stdout = io.StringIO()  # a stream without a descriptor, or a closed one: nothing is left to be flushed


def _occupy(descriptor: int) -> None:
    try:
        os.fstat(descriptor)
    except OSError:
        # Opened for reading, so that writing fails as on a closed descriptor.
        opened = os.open(os.devnull, os.O_RDONLY)
        if opened != descriptor:
            os.dup2(opened, descriptor)
            os.close(opened)


def _closed_stream(descriptor: int) -> TextIO:
    return open(descriptor, "w", encoding="utf-8", errors="backslashreplace", closefd=False)


def _plainly(error: UnicodeError) -> tuple[str, int]:
    """The text in ASCII: our own symbols as letters, other characters escaped."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    part = error.object[error.start : error.end]
    return "".join(_PLAIN.get(sign) or sign.encode("ascii", "backslashreplace").decode() for sign in part), error.end


class _Forgiving:
    """Standard error that ignores its own failures: progress that cannot be shown must not stop a backup."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except (OSError, ValueError):
            return len(text)  # there is no other stream to report it

    def flush(self) -> None:
        try:
            self._stream.flush()
        except (OSError, ValueError):
            return  # as above

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
