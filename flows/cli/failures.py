"""Print errors, and exit with their codes.

An error of this product is printed as its four facts (what, where, why, fix), and the exit code is its class's. Any other
exception is a bug or a failure of the machine: one line, exit code 3, and the traceback in a file or with `--traceback`.
"""

from __future__ import annotations

import errno
import os
import sys
import traceback as tracebacks
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import typer

from edms_tasks.errors import EdmsBackupError, Interrupted, NoSpace, TerminalError
from flows.cli.output import json_line, write_out
from flows.running.printable import error_text, printable
from flows.running.said_lines import as_facts
from flows.running.stopping import exit_code_of, sentence_when_stopped

SURPRISE_EXIT_CODE = 3


@contextmanager
def reported(*, as_json: bool, traceback: bool, workdir: Callable[[], Path | None]) -> Iterator[None]:
    """Turn an exception raised inside into a message and an exit code; `workdir` is called only if an unexpected error is written there."""
    try:
        yield
    except EdmsBackupError as error:
        if traceback:
            tracebacks.print_exc()
        print_error(error, as_json=as_json)
        raise typer.Exit(error.exit_code) from None
    except (KeyboardInterrupt, typer.Abort) as error:  # Abort: Ctrl-C, or the end of the input, at a question
        if traceback:
            tracebacks.print_exc()
        code = exit_code_of(error)
        print_error(Interrupted("Stopped.", why=sentence_when_stopped()), as_json=as_json, exit_code=code)
        raise typer.Exit(code) from None
    except Exception as error:
        if isinstance(error, (typer.Exit, BrokenPipeError)):
            raise
        if traceback:
            tracebacks.print_exc()
        told = _refusal(error) or _surprise(error, workdir(), shown=traceback)
        print_error(told, as_json=as_json)
        raise typer.Exit(told.exit_code) from None


def print_error(error: EdmsBackupError, *, as_json: bool, exit_code: int | None = None) -> None:
    """Print an error: for people on stderr, for machines as one JSON object on stdout."""
    if as_json:
        write_out(json_line(error.as_json() | as_facts() | {"exit_code": exit_code or error.exit_code}))
    elif isinstance(error, Interrupted):
        sys.stderr.write(f"\nstopped: {printable(error.why)}\n")
    else:
        sys.stderr.write(f"error: {printable(error)}\n")


_FIXES = {
    errno.EACCES: "Give this user access to it (`ls -ld` shows who has it), or name another path in the settings.",
    errno.EPERM: "Give this user access to it (`ls -ld` shows who has it), or name another path in the settings.",
    errno.EROFS: "It is mounted read-only. Mount it for writing, or name another path in the settings.",
    errno.ENOTDIR: "It is a file where a folder is needed. Move it away, or name another path in the settings.",
    errno.EEXIST: "It is a file where a folder is needed. Move it away, or name another path in the settings.",
    errno.EISDIR: "It is a folder where a file is needed. Name the file.",
    errno.ENOENT: "It does not exist and cannot be created. Correct the path in the settings.",
    errno.ENAMETOOLONG: "The path is longer than this file system allows. Name a shorter one.",
    errno.EIO: "The disk or the network share has an error. See the system's log.",
    errno.EMFILE: "Too many files are open. Raise the limit (`ulimit -n`).",
}
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def _refusal(error: BaseException) -> EdmsBackupError | None:
    """The message for an error of the operating system that the user can fix; None for a bug."""
    if not isinstance(error, OSError) or error.errno is None:
        return None
    where = " → ".join(str(name) for name in (error.filename, error.filename2) if name is not None)
    why = error.strerror or str(error)
    if error.errno in _FULL:
        return NoSpace(
            "The disk is full.", where=where, why=why, fix="Free some space, or point `workdir` at a larger disk."
        )
    fix = _FIXES.get(error.errno)
    return TerminalError("A file or folder cannot be used.", where=where, why=why, fix=fix) if fix and where else None


def _surprise(error: Exception, workdir: Path | None, *, shown: bool) -> EdmsBackupError:
    why = error_text(error)
    where = "" if shown else _write_traceback(workdir)
    fix = f"The details are in {where}." if where else "" if shown else "Run it again with --traceback for the details."
    return EdmsBackupError("Unexpected error.", why=why, fix=fix)


def _write_traceback(workdir: Path | None) -> str:
    if workdir is None:
        return ""
    path = workdir / "errors" / f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}.log"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Readable by the owner only: the message of a foreign exception may contain anything.
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(tracebacks.format_exc())
    except OSError:
        return ""  # perhaps the disk failed; then the message names --traceback
    return str(path)
