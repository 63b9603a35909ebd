"""The flows as Prefect loads them: a deployment's entry points.

    prefect deploy --prefect-file deployments/prefect.yaml --all

Each is declared where its verb is (`flows/backup.py`, …), and loaded when it is asked for: every run of a deployment is a new
process, and loading all of them would be a third of its start. A run whose checks fail is a failed run, so that schedules and
automations notice. Parameters are recorded by the server and hold no secrets: the settings file and the environment of the worker do.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from flows.running.prefect_logging import shorten_known_errors

_MODULES = {
    "alarm": "flows.alarm",
    "backup": "flows.backup",
    "verify": "flows.verify",
    "restore": "flows.restore",
    "plan_restore": "flows.restore_plan",
    "merge": "flows.merge",
    "copy": "flows.copy",
    "convert": "flows.convert",
    "convert_all": "flows.convert_all",
    "export": "flows.packages",
    "export_fixtures": "flows.fixtures",
    "import_package": "flows.packages",
    "diff": "flows.diff",
    "drill": "flows.drill",
    "prune": "flows.prune",
    "rollback": "flows.rollback",
    "doctor": "flows.doctor",
    "list_": "flows.listing",
    "status": "flows.status",
}

shorten_known_errors()


def __getattr__(name: str) -> Any:
    """Prefect's flow of a verb."""
    if name not in _MODULES:
        raise AttributeError(name)
    return getattr(import_module(_MODULES[name]), name).on_prefect


def __dir__() -> list[str]:
    """The verbs."""
    return sorted(_MODULES)
