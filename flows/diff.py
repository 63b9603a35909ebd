"""Diff: what two snapshots, or a snapshot and the live system, differ in. Reads both; changes and stores nothing.

open → read (what digests do not show to be the same, and what that points at) → compare → files.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from edms_tasks.comparing.result import Difference
from edms_tasks.errors import CommandError, TerminalError
from edms_tasks.lineage.asking import chosen_snapshot
from edms_tasks.report.page import render
from edms_tasks.repository import Repository
from edms_tasks.scratch.run_folder import run_folder
from edms_tasks.scratch.workspace import open_workspace
from edms_tasks.settings import Settings
from flows.diffing.compare_sources import compare_sources
from flows.diffing.sources import Source, live_source, snapshot_source
from flows.evidence.artifacts import leave_diff
from flows.restoring.target import ask_edms
from flows.running.runner import Steps

LIVE = "live"
SHOWN = 5


@dataclass(frozen=True)
class DiffResult:
    """What a comparison found, and where the whole of it is."""

    difference: Difference
    seconds: dict[str, float]
    out: Path | None = None  # the folder with the lists of all that differs

    @property
    def equal(self) -> bool:
        """Whether nothing differs but ids."""
        return self.difference.equal

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "equal": self.equal,
            **self.difference.model_dump(mode="json"),
            "seconds": self.seconds,
            "out": str(self.out) if self.out else None,
        }


def compose_diff(
    settings: Settings,
    steps: Steps,
    *,
    first: str,
    second: str | None = None,
    models: Sequence[str] = (),
    limit: int = SHOWN,
    out: Path | None = None,
) -> DiffResult:
    """Compare two states of the EDMS.

    Args:
        settings: of this EDMS.
        steps: how to run and tell.
        first: `latest`, an id or its first digits, or a tag.
        second: the same; "live" or None is the live system.
        models: only the rows of these, by label or table; none: everything, files too.
        limit: how many rows and paths of each kind come with the result, for each model and folder.
        out: a folder for lists of all that differs; created.

    Raises:
        UnknownSnapshot, DamagedRepository: a snapshot cannot be had.
        CommandError: the two are of different engines, there is no such model, or `first` is the live system.
        EdmsNotImportable, SettingsError, DatabaseRefused: the live system cannot be found or read.
    """
    if first == LIVE:
        raise CommandError(
            "The live system is the second of the two that are compared.",
            fix=f"`edms-backup diff {second or 'latest'} live`, and read it the other way.",
        )
    with ExitStack() as cleanup:
        repository = Repository.open(settings.repository)
        scratch = cleanup.enter_context(run_folder(settings.workdir, "diff"))
        workspace = cleanup.enter_context(
            open_workspace(scratch / "workspace", memory_limit_mb=settings.memory_limit_mb, threads=settings.jobs)
        )
        reading = cleanup.enter_context(ExitStack())

        live = second is None or second == LIVE
        notes: list[str] = []
        # Whose `latest` and tags are meant, the EDMS says itself where it is asked anyway.
        report = steps.run("inspect the EDMS", lambda: ask_edms(settings, notes)) if live else None

        def snapshot(name: str) -> Source:
            chosen = steps.run(f"open snapshot {name}", lambda: chosen_snapshot(settings, repository, name, report))
            for note in chosen.notes:
                steps.say(note)
            return snapshot_source(settings, steps, repository, chosen.snapshot_id, chosen.manifest, workspace)

        with steps.stage("open"):
            before = snapshot(first)
            after = (
                snapshot(second)
                if second is not None and not live
                else reading.enter_context(live_source(settings, steps, scratch, before, repository, report, notes))
            )
            if out is not None:
                _create(out)
        difference = compare_sources(
            settings, steps, repository, workspace, scratch, before, after, reading, models=models, limit=limit, out=out
        )
    result = DiffResult(difference, dict(steps.seconds), out)
    leave_diff(steps, result)
    return result


def write_page(result: DiffResult, path: Path) -> None:
    """Write the result as one HTML page that needs nothing else; raises TerminalError where it cannot be written."""
    page = render(
        "diff.html.j2",
        plan=None,
        difference=result.difference,
        seconds=result.seconds,
        notes=result.difference.notes,
        lists=result.out,
        made=datetime.now(UTC),
        version=metadata.version("edms-backup"),
    )
    try:
        path.write_text(page, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise TerminalError(
            "The page cannot be written.",
            where=str(path),
            why=error.strerror or str(error),
            fix="Name another --html FILE.",
        ) from error


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
