"""Choose the kind of restore: of a whole snapshot, of a damaged one, into the other engine, or masked."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from flows.requests import RestoreRequest
from flows.restoring.engine_conversion import convert_engine
from flows.restoring.masking import mask_snapshot
from flows.restoring.open_restore import Opened
from flows.restoring.restore_sources import RestoreSource, WholeSnapshot
from flows.restoring.salvaging import salvage
from flows.running.run import Run


def choose_source(
    run: Run, request: RestoreRequest, opened: Opened, scratch: Path, cleanup: ExitStack
) -> RestoreSource:
    """The source of the restore. Raises an error for a lost schema or rows that are incompatible with the other engine."""
    repository, manifest = opened.repository, opened.manifest
    if request.salvage:
        with run.stage("survey"):
            return salvage(run, repository, opened.snapshot_id, manifest, scratch / "salvage")
    if request.mask is not None:
        with run.stage("mask"):
            return mask_snapshot(run, opened, request.mask, scratch / "masking", cleanup)
    if opened.target.converts:
        with run.stage("convert"):
            planned = opened.version_plan.migrate
            where = scratch / "conversion"
            return convert_engine(run, repository, manifest, opened.target, planned, request.schema, where, cleanup)
    return WholeSnapshot(manifest, repository, like=opened.like, indexed=opened.indexed)
