"""Register the deployments of EDMSs with a Prefect server, by Prefect's own command."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from edms_tasks.errors import TerminalError, TransientError
from edms_tasks.settings import load_settings
from flows.running.prefect_api import PrefectApi, configured_api, unusable, why_unusable
from flows.scheduling.automations import Alarm, register_alarms
from flows.scheduling.prefect_deployments import DeployedEdms, name_of, prefect_file

POOL = "edms-backup"
_SECONDS = 600.0


def systems_in(files: Sequence[Path]) -> list[DeployedEdms]:
    """The EDMSs of settings files, which are all read before anything is deployed; raises SettingsError."""
    found = []
    for path in files:
        config = path.absolute()
        settings = load_settings(config)
        found.append(DeployedEdms(name_of(settings, config), config, settings))
    return found


def deploy(
    systems: Sequence[DeployedEdms],
    pool: str,
    pool_type: str,
    environ: Mapping[str, str] = os.environ,
    *,
    automations: bool = True,
) -> list[Alarm]:
    """Make the work pool if there is none, and register all deployments of these EDMSs, and their alarms.

    Returns the alarms, and what became of each.

    Args:
        systems: the EDMSs.
        pool: the name of the work pool.
        pool_type: of a new one: process, docker, kubernetes, …
        environ: where PREFECT_API_URL is, and the login.
        automations: whether to register alarms; without, those that are there stay as they are.

    Raises:
        TransientError: the API cannot be used.
        TerminalError: Prefect refused.
    """
    text = prefect_file(systems, pool)
    api = _require_api(environ)
    if _prefect(["work-pool", "inspect", pool], environ).returncode:
        made = _prefect(["work-pool", "create", pool, "--type", pool_type], environ)
        _require_success(made, f"Prefect did not make the work pool {pool}.")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "prefect.yaml"
        path.write_text(text, encoding="utf-8")
        done = _prefect(["--no-prompt", "deploy", "--prefect-file", str(path), "--all"], environ)
    _require_success(done, "Prefect did not accept the deployments.")
    return register_alarms(api, systems) if automations else []


def _require_api(environ: Mapping[str, str]) -> PrefectApi:
    api = configured_api(environ)
    if api is None:
        raise TerminalError(
            "There is no Prefect server to deploy to.",
            fix="Set PREFECT_API_URL, for example to http://prefect.example:4200/api; or start one here with `edms-backup serve`.",
        )
    if why := why_unusable(api):
        raise unusable(api, why)
    return api


def _prefect(arguments: Sequence[str], environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            [sys.executable, "-m", "prefect", *arguments],
            env={**environ, "NO_COLOR": "1", "COLUMNS": "300"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise TransientError(
            "Prefect's server takes too long.",
            why=f"`prefect {arguments[0]}` did not end within {_SECONDS / 60:.0f} minutes.",
            fix="Deploy again when the server is less busy: what is registered already stays as it is.",
        ) from None


def _require_success(done: subprocess.CompletedProcess[str], what: str) -> None:
    if done.returncode:
        lines = [line.strip() for line in (done.stdout + done.stderr).splitlines() if re.search(r"\w", line)]
        raise TerminalError(
            what, why=" ".join(lines[-3:])[:600], fix="See what `prefect deploy` says with the same file: add --print."
        )
