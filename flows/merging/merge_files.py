"""The files of a merge: planned, renamed, staged, moved in, and taken back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from edms_tasks.errors import EdmsBackupError
from edms_tasks.files.index_fetch import open_index
from edms_tasks.manifest import FileIndex
from edms_tasks.merging.declared_without_ids import Accepted
from edms_tasks.merging.file_merge import RootMerge, RootToPlan
from edms_tasks.merging.file_name_columns import naming_columns
from edms_tasks.merging.file_owners import mentioned, named_files, owners
from edms_tasks.merging.file_renaming import Renames, longest_name, with_other_names
from edms_tasks.merging.matched_tables import Matched
from edms_tasks.merging.selection import chosen_ids
from edms_tasks.merging.stray_file_ids import IdsInNames, names_of, write_ids
from edms_tasks.scratch.raw_table import RawTable
from flows.merging.merge_inputs import MergeInputs
from flows.running.run import Run, numbered
from flows.tasks.merge_tasks import PlannedRoot, move_files_in, plan_root, stage_files


class MergeFiles:
    """The files of a merge. `roots` are those of the accepted plan, which the other methods carry out."""

    def __init__(self, run: Run, its: MergeInputs) -> None:
        self.roots: list[RootMerge] = []
        self._ids = IdsInNames()
        self._run = run
        self._its = its
        self._namings = naming_columns(
            its.tables,
            its.manifest.path_columns,
            {
                index.root.name: (
                    index.root.path,
                    its.live[index.root.name].address if index.root.name in its.live else "",
                )
                for index in its.manifest.files
            },
        )

    def columns(self, table_id: str) -> set[str]:
        """The columns of a table that name files."""
        return {naming.column for naming in self._namings[table_id]}

    def ids_in_names(self) -> IdsInNames:
        """The ids of rows in the names of files, of both sides, where names with ids are declared."""
        declared = [one for one in self._its.names if one.root in self._its.live]
        if not declared or self._ids.snapshot is not None:
            return self._ids
        folder, roots = self._its.scratch / "ids-in-names", {one.root for one in declared}
        folder.mkdir(parents=True)
        with self._its.workspace.cursor() as cursor, ExitStack() as opened:
            mine = {
                index.root.name: names_of(
                    opened.enter_context(open_index(index, self._its.repository, self._its.scratch))
                )
                for index in self._its.manifest.files
                if index.root.name in roots
            }
            theirs = {name: self._its.live[name].names() for name in roots}
            self._ids = IdsInNames(
                write_ids(cursor, declared, mine, folder / "snapshot.parquet"),
                write_ids(cursor, declared, theirs, folder / "target.parquet"),
            )
        return self._ids

    def plan(self, matched: Matched, says: Accepted, renames: Renames) -> list[PlannedRoot]:
        """Compare each root of the snapshot with the live one; `renames` are the new names that were chosen before."""
        return [
            self._run.call(
                plan_root, self._run, index, self._root_to_plan(matched, index, says, renames), self._its.scratch
            )
            for index in self._its.manifest.files
            if index.root.name in self._its.live
        ]

    def rename(self, raws: dict[str, RawTable], renames: Renames) -> None:
        """Give files of the snapshot other names in the rows that name them; replaces those in `raws` (by table id)."""
        folder = self._its.scratch / "renamed" / "raw"
        folder.mkdir(parents=True)
        with self._its.workspace.cursor() as cursor:
            for place, table in numbered(self._its.tables):
                path = folder / f"{place}.parquet"
                namings = self._namings[table.id]
                raws[table.id] = with_other_names(cursor, table, raws[table.id], namings, renames, path)

    def stage(self) -> None:
        """Fetch the files beside the live ones, verified."""
        for root in self.roots:
            self._run.call(stage_files, self._run, root, self._its.repository, self._its.scratch)

    def move_in(self, aside: Path) -> None:
        """Move the staged files to their names; the files that they replace are kept in `aside`."""
        for root in self.roots:
            self._run.call(move_files_in, root, aside)

    def take_back(self) -> None:
        """Undo `move_in`; where one root cannot be, the others are all the same."""
        with ExitStack() as every:
            for root in self.roots:
                every.callback(root.live.take_back)

    def remove_staged(self) -> None:
        """Remove what was staged; where a store does not let it be done, it is said: it is in nobody's way."""
        for root in self.roots:
            try:
                root.live.remove_staged()
            except EdmsBackupError as error:
                self._run.say(
                    f"What was staged beside {root.live.address} could not be removed: {error.what} The next restore or merge does."
                )

    def _root_to_plan(self, matched: Matched, index: FileIndex, says: Accepted, renames: Renames) -> RootToPlan:
        name, wanted = index.root.name, self._its.wanted
        with self._its.workspace.cursor() as cursor:
            named = owners(cursor, matched, self._its.policies, self._namings, name)
        return RootToPlan(
            repository=self._its.repository,
            live=self._its.live[name],
            names=[reference for reference in self._its.names if reference.root == name],
            id_maps=matched.id_maps,
            owners=named,
            policy=wanted.policies.default,
            policies=self._its.policies,
            only=self._chosen_files(matched, name) if wanted.selectors else None,
            accepted=says,
            renames=renames.get(name, {}),
            may_rename=wanted.rename_files and not renames,
            mentioned=partial(self._mentioned, matched, name),
            longest=longest_name(self._its.tables, self._namings, name),
        )

    def _mentioned(self, matched: Matched, root: str, names: Sequence[str]) -> set[str]:
        with self._its.workspace.cursor() as cursor:
            return mentioned(cursor, matched, self._its.policies, self._namings, root, names)

    def _chosen_files(self, matched: Matched, root: str) -> Callable[[str, Mapping[str, str]], bool]:
        """The files of a folder that belong to the chosen rows: those that they name, and those with their ids in the name."""
        with self._its.workspace.cursor() as cursor:
            names = named_files(cursor, matched, self._namings, root)
            declared = {reference.target for reference in self._its.names if reference.root == root}
            ids = {table_id: chosen_ids(cursor, matched, table_id) for table_id in declared}

        def is_chosen(name: str, held: Mapping[str, str]) -> bool:
            return name in names or any(one in ids[table_id] for table_id, one in held.items())

        return is_chosen
