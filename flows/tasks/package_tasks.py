"""Package: store chunks and files as objects of the repository, and the manifest last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edms_tasks.files import find_named_files, index_files
from edms_tasks.files.changed_files import PartOfFiles, ReadElsewhere, ReadPart, read_part
from edms_tasks.files.declared_ids_in_names import measure_file_names
from edms_tasks.files.edms_settings_files import store_config_files
from edms_tasks.files.exclusions import LeaveOut
from edms_tasks.files.file_sources import FolderSource, source_of
from edms_tasks.incremental.previous_rows import Previous
from edms_tasks.inventory.file_stores import is_store
from edms_tasks.inventory.model import FileRoot, Finding, Table
from edms_tasks.manifest import FileIndex, TableEntry
from edms_tasks.package import store_schema, store_table, write_manifest
from edms_tasks.repository import Repository
from edms_tasks.scratch.own_folder import own_folder
from edms_tasks.serialize import SerializedTable
from flows.running.flow_decorators import always, task
from flows.running.run import Run


@dataclass(frozen=True)
class StoredRoot:
    """The stored files of a root, and the findings."""

    index: FileIndex
    findings: tuple[Finding, ...]


package_schema = task(name="package schema", tags=["package"])(store_schema)
package_config_files = task(name="package config files", tags=["package"])(store_config_files)


@task(name="package table", tags=["package"], task_run_name="package {pair[0].label}", retries=2, anywhere=always)
def package_table(pair: tuple[Table, SerializedTable], repository: Repository) -> TableEntry:
    """Store the chunks of a table."""
    table, serialized = pair
    return store_table(repository, table, serialized)


@task(name="store files", tags=["files"], task_run_name="store the files of {root.name}")
def store_files(
    run: Run,
    root: FileRoot,
    read_from: str,
    repository: Repository,
    known: FileIndex | None,
    databases: Sequence[Path],
    folder: Path,
    elsewhere: ReadElsewhere | None = None,
) -> StoredRoot:
    """Store the files of a root that the repository does not hold already; they are read from `read_from`, here or `elsewhere`."""
    with run.progress(f"files of {root.name}") as advance:
        index, findings = index_files(
            root,
            repository,
            leave_out=LeaveOut.of(run.settings),
            databases=databases,
            previous=known,
            scratch=folder,
            progress=advance,
            jobs=run.settings.jobs,
            repack_above=run.settings.retention.repack_above if run.settings.retention.has_rule else None,
            source=source_of(root.model_copy(update={"path": read_from}), run.settings.files.options),
            elsewhere=elsewhere,
        )
    return StoredRoot(index, tuple(findings))


@task(name="store files", tags=["files"], task_run_name="store the files of {root.name}{part}", anywhere=always)
def store_part(part: PartOfFiles, root: FileRoot, repository: Repository, folder: Path, jobs: int) -> ReadPart:
    """Store the files of a part that this machine sees as they were listed; the root's path is where they are read."""
    return read_part(part, FolderSource(root.path).open, repository, own_folder(folder), jobs=jobs)


def by_workers(run: Run, root: FileRoot, read_from: str, repository: Repository, folder: Path) -> ReadElsewhere:
    """Has workers store the files that they see as this machine does, in tasks of their own."""
    there = root.model_copy(update={"path": read_from})

    def stored(parts: Sequence[PartOfFiles]) -> list[ReadPart]:
        made = run.map(store_part, parts, there, repository, folder / "parts", run.settings.jobs)
        if left := sum(len(part.left) for part in made):
            why = f"workers do not see them in {read_from} as they were listed"
            run.say(f"files of {root.name}: {left:,} are read on this machine, because {why}.")
        return made

    return stored


def store_roots(
    run: Run,
    repository: Repository,
    roots: Sequence[FileRoot],
    read_from: Mapping[str, str],
    previous: Previous | None,
    databases: Sequence[Path],
    folder: Path,
) -> list[StoredRoot]:
    """Store the files of the roots in `read_from` (name -> where they are), one after the other: each uses all threads."""
    known = {index.root.name: index for index in previous.manifest.files} if previous else {}

    def stored(root: FileRoot) -> StoredRoot:
        place = read_from[root.name]
        given = (root, place, repository, known.get(root.name), databases, folder)
        if run.has_workers and not is_store(place):
            return store_files.fn(run, *given, by_workers(run, root, place, repository, folder))
        return run.call(store_files, run, *given)

    return [stored(root) for root in roots if root.name in read_from]


match_files = task(name="match files", tags=["files"], task_run_name="match files and rows")(find_named_files)

look_up_file_names = task(name="look up file names", tags=["files"], task_run_name="look up the ids in names of files")(
    measure_file_names
)

write_the_manifest = task(name="write manifest", tags=["package"])(write_manifest)
