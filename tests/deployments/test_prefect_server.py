"""Deployed for real: a Prefect server, the deployments of `prefect.yaml`, a worker, a backup, and what it left behind.

Guards two pins of pyproject.toml as well: with a too new FastAPI the server does not start, with a too new SQLAlchemy
the scheduled runs silently never appear.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.prefect_server import ROOT, PrefectHomes, Server, prefect_server, prefect_worker, wait_for
from tests.reference_system import EdmsTemplates, ReferenceEdms, ReferenceEdmsFactory

pytestmark = [pytest.mark.slow, pytest.mark.prefect_server, pytest.mark.timeout(3600)]


@dataclass(frozen=True)
class Deployed:
    """An EDMS, and a server that knows all deployments of its settings file."""

    edms: ReferenceEdms
    config: Path
    repository: Path
    server: Server
    deployments: dict[str, Any]


@pytest.fixture(scope="module")
def deployed(
    tmp_path_factory: pytest.TempPathFactory, _edms_templates: EdmsTemplates, prefect_homes: PrefectHomes
) -> Iterator[Deployed]:
    """Nobody has run anything yet."""
    folder = tmp_path_factory.mktemp("deployed")
    edms = ReferenceEdmsFactory(_edms_templates, folder / "installations", "deployed")("sqlite", documents=5)
    config = edms.settings_file(folder / "etc" / "edms-backup.toml", folder / "repository")
    with prefect_server(prefect_homes(folder / "prefect"), config) as server:
        server.prefect("--no-prompt", "deploy", "--prefect-file", "deployments/prefect.yaml", "--all")
        deployments = {found["name"]: found for found in server.ask("/deployments/filter")}
        yield Deployed(edms, config, folder / "repository", server, deployments)


@pytest.mark.long
def test_every_verb_is_deployed_with_a_form_and_the_backup_is_scheduled(deployed: Deployed) -> None:
    deployments = deployed.deployments
    assert set(deployments) == {
        "alarm",
        "backup",
        "verify-sample",
        "verify",
        "drill",
        "copy",
        "convert",
        "export-fixtures",
        "prune",
        "restore",
        "plan-restore",
        "merge",
        "diff",
        "rollback",
        "doctor",
        "list",
        "status",
    }
    for name, deployment in deployments.items():
        form = deployment["parameter_openapi_schema"]["properties"]
        assert all(field.get("description") for field in form.values()), (name, form)
        assert deployment["parameters"]["config"] == str(deployed.config)
        assert str(ROOT) not in str(deployment)
    assert deployments["restore"]["schedules"] == []
    scheduled = wait_for(lambda: _runs(deployed.server, deployments["backup"], "SCHEDULED"), "scheduled runs")
    assert all(run["auto_scheduled"] for run in scheduled)


@pytest.mark.long
def test_a_deployed_backup_runs_through_a_worker_and_leaves_artifacts(deployed: Deployed) -> None:
    server = deployed.server
    with prefect_worker(server):
        started = server.api.post(
            f"/deployments/{deployed.deployments['backup']['id']}/create_flow_run",
            json={"parameters": {"tag": "from-the-server"}},
        ).raise_for_status()
        run = wait_for(lambda: _ended(server, started.json()["id"]), "the end of the run")

        assert run["state"]["type"] == "COMPLETED", run["state"]["message"]
        assert run["parameters"] == {"config": str(deployed.config), "tag": "from-the-server"}
        mine = {"flow_runs": {"id": {"any_": [run["id"]]}}}
        wanted = {"extract documents.Document", "package documents.Document", "verify documents.Document"}
        # Task runs are recorded from events, a little later than the flow's own state.
        tasks = wait_for(lambda: _named(server, mine, wanted), f"task runs named {wanted}")
        assert {task["state_type"] for task in tasks} == {"COMPLETED"}
        artifacts = {found["key"]: found for found in server.ask("/artifacts/filter", **mine)}
        assert "documents.Document" in artifacts["backup-tables"]["data"]
        for told in ("# Backed up", "Snapshot:", "Read again:"):
            assert told in artifacts["backup-verdict"]["data"]
        kept = str([run, tasks, artifacts, deployed.deployments])
        assert deployed.edms.secret_key not in kept

    assert [*(deployed.repository / "snapshots").iterdir()]


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
