"""An EDMS with a snapshot, deployed on a real server of its own with a worker"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg

from edms_tasks.repository import Repository
from edms_tasks.settings import Settings, load_settings
from tests.prefect_server import Server, prefect_server, prefect_worker, wait_for
from tests.reference_system import ReferenceEdms

EDMS = "archive-of-the-plant"
ENDED = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}


@dataclass
class Plant:
    """An EDMS with a snapshot, deployed on a server of its own with a worker."""

    edms: ReferenceEdms
    config: Path
    home: Path
    snapshot: str
    extra: Mapping[str, str] = field(default_factory=dict)  # environment of server and worker
    running: ExitStack = field(default_factory=ExitStack)
    server: Server = field(init=False)

    def __post_init__(self) -> None:
        self._serve(None)
        self.server.prefect("--no-prompt", "deploy", "--prefect-file", "deployments/prefect.yaml", "--all")
        self.deployments = {one["name"]: one["id"] for one in self.server.ask("/deployments/filter")}

    @property
    def settings(self) -> Settings:
        return load_settings(self.config)

    def restart(self) -> None:
        """End server and worker, and start them again."""
        port = self.server.port
        self.running.close()
        self._serve(port)

    def _serve(self, port: int | None) -> None:
        self.server = self.running.enter_context(prefect_server(self.home, self.config, port, self.extra))
        self.running.enter_context(prefect_worker(self.server))

    def rules(self, text: str) -> None:
        """Write the rules of approval into the settings."""
        written = self.config.read_text(encoding="utf-8").partition("\n[approval]")[0]
        self.config.write_text(f"{written}\n[approval]\n{text}\n", encoding="utf-8")

    def start(self, deployment: str, **parameters: Any) -> str:
        path = f"/deployments/{self.deployments[deployment]}/create_flow_run"
        return str(self.server.ask(path, parameters=parameters)["id"])

    def reaches(self, run_id: str, wanted: str, fresh: str = "") -> str:
        """Wait until the run is in that state (not the one with the id `fresh`); returns its message."""

        def look() -> dict[str, Any] | None:
            answer = self.server.api.get(f"/flow_runs/{run_id}")
            if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
                return None
            state: dict[str, Any] = answer.raise_for_status().json()["state"]
            if state["id"] == fresh:
                return None
            assert state["type"] == wanted or state["type"] not in ENDED, state
            return state if state["type"] == wanted else None

        return str(wait_for(look, f"{wanted} of run {run_id}")["message"])

    def state(self, run_id: str) -> str:
        return str(self.server.api.get(f"/flow_runs/{run_id}").raise_for_status().json()["state"]["id"])

    def resume(self, run_id: str, **answer: Any) -> None:
        def accepted() -> bool:
            done = self.server.ask(f"/flow_runs/{run_id}/resume", run_input=answer)
            # Prefect suspends a run a moment before it stores what is to be filled in.
            assert done["status"] == "ACCEPT" or "schema not found" in str(done), done
            return bool(done["status"] == "ACCEPT")

        wait_for(accepted, f"the form of run {run_id}")

    def set_state(self, run_id: str, **state: Any) -> None:
        self.server.ask(f"/flow_runs/{run_id}/set_state", state=state, force=True)

    def artifact(self, run_id: str, key: str) -> str:
        found = self.server.ask("/artifacts/filter", flow_runs={"id": {"any_": [run_id]}})
        return str({one["key"]: one["data"] for one in found}[key])

    def titles(self) -> set[str]:
        with self._database() as database:
            return {str(title) for (title,) in database.execute("SELECT title FROM documents_document")}

    def change(self, title: str) -> None:
        place = "?" if self.edms.engine == "sqlite" else "%s"
        with self._database() as database:
            database.execute(f"UPDATE documents_document SET title = {place}", (title,))
            database.commit()

    def _database(self) -> Any:
        if self.edms.engine == "sqlite":
            return closing(sqlite3.connect(self.edms.database_path))
        return psycopg.connect(self.edms.database_url)

    def last_logged(self) -> Any:
        return next(iter(Repository.open(self.settings.repository).log.backwards()))
