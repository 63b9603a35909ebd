"""A temporary Prefect server for a flow without a configured one: started early, quiet, and ended with the command.

Prefect would start one by itself, but only when the flow is called, with its log among our output, and it would end it before
the last task runs are recorded.
"""

from __future__ import annotations

import atexit
import ctypes
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus

from edms_tasks.errors import TransientError

_SECONDS_TO_START = 120
_SECONDS_TO_ANSWER = 10
_SECONDS_TO_SETTLE = 120  # A busy machine needs half a minute for two hundred task runs.
_SECONDS_STANDING_STILL = 10  # … while their number grows
_SECONDS_TO_STOP = 10
_BETWEEN = 0.1
_ENDED = ["COMPLETED", "FAILED", "CRASHED", "CANCELLED"]
_PR_SET_PDEATHSIG = 1
_LINES_SHOWN = 5
_DIRECTLY = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # no proxy for our own machine


class TemporaryServer:
    """A server that is starting; it ends with this process, after the runs of its flows are recorded.

    Its database is Prefect's own on this machine (PREFECT_HOME), so what it records is there for a later server.
    """

    def __init__(self) -> None:
        self._began = datetime.now(UTC)
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the server
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/api"
        command = ["-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
        self._process = subprocess.Popen(
            [sys.executable, *command],
            env=os.environ | {"PREFECT_UI_ENABLED": "false", "PREFECT_SERVER_ANALYTICS_ENABLED": "false"},
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C must not reach the server, which has to record the flow's end
            preexec_fn=ends_with_its_parent(),
        )
        atexit.register(self.stop)

    def wait(self) -> None:
        """Wait until it answers; raises TransientError if it does not."""
        until = time.monotonic() + _SECONDS_TO_START
        while time.monotonic() < until and self._process.poll() is None:
            if health_of(self.url) == HTTPStatus.OK:
                return
            time.sleep(_BETWEEN)
        raise TransientError(
            "Prefect's temporary server did not start.",
            where=self.url,
            why=self._reason(),
            fix="Start a server and set PREFECT_API_URL, or run without one: --no-flow.",
        )

    def stop(self) -> None:
        """Stop the server after it has recorded everything that was sent to it."""
        atexit.unregister(self.stop)
        if self._process.poll() is None:
            try:
                self._settle()
            finally:
                self._process.terminate()
            try:
                self._process.wait(_SECONDS_TO_STOP)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._log.close()

    def _settle(self) -> None:
        """Wait until all task runs are recorded: the server makes them from events, after it has accepted these."""
        until = time.monotonic() + _SECONDS_TO_SETTLE
        before, moved = (-1, -1), time.monotonic()
        while (now := time.monotonic()) < min(until, moved + _SECONDS_STANDING_STILL):
            try:
                found = self._count(), self._count(_ENDED)
            except (urllib.error.URLError, OSError):
                return  # it did not start, or ended: nothing more is recorded
            begun, ended = found
            if found != before:
                before, moved = found, now
            elif begun == ended:
                return
            time.sleep(_BETWEEN)

    def _count(self, states: list[str] | None = None) -> int:
        """The number of task runs that began since this server started, and are in one of these states."""
        chosen: dict[str, object] = {"start_time": {"after_": self._began.isoformat()}}
        if states:
            chosen["state"] = {"type": {"any_": states}}
        request = urllib.request.Request(  # noqa: S310
            f"{self.url}/task_runs/count",
            data=json.dumps({"task_runs": chosen}).encode(),
            headers={"Content-Type": "application/json"},
        )
        with _DIRECTLY.open(request, timeout=_SECONDS_TO_ANSWER) as answer:
            return int(json.load(answer))

    def _reason(self) -> str:
        """The last error in the server's log, or else its last line."""
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").strip().splitlines()
        errors = [line for line in lines if re.match(r"[\w.]+(Error|Exception)\b", line)]
        return errors[-1] if errors else "\n".join(lines[-_LINES_SHOWN:]) or "It said nothing."


def health_of(url: str) -> int | None:
    """The HTTP status with which the API of a server on this machine says how it is; None if nobody answers."""
    try:
        with _DIRECTLY.open(f"{url}/health", timeout=_SECONDS_TO_ANSWER) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except (urllib.error.URLError, OSError):
        return None


def ends_with_its_parent() -> Callable[[], None] | None:
    """For the child process: end when the parent is killed. Linux only."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)

    return ask
