"""Deployed for real: a Prefect server, the deployments of `prefect.yaml`, a worker, a backup, and what it left behind.

Guards two pins of pyproject.toml as well: with a too new FastAPI the server does not start, with a too new SQLAlchemy
the scheduled runs silently never appear.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from tests.reference_system import ReferenceEdmsFactory

ROOT = Path(__file__).resolve().parent.parent.parent
PREFECT = [sys.executable, "-m", "prefect"]
SECONDS = 300.0

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Server:
    """A running Prefect server and how to speak to it."""

    env: dict[str, str]
    api: httpx.Client
    logs: Path

    def prefect(self, *arguments: str) -> None:
        done = subprocess.run(
            [*PREFECT, *arguments], env=self.env, cwd=ROOT, capture_output=True, text=True, check=False, timeout=SECONDS
        )
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]

    def ask(self, path: str, **conditions: Any) -> Any:
        answer = self.api.post(path, json=conditions)
        answer.raise_for_status()
        return answer.json()


@pytest.mark.slow
@pytest.mark.prefect_server
@pytest.mark.timeout(900)
def test_a_deployed_backup_is_scheduled_runs_through_a_worker_and_leaves_artifacts(
    edms_factory: ReferenceEdmsFactory, tmp_path: Path
) -> None:
    edms = edms_factory("sqlite", documents=5)
    config = edms.settings_file(tmp_path / "etc" / "edms-backup.toml", tmp_path / "repository")

    with _server(tmp_path / "prefect", config) as server, _worker(server):
        server.prefect("--no-prompt", "deploy", "--prefect-file", "deployments/prefect.yaml", "--all")

        deployments = {found["name"]: found for found in server.ask("/deployments/filter")}
        assert set(deployments) == {"backup", "verify", "restore", "plan-restore", "merge", "diff", "rollback"}
        for name, deployment in deployments.items():
            form = deployment["parameter_openapi_schema"]["properties"]
            assert all(field.get("description") for field in form.values()), (name, form)
            assert deployment["parameters"]["config"] == str(config)
            assert str(ROOT) not in str(deployment)
        assert deployments["restore"]["schedules"] == []
        scheduled = _wait_for(lambda: _runs(server, deployments["backup"], "SCHEDULED"), "scheduled runs")
        assert all(run["auto_scheduled"] for run in scheduled)

        started = server.api.post(
            f"/deployments/{deployments['backup']['id']}/create_flow_run",
            json={"parameters": {"tag": "from-the-server"}},
        ).raise_for_status()
        run = _wait_for(lambda: _ended(server, started.json()["id"]), "the end of the run")

        assert run["state"]["type"] == "COMPLETED", run["state"]["message"]
        assert run["parameters"] == {"config": str(config), "tag": "from-the-server"}
        mine = {"flow_runs": {"id": {"any_": [run["id"]]}}}
        wanted = {"extract documents.Document", "package documents.Document", "verify documents.Document"}
        # Task runs are recorded from events, a little later than the flow's own state.
        tasks = _wait_for(lambda: _named(server, mine, wanted), f"task runs named {wanted}")
        assert {task["state_type"] for task in tasks} == {"COMPLETED"}
        artifacts = {found["key"]: found for found in server.ask("/artifacts/filter", **mine)}
        assert "documents.Document" in artifacts["backup-tables"]["data"]
        for told in ("# Backed up", "Snapshot:", "Read again:"):
            assert told in artifacts["backup-verdict"]["data"]
        kept = str([run, tasks, artifacts, deployments])
        assert edms.secret_key not in kept

    assert [*(tmp_path / "repository" / "snapshots").iterdir()]


@contextmanager
def _server(home: Path, config: Path) -> Iterator[Server]:
    home.mkdir()
    port = _free_port()
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
    }
    with _process(env, home / "server.log", "server", "start"), httpx.Client(base_url=url, timeout=120) as api:
        _wait_for(lambda: _answers(api), f"an answer from the server; see {home / 'server.log'}")
        yield Server(env=env, api=api, logs=home)


@contextmanager
def _worker(server: Server) -> Iterator[None]:
    server.api.post("/work_pools/", json={"name": "edms-backup", "type": "process"}).raise_for_status()
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


def _wait_for(ask: Callable[[], Answer | None], what: str) -> Answer:
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


def _runs(server: Server, deployment: dict[str, Any], state: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = server.ask(
        "/flow_runs/filter",
        flow_runs={"deployment_id": {"any_": [deployment["id"]]}, "state": {"type": {"any_": [state]}}},
    )
    return found


def _named(server: Server, conditions: dict[str, Any], names: set[str]) -> list[dict[str, Any]] | None:
    found: list[dict[str, Any]] = server.ask("/task_runs/filter", **conditions, task_runs={"name": {"any_": [*names]}})
    ended = {task["name"] for task in found if task["state_type"] == "COMPLETED"}
    return found if ended == names else None


def _ended(server: Server, run_id: str) -> dict[str, Any] | None:
    run: dict[str, Any] = server.api.get(f"/flow_runs/{run_id}").raise_for_status().json()
    return run if run["state"]["type"] in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED") else None


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
