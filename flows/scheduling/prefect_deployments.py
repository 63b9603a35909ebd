"""The deployments of one EDMS for a Prefect server, made from deployments/prefect.yaml and the [schedule] of its settings."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from edms_tasks.errors import CommandError
from edms_tasks.settings import Settings
from flows.scheduling.scheduled_jobs import ScheduledJob, scheduled_jobs

TAG = "edms-backup"
"""The tag of all deployments and alarms, whichever EDMS they are of."""


@dataclass(frozen=True)
class DeployedEdms:
    """An EDMS to be deployed: its name, the path of its settings file, and the settings in it."""

    name: str
    config: Path
    settings: Settings

    @property
    def tag(self) -> str:
        """The tag of its deployments and alarms: its name, unless that is the tag of all of them, as edms-backup.toml would make it."""
        return self.name if self.name != TAG else f"{self.name}.toml"


def name_of(settings: Settings, config: Path) -> str:
    """The name of an EDMS in deployments and units: its id, or the name of its settings file."""
    return settings.edms.id or config.stem


def prefect_file(systems: Sequence[DeployedEdms], pool: str) -> str:
    """The text of a prefect.yaml with all deployments of these EDMSs.

    Raises:
        CommandError: two of them have the same name.
    """
    names = [one.name for one in systems]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise CommandError(
            "Two settings files are of EDMSs with the same name.",
            where=", ".join(str(one.config) for one in systems if one.name == twice[0]),
            why=f"Both are {twice[0]}, and the deployments of one would replace those of the other.",
            fix="Give each another [edms] id.",
        )
    yaml = YAML(typ="safe")
    base = yaml.load(resources.files("deployments").joinpath("prefect.yaml").read_text(encoding="utf-8"))
    base.pop("definitions")
    made = [one for edms in systems for one in _of_edms(base["deployments"], edms, pool)]
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    text = io.StringIO()
    yaml.dump({**base, "deployments": made}, text)
    return text.getvalue()


def _of_edms(base: Sequence[Mapping[str, Any]], edms: DeployedEdms, pool: str) -> list[dict[str, Any]]:
    jobs = {job.name: job for job in scheduled_jobs(edms.settings)}
    return [_deployment(one, jobs.get(one["name"]), edms, pool) for one in base]


def _deployment(base: Mapping[str, Any], job: ScheduledJob | None, edms: DeployedEdms, pool: str) -> dict[str, Any]:
    made = {
        **base,
        "name": f"{base['name']}-{edms.name}",
        "tags": [*base["tags"], edms.tag],
        "parameters": {**base["parameters"], **(job.parameters if job else {}), "config": str(edms.config)},
        "work_pool": {**base["work_pool"], "name": pool},
        "schedules": [],
    }
    if job is not None and job.runs and job.cron:
        made["schedules"] = [
            {"slug": job.name, "cron": job.cron, "timezone": edms.settings.schedule.timezone, "active": True}
        ]
    if job is not None and job.runs and job.after_backup:
        made["triggers"] = [_after(f"backup-{edms.name}", made["name"])]
    return made


def _after(deployment: str, follower: str) -> dict[str, Any]:
    """A trigger: a run of that deployment has completed."""
    return {
        "type": "event",
        "name": f"{follower} after {deployment}",
        "enabled": True,
        "match": {"prefect.resource.id": "prefect.flow-run.*"},
        "match_related": {"prefect.resource.name": deployment, "prefect.resource.role": "deployment"},
        "expect": ["prefect.flow-run.Completed"],
    }
