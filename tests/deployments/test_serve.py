"""`edms-backup serve`: a server with a login, a worker and the schedules of two EDMSs, from one command to its end."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.prefect_server import SECONDS, wait_for
from tests.reference_system import EdmsTemplates, ReferenceEdmsFactory

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.prefect_server, pytest.mark.timeout(3600)]


class Served:
    """The command, and its server."""

    def __init__(self, folder: Path, settings: Path) -> None:
        with closing(socket.socket()) as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.home = folder / "prefect"
        env = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
        self.output = (folder / "serve.log").open("wb")
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "flows.cli.app", "serve", "--all", str(settings)),
                *("--home", str(self.home), "--port", str(self.port)),
            ],
            env=env | {"PREFECT_WORKER_QUERY_SECONDS": "1"},
            stdout=self.output,
            stderr=subprocess.STDOUT,
        )
        self.api = httpx.Client(base_url=f"http://127.0.0.1:{self.port}/api", timeout=60)

    def wait(self) -> None:
        wait_for(lambda: self.home.joinpath("worker.log").exists() or self.process.poll() is not None, "the worker")
        assert self.process.poll() is None, Path(self.output.name).read_text()
        user, password = self.home.joinpath("login").read_text().strip().split(":")
        self.api.auth = httpx.BasicAuth(user, password)
        token = self.api.get("/csrf-token", params={"client": "test"}).raise_for_status().json()["token"]
        self.api.headers.update({"Prefect-Csrf-Token": token, "Prefect-Csrf-Client": "test"})

    def ask(self, path: str, **conditions: Any) -> Any:
        def post() -> httpx.Response | None:
            answer = self.api.post(path, json=conditions)
            return None if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE else answer.raise_for_status()

        return wait_for(post, f"an answer from {path}").json()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(SECONDS)


@pytest.fixture
def served(tmp_path: Path, _edms_templates: EdmsTemplates) -> Iterator[Served]:
    factory = ReferenceEdmsFactory(_edms_templates, tmp_path / "installations", "served")
    for name in ("plant", "office"):
        edms = factory("sqlite", documents=2)
        schedule = '[schedule]\ntimezone = "Europe/Vienna"\nbackup = "15 1 * * 1-5"\ndrill = ""'
        config = edms.settings_file(
            tmp_path / "etc" / f"{name}.toml",
            tmp_path / f"{name}-repository",
            workdir=tmp_path / f"{name}-work",
            extra=schedule,
        )
        config.write_text(config.read_text().replace("[edms]\n", f'[edms]\nid = "{name}"\n'))
    served = Served(tmp_path, tmp_path / "etc")
    try:
        yield served
    finally:
        served.process.kill()
        served.process.wait()


def test_two_systems_are_served_with_a_login_and_everything_ends_with_the_command(
    served: Served, tmp_path: Path
) -> None:
    served.wait()

    url = f"http://127.0.0.1:{served.port}/api/deployments/filter"
    assert httpx.post(url, json={}).status_code == 403
    assert httpx.post(url, json={}, headers=served.api.headers).status_code == 401
    assert stat.S_IMODE((served.home / "login").stat().st_mode) == 0o600
    said = Path(served.output.name).read_text()
    assert said.startswith("starting  the server, which takes half a minute")  # not silent meanwhile
    assert served.api.auth is not None and (served.home / "login").read_text().strip() not in said
    deployed = {one["name"]: one for one in served.ask("/deployments/filter")}
    assert {"backup-plant", "backup-office", "status-plant", "restore-office", "drill-plant"} <= set(deployed)
    (schedule,) = deployed["backup-plant"]["schedules"]
    assert schedule["schedule"]["cron"] == "15 1 * * 1-5"
    assert schedule["schedule"]["timezone"] == "Europe/Vienna"
    assert deployed["drill-plant"]["schedules"] == []

    run = served.ask(f"/deployments/{deployed['backup-plant']['id']}/create_flow_run")["id"]
    ended = wait_for(lambda: _ended(served, run), "the end of the backup")
    assert ended["type"] == "COMPLETED", ended["message"]
    assert [*(tmp_path / "plant-repository" / "snapshots").iterdir()]
    assert not (tmp_path / "office-repository" / "snapshots").exists()

    # A worker that dies is started again.
    worker = _child(served.process.pid, "worker")
    os.kill(worker, signal.SIGKILL)
    again = wait_for(lambda: (found := _child(served.process.pid, "worker")) != worker and found, "another worker")

    server = _child(served.process.pid, "server")
    assert served.stop() == 0
    for pid in (again, server):
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def _ended(served: Served, run: str) -> dict[str, Any] | None:
    state: dict[str, Any] = served.api.get(f"/flow_runs/{run}").raise_for_status().json()["state"]
    return state if state["type"] in {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"} else None


def _child(parent: int, kind: str) -> int:
    """The id of the process `prefect server` or `prefect worker` that this one has started; 0 if there is none."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            words = entry.joinpath("cmdline").read_bytes().split(b"\0")
            state, its_parent = entry.joinpath("stat").read_text().rpartition(")")[2].split()[:2]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(its_parent) == parent and state != "Z" and b"prefect" in words and kind.encode() in words:
            return int(entry.name)
    return 0
