"""Alarms on a real server: runs that fail or crash, backups that do not come; each told to people once."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from flows.running.prefect_api import PrefectApi
from flows.scheduling.automations import register_alarms
from flows.scheduling.deploying import POOL, deploy, systems_in
from tests.prefect_server import Server, prefect_server, prefect_worker, wait_for
from tests.reference_system import EdmsTemplates, ReferenceEdmsFactory

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.prefect_server, pytest.mark.timeout(3600)]


@pytest.fixture
def told() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The URL of a webhook, and what was posted to it."""
    posted: list[dict[str, Any]] = []

    class Webhook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *anything: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Webhook)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}", posted
    server.shutdown()
    server.server_close()


def test_alarms_are_made_once_and_told_once(
    tmp_path: Path, _edms_templates: EdmsTemplates, told: tuple[str, list[dict[str, Any]]]
) -> None:
    url, posted = told
    edms = ReferenceEdmsFactory(_edms_templates, tmp_path / "installations", "alarmed")("sqlite", documents=5)
    config = edms.settings_file(
        tmp_path / "plant.toml",
        tmp_path / "repository",
        workdir=tmp_path / "work",
        extra=f'[notify]\nwebhook = "{url}"\n[status]\nmax_age = "20s"\n[hooks]\nbefore_verify = ["sleep 300"]\n',
    )
    config.write_text(config.read_text().replace("[edms]\n", '[edms]\nid = "plant"\n'))
    with prefect_server(tmp_path / "prefect", config) as server:
        systems = systems_in([config])
        made = deploy(systems, POOL, "process", server.env)
        assert {one.change for one in made} == {"made"}
        api = PrefectApi(server.env["PREFECT_API_URL"])
        assert {one.change for one in register_alarms(api, systems)} == {"unchanged"}
        assert len(_ours(server)) == len(made) == 8

        with prefect_worker(server):
            # Nothing has ever been backed up: that is late too.
            wait_for(lambda: _alarms(posted, "no backup for 20s"), "the alarm that there is no backup")

            # A run that fails has told of itself.
            lost = edms.database_path.rename(tmp_path / "lost")
            failed = _start(server, "backup-plant")
            wait_for(lambda: _state(server, failed) == "FAILED", "the failure of the backup")
            alarm = wait_for(lambda: _ended_alarm_of(server, failed), "the run of the alarm")
            assert alarm["state"]["type"] == "COMPLETED"
            assert [one["verb"] for one in posted if one["run"] == failed] == ["backup"]
            lost.rename(edms.database_path)

            # One that is killed has not.
            killed = _start(server, "verify-plant")
            process = wait_for(lambda: _process_of(killed), "the process of the verification")
            os.kill(process, signal.SIGKILL)
            wait_for(lambda: _state(server, killed) == "CRASHED", "the crash of the verification")
            (crashed,) = wait_for(lambda: [one for one in posted if one["run"] == killed], "the alarm of the crash")
            assert (crashed["verb"], crashed["edms"]) == ("alarm", "plant")
            assert "verify-plant crashed" in crashed["what"]

        # Another limit is another alarm; the old one goes, and what somebody turned off stays off.
        off = next(one for one in _ours(server) if one["name"].endswith("findings grew"))
        wait_for(
            lambda: server.api.patch(f"/automations/{off['id']}", json={"enabled": False}).is_success, "it to be off"
        )
        config.write_text(config.read_text().replace('max_age = "20s"', 'max_age = "30h"'))
        changes = {one.name: one.change for one in register_alarms(api, systems_in([config]))}
        assert changes["plant: no backup for 20s"] == "removed"
        assert changes["plant: no backup for 30h"] == "made"
        assert len(_ours(server)) == 8
        assert [one["name"] for one in _ours(server) if not one["enabled"]] == ["plant: findings grew"]


def _ours(server: Server) -> list[dict[str, Any]]:
    return [one for one in server.ask("/automations/filter") if "plant" in one["tags"]]


def _alarms(posted: list[dict[str, Any]], words: str) -> list[dict[str, Any]]:
    return [one for one in posted if one["verb"] == "alarm" and words in one["verdict"]]


def _start(server: Server, deployment: str) -> str:
    (found,) = server.ask("/deployments/filter", deployments={"name": {"any_": [deployment]}})
    return str(server.ask(f"/deployments/{found['id']}/create_flow_run")["id"])


def _state(server: Server, run: str) -> str:
    return str(server.api.get(f"/flow_runs/{run}").raise_for_status().json()["state"]["type"])


def _ended_alarm_of(server: Server, run: str) -> dict[str, Any] | None:
    found: list[dict[str, Any]] = server.ask("/flow_runs/filter", deployments={"name": {"any_": ["alarm-plant"]}})
    ended = {"COMPLETED", "FAILED", "CRASHED"}
    return next((one for one in found if one["parameters"].get("run") == run and one["state"]["type"] in ended), None)


def _process_of(run: str) -> int:
    """The process of a flow run, once its hook sleeps; 0 before."""
    for entry in Path("/proc").iterdir():
        try:
            asleep = entry.name.isdigit() and b"sleep\x00300" in (entry / "cmdline").read_bytes()
            if asleep and f"PREFECT__FLOW_RUN_ID={run}".encode() in (entry / "environ").read_bytes():
                return int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, PermissionError, ProcessLookupError):
            continue
    return 0
