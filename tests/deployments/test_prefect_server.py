"""Deployed for real: a Prefect server, the deployments of `prefect.yaml`, a worker, a backup, and what it left behind.

Guards two pins of pyproject.toml as well: with a too new FastAPI the server does not start, with a too new SQLAlchemy
the scheduled runs silently never appear.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.prefect_server import ROOT, Server, prefect_server, prefect_worker, wait_for
from tests.reference_system import ReferenceEdmsFactory


@pytest.mark.slow
@pytest.mark.prefect_server
@pytest.mark.timeout(900)
def test_a_deployed_backup_is_scheduled_runs_through_a_worker_and_leaves_artifacts(
    edms_factory: ReferenceEdmsFactory, tmp_path: Path
) -> None:
    edms = edms_factory("sqlite", documents=5)
    config = edms.settings_file(tmp_path / "etc" / "edms-backup.toml", tmp_path / "repository")

    with prefect_server(tmp_path / "prefect", config) as server, prefect_worker(server):
        server.prefect("--no-prompt", "deploy", "--prefect-file", "deployments/prefect.yaml", "--all")

        deployments = {found["name"]: found for found in server.ask("/deployments/filter")}
        assert set(deployments) == {"backup", "verify", "restore", "plan-restore", "merge", "diff", "rollback"}
        for name, deployment in deployments.items():
            form = deployment["parameter_openapi_schema"]["properties"]
            assert all(field.get("description") for field in form.values()), (name, form)
            assert deployment["parameters"]["config"] == str(config)
            assert str(ROOT) not in str(deployment)
        assert deployments["restore"]["schedules"] == []
        scheduled = wait_for(lambda: _runs(server, deployments["backup"], "SCHEDULED"), "scheduled runs")
        assert all(run["auto_scheduled"] for run in scheduled)

        started = server.api.post(
            f"/deployments/{deployments['backup']['id']}/create_flow_run",
            json={"parameters": {"tag": "from-the-server"}},
        ).raise_for_status()
        run = wait_for(lambda: _ended(server, started.json()["id"]), "the end of the run")

        assert run["state"]["type"] == "COMPLETED", run["state"]["message"]
        assert run["parameters"] == {"config": str(config), "tag": "from-the-server"}
        mine = {"flow_runs": {"id": {"any_": [run["id"]]}}}
        wanted = {"extract documents.Document", "package documents.Document", "verify documents.Document"}
        # Task runs are recorded from events, a little later than the flow's own state.
        tasks = wait_for(lambda: _named(server, mine, wanted), f"task runs named {wanted}")
        assert {task["state_type"] for task in tasks} == {"COMPLETED"}
        artifacts = {found["key"]: found for found in server.ask("/artifacts/filter", **mine)}
        assert "documents.Document" in artifacts["backup-tables"]["data"]
        for told in ("# Backed up", "Snapshot:", "Read again:"):
            assert told in artifacts["backup-verdict"]["data"]
        kept = str([run, tasks, artifacts, deployments])
        assert edms.secret_key not in kept

    assert [*(tmp_path / "repository" / "snapshots").iterdir()]


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
