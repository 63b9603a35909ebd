"""Diff: compare two snapshots, or a snapshot and the live system. It reads both and changes nothing.

open → read (tables that the digests do not show to be equal, and those they refer to) → compare → files.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from edms_tasks.comparing.comparison_result import Difference
from edms_tasks.errors import CommandError
from edms_tasks.inventory.probe_report import ProbeReport
from edms_tasks.lineage.snapshot_source import is_package, open_source
from edms_tasks.report import page
from edms_tasks.repository import Repository
from edms_tasks.scratch.run_folder import run_folder
from edms_tasks.scratch.workspace import Workspace
from flows.diffing.compare_sources import CompareOptions, compare_sources
from flows.diffing.diff_sources import DiffSource, live_source, snapshot_source
from flows.evidence.comparison_artifacts import leave_diff
from flows.requests import DiffRequest
from flows.restoring.target import ask_edms
from flows.running.flow_decorators import Shortfall, flow
from flows.running.run import Run
from flows.tasks.open_tasks import keep_while_reading, open_the_snapshot

LIVE = "live"


@dataclass(frozen=True)
class DiffResult:
    """The result of a comparison, and the folder or page with all differences."""

    difference: Difference
    seconds: dict[str, float]
    out: Path | None = None  # the folder with lists of all differences

    @property
    def equal(self) -> bool:
        """Whether nothing differs except ids."""
        return self.difference.equal

    def shortfall(self) -> Shortfall | None:
        """Always None: a difference is not a failure."""
        return None

    def as_json(self) -> dict[str, Any]:
        """The result for `--json`."""
        return {
            "equal": self.equal,
            **self.difference.model_dump(mode="json"),
            "seconds": self.seconds,
            "out": str(self.out) if self.out else None,
        }


@flow(
    name="edms-diff",
    flow_run_name="diff {snapshot}",
    description="Compares two snapshots, or a snapshot and the live system, by natural key.",
)
def diff(run: Run, request: DiffRequest) -> DiffResult:
    """Compare two states of the EDMS; a difference is a result, not a failure.

    Raises:
        UnknownSnapshot, DamagedRepository: a snapshot cannot be found or read.
        CommandError: the engines of the two differ, there is no such model, or the first is the live system.
        EdmsNotImportable, SettingsError, DatabaseRefused: the live system cannot be found or read.
    """
    if request.snapshot == LIVE:
        raise CommandError(
            "`live` can only be the second of the two that are compared.",
            fix=f"Run `edms-backup diff {request.other or 'latest'} live`, and read the changes in reverse.",
        )
    with ExitStack() as cleanup:
        repository, name = _opened(run, request)
        scratch = cleanup.enter_context(run_folder(run.settings.workdir, "diff"))
        workspace = cleanup.enter_context(run.workspace(scratch / "workspace"))
        reading = cleanup.enter_context(ExitStack())
        with run.stage("open"):
            if request.other is None or request.other == LIVE:
                # If the EDMS is inspected anyway, its report says whose `latest` and tags are meant.
                notes: list[str] = []
                report = ask_edms(run, notes)
                before = _open_snapshot(run, repository, name, workspace, cleanup, report)
                after = reading.enter_context(live_source(run, scratch, before, repository, report, notes))
            else:
                before = _open_snapshot(run, repository, name, workspace, cleanup)
                after = _open_snapshot(run, repository, request.other, workspace, cleanup)
            if request.out is not None:
                _create(request.out)
        asked = CompareOptions(request.models, request.limit, request.out)
        difference = compare_sources(run, repository, workspace, scratch, before, after, reading, asked)
    result = DiffResult(difference, run.seconds, request.out)
    leave_diff(run, result)
    return result


def _opened(run: Run, request: DiffRequest) -> tuple[Repository, str]:
    """The repository, or the package, that holds the first snapshot; a package is compared with the live system only."""
    repository, name = open_source(run.settings, request.snapshot)
    other = request.other or LIVE
    if other != LIVE and (is_package(other) or is_package(request.snapshot)):
        raise CommandError(
            "A package can only be compared with the live system.",
            where=request.snapshot if is_package(request.snapshot) else other,
            fix="Add its snapshot to the repository first: `edms-backup import FILE`.",
        )
    return repository, name


def _open_snapshot(
    run: Run,
    repository: Repository,
    name: str,
    workspace: Workspace,
    cleanup: ExitStack,
    report: ProbeReport | None = None,
) -> DiffSource:
    chosen = run.call(open_the_snapshot, run.settings, repository, name, report)
    for note in (*chosen.notes, *keep_while_reading(repository, [chosen.snapshot_id], "diff", cleanup)):
        run.say(note)
    return snapshot_source(run, repository, chosen.snapshot_id, chosen.manifest, workspace)


def write_page(result: DiffResult, path: Path) -> None:
    """Write the result as one self-contained HTML page; raises CommandError if it cannot be written."""
    text = page.render(
        "diff.html.j2",
        plan=None,
        difference=result.difference,
        seconds=result.seconds,
        notes=result.difference.notes,
        lists=result.out,
        made=datetime.now(UTC),
        version=metadata.version("edms-backup"),
    )
    page.write_page(text, path)


def _create(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise CommandError(
                "The folder for the lists is not empty.", where=str(folder), fix="Name a new one: --out FOLDER."
            )
    except OSError as error:
        raise CommandError(
            "The folder for the lists cannot be made.",
            where=str(folder),
            why=error.strerror or str(error),
            fix="Name another: --out FOLDER.",
        ) from error
