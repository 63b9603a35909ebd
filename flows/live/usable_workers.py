"""Whether the workers that the settings name can be used, before a backup needs them."""

from __future__ import annotations

from collections.abc import Iterator

from edms_tasks.errors import EdmsBackupError
from edms_tasks.findings import make_finding
from edms_tasks.inventory.model import Finding
from flows.running.run import Run


def worker_findings(run: Run, engine: str) -> Iterator[Finding]:
    """Connect to the cluster and look at each worker, as a backup of a database of this engine would."""
    if run.settings.run.on != "dask":
        return
    from flows.running.on_dask import on_dask

    try:
        with on_dask(run.settings, run.runner) as runner, runner.tagged(engine):
            return
    except EdmsBackupError as error:
        message = " ".join(part for part in (error.what, error.where, error.why) if part)
        yield make_finding("workers-unusable", "[run]", message, fix=error.fix)
