"""A real Prefect server and worker in processes of their own, with a home of their own, for tests and pictures."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx

from tests.reference_system import one_at_a_time

ROOT = Path(__file__).resolve().parent.parent
PREFECT = [sys.executable, "-m", "prefect"]
SECONDS = 900.0  # far more than is needed: a machine with other work must not fail what is right

_DATABASE = "prefect.db"
_MAKE_TABLES = (
    "import asyncio; from prefect.server.database import provide_database_interface as database; "
    "asyncio.run(database().create_db())"
)

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Server:
    """A running Prefect server and how to speak to it."""

    env: dict[str, str]
    api: httpx.Client
    logs: Path

    @property
    def port(self) -> int:
        return int(self.env["PREFECT_SERVER_API_PORT"])

    def prefect(self, *arguments: str) -> None:
        done = subprocess.run(
            [*PREFECT, *arguments], env=self.env, cwd=ROOT, capture_output=True, text=True, check=False, timeout=SECONDS
        )
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]

    def ask(self, path: str, **conditions: Any) -> Any:
        """Post a request and return the answer; while the server's database is busy it answers 503."""

        def post() -> httpx.Response | None:
            answer = self.api.post(path, json=conditions)
            return None if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE else answer.raise_for_status()

        return wait_for(post, f"an answer from {path}").json()


class PrefectHomes:
    """Makes homes with an empty database. Its tables are made once a session: of a server's start, that is what takes longest.

    Args:
        folder: of all processes of the session.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, home: Path) -> Path:
        """Make a home."""
        home.mkdir(parents=True)
        shutil.copy(self._template(), home / _DATABASE)
        return home

    def _template(self) -> Path:
        made = self._folder / "prefect"
        with one_at_a_time(self._folder / "prefect.lock"):
            if not made.exists():
                unfinished = made.with_suffix(".part")
                env = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
                subprocess.run(
                    [sys.executable, "-c", _MAKE_TABLES],
                    env=env | {"PREFECT_HOME": str(unfinished)},
                    check=True,
                    timeout=SECONDS,
                )
                unfinished.rename(made)
        return made / _DATABASE


@contextmanager
def prefect_server(
    home: Path, config: Path, port: int | None = None, extra: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """Start a server; with the home and the port of an earlier one, the same again. `extra`: more environment, for the worker, too."""
    again = port is not None
    home.mkdir(exist_ok=True)
    port = port or _free_port()
    url = f"http://127.0.0.1:{port}/api"
    env = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")} | {
        "PREFECT_HOME": str(home),
        "PREFECT_API_URL": url,
        # The UI would ask port 4200 for its data if only --port were given.
        "PREFECT_SERVER_API_PORT": str(port),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        "EDMS_BACKUP_CONFIG": str(config),
        **(extra or {}),
    }
    with _process(env, home / "server.log", "server", "start"), httpx.Client(base_url=url, timeout=120) as api:
        wait_for(lambda: _answers(api), f"an answer from the server; see {home / 'server.log'}")
        if not again:
            api.post("/work_pools/", json={"name": "edms-backup", "type": "process"}).raise_for_status()
        yield Server(env=env, api=api, logs=home)


@contextmanager
def prefect_worker(server: Server) -> Iterator[None]:
    with _process(
        server.env, server.logs / "worker.log", "worker", "start", "--pool", "edms-backup", "--type", "process"
    ):
        yield


@contextmanager
def _process(env: dict[str, str], log: Path, *arguments: str) -> Iterator[None]:
    with log.open("wb") as output:
        # A session of its own, so that what it starts can be ended with it.
        process = subprocess.Popen(
            [*PREFECT, *arguments],
            env=env,
            cwd=log.parent,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    for what in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, what)
        except ProcessLookupError:
            break
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            continue
    process.wait()


def wait_for(ask: Callable[[], Answer | None], what: str) -> Answer:
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        if answer := ask():
            return answer
        time.sleep(0.3)
    raise AssertionError(f"waited {SECONDS:.0f} s for {what}")


def _answers(api: httpx.Client) -> bool:
    try:
        return api.get("/health").status_code == 200
    except httpx.TransportError:
        return False


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
