"""Reading a snapshot back: what `verify` does for any, and a backup for the one it has just written."""

from __future__ import annotations

from pathlib import Path

from edms_tasks.files import verify_files
from edms_tasks.manifest import Manifest
from edms_tasks.package import object_problem, verify_table
from edms_tasks.repository import Repository
from edms_tasks.scratch.workspace import open_workspace
from edms_tasks.settings import Settings
from flows.running.runner import Steps


def verify_snapshot(
    settings: Settings,
    steps: Steps,
    repository: Repository,
    manifest: Manifest,
    folder: Path,
    known: frozenset[str] = frozenset(),
) -> tuple[str, ...]:
    """Read every object of a snapshot again: hashes, rows, digests, and every file's bytes. Returns what is wrong.

    Chunks and packs among the objects `known` to be right (SHA-256) are not read.
    """
    problems: list[str] = []
    with open_workspace(
        folder / "workspace", memory_limit_mb=settings.memory_limit_mb, threads=settings.jobs
    ) as workspace:
        verified = steps.map(
            lambda pair: f"verify {pair[1].table.label}",
            lambda pair: verify_table(repository, pair[1], workspace, folder / f"{pair[0]:04d}", known),
            list(enumerate(manifest.tables)),  # numbers, not names: a manifest's names are not to be trusted as paths
            jobs=settings.jobs,
            weight=lambda pair: pair[1].state.rows,
        )
    for table in verified:
        problems += table.problems
    schema = steps.run("verify the schema", lambda: object_problem(repository, manifest.native_schema.object))
    if schema:
        problems.append(f"native schema: {schema}")
    for index in manifest.files:
        problems += steps.run(
            f"verify the files of {index.root.name}",
            lambda index=index: verify_files(index, repository, scratch=folder, known=known, jobs=settings.jobs),
        )
    return tuple(problems)
