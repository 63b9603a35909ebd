"""Runs where the EDMS is, in a container or on another host: starts the probe there and sends back its answer.

`remote_probe.py` sends this file's text, with a call of `carry` at its end, to the standard input of the interpreter that
`[edms] command` starts. It needs none of our files there and writes none: it passes the probe's source to another
interpreter's standard input and reads the report from a pipe. Only standard output leads back, and other code prints to
it too. So the answer is sent as lines that begin with a token that only the sender knows, each small enough for one write.

Python 3.8 and the standard library are enough.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any

_CHARACTERS_A_LINE = 2000  # below PIPE_BUF: a pipe takes a line at once, so no other output can split it
_SECONDS_TO_END = 5
_LONGEST_OUTPUT = 1 << 20


def carry(request: str) -> None:
    """Run the probe as the request (base64 of JSON) says, and print its answer as lines that begin with the request's token."""
    asked = json.loads(base64.b64decode(request).decode("utf-8"))
    answer = base64.b64encode(json.dumps(_answer(asked)).encode("ascii")).decode("ascii")
    parts = [answer[start : start + _CHARACTERS_A_LINE] for start in range(0, len(answer), _CHARACTERS_A_LINE)]
    sys.stdout.flush()
    for part in parts:
        _print(f"{asked['token']} {part}")
    _print(f"{asked['token']} end {len(parts)} {hashlib.sha256(answer.encode('ascii')).hexdigest()}")


def _answer(asked: dict[str, Any]) -> dict[str, Any]:
    project = asked["project"]
    if project and not os.path.isdir(project):  # noqa: PTH112
        return {"problem": "no-project"}
    mode, *arguments = asked["arguments"]
    receiving, sending = os.pipe()
    try:
        process = subprocess.Popen(
            [sys.executable, "-", mode, "--output", str(sending), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=(sending,),
            cwd=project or None,
            env=dict(os.environ, **asked["environment"]),
            start_new_session=True,
        )
    except OSError as error:
        os.close(receiving)
        return {"problem": "no-interpreter", "why": f"{sys.executable!r}: {error}"}
    finally:
        os.close(sending)
    report = _Received(receiving)
    end = None if asked["seconds"] is None else time.monotonic() + asked["seconds"]
    try:
        out, err = process.communicate(asked["source"].encode("utf-8"), timeout=asked["seconds"])
        report.wait(end)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # and everything that it started
        out, err = process.communicate()
        return {
            "problem": "no-answer",
            "stdout": out[-_LONGEST_OUTPUT:].decode("utf-8", "replace"),
            "stderr": err[-_LONGEST_OUTPUT:].decode("utf-8", "replace"),
        }
    return {
        "returncode": process.returncode,
        "stdout": out.decode("utf-8", "replace"),
        "stderr": err.decode("utf-8", "replace"),
        "report": b"".join(report.parts).decode("utf-8", "replace"),
    }


class _Received:
    """Reads a pipe in a thread, so that its writer never has to wait."""

    def __init__(self, descriptor: int) -> None:
        self.parts: list[bytes] = []
        self._descriptor = descriptor
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def wait(self, end: float | None) -> None:
        """Wait until the writer has closed the pipe; raises TimeoutExpired if a child process of it keeps the pipe open."""
        remaining = _SECONDS_TO_END if end is None else max(_SECONDS_TO_END, end - time.monotonic())
        self._thread.join(remaining)
        if self._thread.is_alive():
            raise subprocess.TimeoutExpired("the probe", remaining)

    def _read(self) -> None:
        while True:
            part = os.read(self._descriptor, 65536)
            if not part:
                os.close(self._descriptor)
                return
            self.parts.append(part)


def _print(line: str) -> None:
    # The line break first ends a line that other code printed without one.
    text = f"\n{line}\n".encode("ascii")
    while text:
        text = text[os.write(1, text) :]
