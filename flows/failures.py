"""What the command line says and returns when something fails.

An error of this product is printed as its four facts (what, where, why, cure) and leaves with its class's exit code.
All else is a defect or a surprise of the machine: one line, exit code 3, and the traceback in a file or with
`--traceback`.
"""

from __future__ import annotations

import os
import sys
import traceback as tracebacks
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import typer

from edms_tasks.errors import EdmsBackupError, Interrupted
from flows.output import json_line, write_out
from flows.stopping import exit_code_of, what_is_left
from flows.terminal import printable

SURPRISE_EXIT_CODE = 3


@contextmanager
def reported(*, as_json: bool, traceback: bool, workdir: Callable[[], Path | None]) -> Iterator[None]:
    """Turn what is raised inside into a message and an exit code; `workdir` is asked only once it is needed."""
    try:
        yield
    except EdmsBackupError as error:
        if traceback:
            tracebacks.print_exc()
        tell_error(error, as_json=as_json)
        raise typer.Exit(error.exit_code) from None
    except (KeyboardInterrupt, typer.Abort) as error:  # Abort: Ctrl-C, or the end of the input, at a question
        if traceback:
            tracebacks.print_exc()
        code = exit_code_of(error)
        tell_error(Interrupted("Stopped.", why=what_is_left()), as_json=as_json, exit_code=code)
        raise typer.Exit(code) from None
    except Exception as error:
        if isinstance(error, (typer.Exit, BrokenPipeError)):
            raise
        if traceback:
            tracebacks.print_exc()
        tell_error(_surprise(error, workdir(), shown=traceback), as_json=as_json)
        raise typer.Exit(SURPRISE_EXIT_CODE) from None


def tell_error(error: EdmsBackupError, *, as_json: bool, exit_code: int | None = None) -> None:
    """Print an error: for people on stderr, for machines as one JSON object on stdout."""
    if as_json:
        write_out(json_line(error.as_json() | {"exit_code": exit_code or error.exit_code}))
    elif isinstance(error, Interrupted):
        sys.stderr.write(f"\nstopped: {printable(error.why)}\n")
    else:
        sys.stderr.write(f"error: {printable(error)}\n")


def _surprise(error: Exception, workdir: Path | None, *, shown: bool) -> EdmsBackupError:
    why = " ".join(f"{type(error).__name__}: {error}".split())[:500]
    where = "" if shown else _write_traceback(workdir)
    cure = (
        f"The details are in {where}." if where else "" if shown else "Run it again with --traceback for the details."
    )
    return EdmsBackupError("The command failed in a way it does not know.", why=why, cure=cure)


def _write_traceback(workdir: Path | None) -> str:
    if workdir is None:
        return ""
    path = workdir / "errors" / f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}.log"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Only for the owner: the message of a stranger's exception may hold anything.
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(tracebacks.format_exc())
    except OSError:
        return ""  # the disk may be the very thing that failed; the message then names --traceback
    return str(path)
