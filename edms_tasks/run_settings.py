"""The settings' `[run]`: on which machines the work of a run is done."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from edms_tasks.soft_reference_settings import Section


class RunSettings(Section):
    """Where the tasks of a backup, verification, restore or drill run."""

    on: Literal["threads", "dask"] = Field(
        default="threads", description="On threads of this machine, or on the workers of a Dask cluster as well."
    )
    scheduler: str | None = Field(
        default=None,
        pattern=r"^(tcp|tls|ws|wss)://.+:[0-9]+$",
        description="The address of Dask's scheduler, e.g. tls://dask.example:8786.",
    )
    cluster: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$",
        description="Instead of scheduler: the class of a cluster that is started for each run, e.g. dask.distributed:LocalCluster.",
    )
    cluster_arguments: dict[str, Any] = Field(default={}, description="What that class is called with.")
    scratch: Path | None = Field(
        default=None,
        description="Folder for temporary files of backups, verifications and restores; with Dask one that all workers see under "
        "this path. Default: workdir.",
    )

    @model_validator(mode="after")
    def _names_one_cluster(self) -> Self:
        if self.on == "dask" and (self.scheduler is None) == (self.cluster is None):
            raise ValueError('on = "dask" needs either scheduler or cluster')
        if self.cluster_arguments and self.cluster is None:
            raise ValueError("cluster_arguments are those of cluster, which is not set")
        return self
