"""Which settings files a deployed run may use. Settings name programs to run, so a run's form must not name any file.

The worker's environment names folders in EDMS_BACKUP_CONFIG_FOLDERS; without it, the file that the deployment was made with is the
only one.
"""

from __future__ import annotations

import os
from pathlib import Path

from prefect import get_client, runtime

from edms_tasks.errors import SettingsError
from edms_tasks.settings import CONFIG_FOLDERS


def allowed_settings(config: str) -> Path:
    """The settings file of this run; raises SettingsError if a deployed run may not use it."""
    path = Path(config)
    deployment = runtime.deployment.id
    if not deployment:
        return path
    folders = [Path(folder) for folder in os.environ.get(CONFIG_FOLDERS, "").split(os.pathsep) if folder]
    if any(path.resolve().is_relative_to(folder.resolve()) for folder in folders):
        return path
    if not folders and config == _of_the_deployment(deployment):
        return path
    raise SettingsError(
        "This worker may not use that settings file.",
        where=config,
        why=f"It is not below {os.pathsep.join(map(str, folders))}."
        if folders
        else f"The deployment names another one, and {CONFIG_FOLDERS} is not set where the worker runs.",
        fix=f"Set {CONFIG_FOLDERS} to the folder of the settings files in the worker's environment, or deploy this file.",
    )


def _of_the_deployment(deployment: str) -> str | None:
    with get_client(sync_client=True) as client:
        given = client.read_deployment(deployment).parameters.get("config")
    return str(given) if given is not None else None
