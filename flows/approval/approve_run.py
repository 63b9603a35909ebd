"""Approve a waiting run from the command line, through Prefect's API: the same form as in its UI."""

from __future__ import annotations

import urllib.error
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edms_tasks.errors import CommandError
from flows.running.prefect_api import PrefectApi, ask_api, unusable

_MOST = 200


@dataclass(frozen=True)
class WaitingForApproval:
    """A run that waits.

    Args:
        id: of the run.
        name: such as "restore latest".
        deployment: by which it was started.
        until: when it fails if nobody approves it, as the server says.
        fields: name -> description of what is to be typed; one with a default may be left empty.
        plan: what it would change, as Markdown; "" if the server does not have it.
    """

    id: str
    name: str
    deployment: str
    until: str
    fields: Mapping[str, str]
    plan: str

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {**vars(self), "fields": dict(self.fields)}


def waiting_runs(api: PrefectApi) -> list[WaitingForApproval]:
    """All runs of edms-backup that wait for approval, the oldest first.

    Raises:
        TransientError: the API cannot be used.
    """
    asked = {
        "flow_runs": {"state": {"type": {"any_": ["PAUSED"]}}, "tags": {"all_": ["edms-backup"]}},
        "sort": "EXPECTED_START_TIME_ASC",
        "limit": _MOST,
    }
    return [_waiting(api, run) for run in _ask(api, "/flow_runs/filter", asked)]


def answer_run(api: PrefectApi, run_id: str, answer: Mapping[str, str]) -> None:
    """Send the answer to a waiting run; whether it approves shows when the run goes on.

    Raises:
        CommandError: the server does not accept it.
        TransientError: the API cannot be used.
    """
    done = _ask(api, f"/flow_runs/{run_id}/resume", {"run_input": dict(answer)})
    if done.get("status") != "ACCEPT":
        raise CommandError(
            "The run does not go on.",
            where=run_id,
            why=str((done.get("details") or {}).get("reason") or done.get("status")),
            fix="See its state: it may have expired, or been cancelled. Retry it, and approve the new plan.",
        )


def _waiting(api: PrefectApi, run: Mapping[str, Any]) -> WaitingForApproval:
    details = run["state"]["state_details"]
    keys = details.get("run_input_keyset") or {}
    schema = _ask(api, f"/flow_runs/{run['id']}/input/{keys['schema']}") if keys.get("schema") else {}
    plans = {
        "artifacts": {"key": {"like_": "%-to-approve"}},
        "flow_runs": {"id": {"any_": [run["id"]]}},
        "sort": "CREATED_DESC",
    }
    found = _ask(api, "/artifacts/filter", plans)
    return WaitingForApproval(
        id=str(run["id"]),
        name=str(run["name"]),
        deployment=str(run.get("deployment_id") or ""),
        until=str(details.get("pause_timeout") or ""),
        fields={name: str(one.get("description", "")) for name, one in (schema.get("properties") or {}).items()},
        plan=str(found[0]["data"]) if found else "",
    )


def _ask(api: PrefectApi, path: str, request: object = None) -> Any:
    try:
        return ask_api(api, path, request)
    except (OSError, ValueError) as error:
        why = (
            f"HTTP {error.code}" if isinstance(error, urllib.error.HTTPError) else str(getattr(error, "reason", error))
        )
        raise unusable(api, why) from error
