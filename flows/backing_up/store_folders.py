"""Store the folders of files in a backup, and compare them with the rows that name files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edms_tasks.files import Examination
from edms_tasks.inventory.model import PathColumn
from edms_tasks.keys.checked_keys import CheckedKeys
from edms_tasks.manifest import FileIndex, FileNameState
from edms_tasks.scratch.raw_table import RawTable
from edms_tasks.scratch.workspace import Workspace
from flows.backing_up.make_snapshot import BackupSource, SnapshotInTheMaking
from flows.backing_up.table_selection import SnapshotContents
from flows.live.folder_checks import our_folders
from flows.running.run import Run
from flows.tasks.package_tasks import look_up_file_names, match_files, store_roots


@dataclass(frozen=True)
class StoredRoots:
    """The manifest's entries about files."""

    indexes: Sequence[FileIndex]
    file_names: Sequence[FileNameState]
    path_columns: tuple[PathColumn, ...]


def store_folders(
    run: Run,
    source: BackupSource,
    making: SnapshotInTheMaking,
    contents: SnapshotContents,
    raws: Mapping[str, RawTable],
    keys: CheckedKeys,
    workspace: Workspace,
) -> StoredRoots:
    """Store the files of all roots; the findings are added to the snapshot's. Afterwards the live system may be replaced.

    Raises:
        TargetChanged: the live system was replaced while rows and files were read.
    """
    inventory, database_files = contents.inventory, source.database.address.files
    read_from = {root.name: root.path for root in inventory.file_roots}
    if source.old is not None:
        read_from = {name: str(path) for name, path in source.old.folders.items()}
    roots = store_roots(
        run, making.repository, inventory.file_roots, read_from, making.previous, database_files, making.folder
    )
    making.release()
    indexes = [root.index for root in roots]
    making.findings += [finding for root in roots for finding in root.findings]
    examination = Examination(
        tables=inventory.tables,
        raws=raws,
        roots=[index.root for index in indexes],
        declared=inventory.file_names,
        surroundings=source.report.surroundings,
        ours=[*our_folders(run.settings), *database_files],
        excluded=run.settings.exclude.folders,
        known=making.previous.manifest.path_columns if making.previous else (),
    )
    matched = run.call(match_files, examination, indexes, making.repository, workspace=workspace, scratch=making.folder)
    making.findings += matched.findings
    by_root = {index.root.name: index for index in indexes}
    states = run.call(look_up_file_names, inventory.file_names, by_root, making.repository, keys, making.folder)
    making.note_file_names(states)
    return StoredRoots(indexes, states, matched.path_columns)
