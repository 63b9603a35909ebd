"""Verify: read every object of a snapshot again; used by `verify`, and by a backup for the snapshot it has just written."""

from __future__ import annotations

from pathlib import Path

from edms_tasks.files import verify_files
from edms_tasks.files.index import OpenedIndex
from edms_tasks.files.pack_check import ContentProblems, PartOfPacks, all_parts, assess_part
from edms_tasks.manifest import FileIndex, Manifest, ObjectRef, TableEntry
from edms_tasks.package import VerifiedTable, object_problem, verify_table
from edms_tasks.repository import Repository
from edms_tasks.scratch.own_folder import own_folder
from edms_tasks.scratch.workspace import Workspace
from flows.running.flow_decorators import always, task
from flows.running.run import Numbered, Run, numbered

_PACKS_OF_A_PART = 64
_MOST_PARTS = 64


@task(
    name="verify table",
    tags=["verify"],
    task_run_name="verify {entry.item.table.label}",
    weight=lambda entry: entry.item.state.rows,
    anywhere=always,
)
def verify_rows(
    entry: Numbered[TableEntry], repository: Repository, workspace: Workspace, folder: Path, known: frozenset[str]
) -> VerifiedTable:
    """Read the chunks of a table: hashes, rows and digests."""
    return verify_table(repository, entry.item, workspace, own_folder(folder / entry.folder), known)


@task(name="verify schema", tags=["verify"])
def verify_schema(repository: Repository, schema: ObjectRef) -> str | None:
    """Read the schema; returns what is wrong with it."""
    return object_problem(repository, schema)


@task(name="verify files", tags=["verify"], task_run_name="verify the files of {index.root.name}")
def verify_root(run: Run, index: FileIndex, repository: Repository, folder: Path, known: frozenset[str]) -> list[str]:
    """Read every file of a root; returns what is wrong."""
    with run.progress(f"files of {index.root.name}") as advance:
        problems = verify_files(
            index, repository, scratch=folder, progress=advance, known=known, jobs=run.settings.jobs
        )
    return list(problems)


@task(
    name="verify packs",
    tags=["verify"],
    task_run_name="verify the files of {index.root.name}{part}",
    anywhere=always,
)
def verify_packs(
    part: PartOfPacks, index: FileIndex, repository: Repository, folder: Path, known: frozenset[str], jobs: int
) -> ContentProblems:
    """Read a part of a root's packs, and hash every content."""
    return assess_part(index, repository, part, scratch=own_folder(folder).parent, known=known, jobs=jobs)


def verify_root_in_parts(
    run: Run, index: FileIndex, repository: Repository, folder: Path, known: frozenset[str]
) -> list[str]:
    """Read every file of a root, in tasks of a gigabyte or more; returns what is wrong. Each task reads the index, so they are few."""
    packs = sum(ref.sha256 not in known for ref in index.packs)
    number = max(1, min(_MOST_PARTS, packs // _PACKS_OF_A_PART))
    parts = [PartOfPacks(place, number) for place in range(number)]

    def assess(opened: OpenedIndex) -> ContentProblems:
        return all_parts(run.map(verify_packs, parts, index, repository, folder, known, run.settings.jobs))

    return list(verify_files(index, repository, scratch=folder, known=known, assess=assess))


def verify_snapshot(
    run: Run, repository: Repository, manifest: Manifest, folder: Path, known: frozenset[str] = frozenset()
) -> tuple[str, ...]:
    """Read every object of a snapshot again: hashes, rows, digests, and every file's bytes. Returns what is wrong.

    Chunks and packs in `known` (SHA-256s of objects known to be right) are not read.
    """
    with run.workspace(folder / "workspace", rows=manifest.rows) as workspace:
        tables = run.map(verify_rows, numbered(manifest.tables), repository, workspace, folder, known)
    problems = [problem for table in tables for problem in table.problems]
    if schema := run.call(verify_schema, repository, manifest.native_schema.object):
        problems.append(f"native schema: {schema}")
    for one in manifest.config_files:
        if one.object.sha256 not in known and (problem := run.call(verify_schema, repository, one.object)):
            problems.append(f"{one.path}: {problem}")
    for index in manifest.files:
        if run.has_workers:
            problems += verify_root_in_parts(run, index, repository, folder, known)
        else:
            problems += run.call(verify_root, run, index, repository, folder, known)
    return tuple(problems)
