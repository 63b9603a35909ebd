"""An EDMS on PostgreSQL, its repository, and a real Dask cluster that works for it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cloudpickle
from distributed import Client, Worker

from edms_tasks.manifest import Manifest
from edms_tasks.settings import Settings, load_settings
from tests.reference_system import EdmsTemplates, ReferenceEdms
from tests.workers.dask_cluster import DaskCluster, dask_cluster

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers cannot import the tests


@dataclass(frozen=True)
class SystemOnDask:
    """The system, and the cluster with its workers."""

    edms: ReferenceEdms
    config: Path
    cluster: DaskCluster

    @property
    def settings(self) -> Settings:
        return load_settings(self.config)

    @property
    def on_threads(self) -> Settings:
        return self.settings.model_copy(update={"run": self.settings.run.model_copy(update={"on": "threads"})})

    @property
    def with_password(self) -> dict[str, str]:
        """The environment of a worker that may log in to the database."""
        return {"EDMS_BACKUP__EDMS__DATABASE_URL": self.edms.database_url}

    def tasks_done(self) -> dict[str, int]:
        """How many tasks each worker has done since it started."""

        def counted(dask_worker: Worker) -> int:
            return int(dask_worker.state.executed_count)

        with Client(self.cluster.address, set_as_default=False) as client:
            found: dict[str, int] = client.run(counted)
        return found


def content(manifest: Manifest) -> dict[str, object]:
    """What a snapshot says of its rows and files, without where it is stored."""
    tables = {
        entry.table.id: (entry.state, entry.natural_key, entry.ordered_by, entry.types) for entry in manifest.tables
    }
    return {**tables, **{index.root.name: (index.files, index.bytes, index.digest) for index in manifest.files}}


@contextmanager
def system_on_dask(
    templates: EdmsTemplates,
    folder: Path,
    name: str,
    *,
    documents: int,
    url: str,
    options: Mapping[str, str],
    workers: int,
    host: str = "127.0.0.1",
) -> Iterator[SystemOnDask]:
    """A system of its own; `name` is that of its database, `url` and `options` are those of its repository, `host` is the scheduler's."""
    edms = templates.copy(templates.get("postgresql", documents, 1), folder / "edms", name)
    listed = "\n".join(f"{name} = {value!r}" for name, value in options.items())
    with dask_cluster(folder / "dask", host) as cluster:
        extra = (
            f"[repository.options]\n{listed}\n[validate]\ndjango_check = false\n"
            f'[run]\non = "dask"\nscheduler = "{cluster.address}"\nscratch = "{folder / "scratch"}"'
        )
        config = edms.settings_file(folder / "edms-backup.toml", url, extra=extra)
        made = SystemOnDask(edms, config, cluster)
        for _ in range(workers):
            cluster.start_worker(config, made.with_password)
        if workers:
            cluster.wait_for(workers)
        yield made
