"""The stages of a merge, in their order: read both sides, plan, write and validate; and the results that they pass on."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path

from edms_tasks.databases.protocol import MergeTransaction, TableChange, View
from edms_tasks.errors import CheckFailed
from edms_tasks.identifying.common_form import in_one_form
from edms_tasks.identifying.sides import Side
from edms_tasks.inventory.model import FileNameReference, Table
from edms_tasks.manifest import FileIndex, Manifest
from edms_tasks.merging.conflicts import Conflict
from edms_tasks.merging.declared_without_ids import Accepted, accepted
from edms_tasks.merging.file_merge import RootMerge, RootToPlan
from edms_tasks.merging.file_name_columns import naming_columns
from edms_tasks.merging.file_owners import named_files, owners
from edms_tasks.merging.file_renaming import Renames, longest_name, with_other_names
from edms_tasks.merging.identified_rows import Identified, pair_same_rows
from edms_tasks.merging.matched_tables import Matched
from edms_tasks.merging.matching_keys import Keys, require_used
from edms_tasks.merging.planning import MergePlan, ModelPlan, plan_table, sorted_plans, unchecked
from edms_tasks.merging.row_changes import table_change
from edms_tasks.merging.selection import chosen_ids
from edms_tasks.merging.tree_rows import broken_places, find_trees, tree_conflicts, with_places, without_places
from edms_tasks.merging.validated_rows import MergedTable
from edms_tasks.repository import Repository
from edms_tasks.scratch.raw_table import RawTable
from edms_tasks.scratch.workspace import Workspace
from edms_tasks.trees.label_paths import Labelled
from flows.merging.merge_options import Wanted
from flows.running.run import Run, numbered
from flows.tasks.compare_tasks import fetch_rows, identify_rows
from flows.tasks.extract_tasks import extract_tables
from flows.tasks.merge_tasks import (
    PlannedRoot,
    ToIdentify,
    ToValidate,
    choose_rows,
    identify_table,
    look_for_undeclared_ids,
    match_rows,
    move_files_in,
    plan_root,
    stage_files,
    validate_merged_table,
    write_rows,
)

SNAPSHOT, TARGET, MERGED = "snapshot", "target", "merged"


class MergeStages:
    """A merge in progress. Call `read_snapshot`, `read_target`, `plan`, `carry_out` and `move_files_in` in this order.

    Each stage keeps its results for the next. Whoever carries it out commits the transaction, or calls `take_files_back` if it
    fails.
    """

    def __init__(
        self,
        run: Run,
        repository: Repository,
        manifest: Manifest,
        workspace: Workspace,
        scratch: Path,
        tables: Sequence[Table],
        folders: Mapping[str, Path],
        names: Sequence[FileNameReference],
        keys: Keys,
        notes: list[str],
        own_edms: bool,
        needed: Mapping[str, Collection[str]],
        wanted: Wanted,
    ) -> None:
        self._run = run
        self._repository = repository
        self._manifest = manifest
        self._workspace = workspace
        self._scratch = scratch
        self._tables = tables
        self._folders = folders
        self._names = names
        self._own_edms = own_edms
        self._needed = needed
        self._left_behind: list[str] = []
        self._notes: list[str] = []
        self._namings = naming_columns(
            tables,
            manifest.path_columns,
            {index.root.name: (index.root.path, str(folders.get(index.root.name, ""))) for index in manifest.files},
        )
        self._wanted = wanted
        self._policies = wanted.policies
        self._roots: list[RootMerge] = []
        counts = {entry.table.id: entry.state.rows for entry in manifest.tables}
        self._trees, self._keys = find_trees(tables, keys, counts, notes)
        self._places: dict[str, dict[str, Labelled]] = {SNAPSHOT: {}, TARGET: {}, MERGED: {}}
        self._raws: dict[str, dict[str, RawTable]] = {}
        self._rows: dict[str, dict[str, Identified]] = {}
        self._matched: Matched | None = None
        self._plans: dict[str, ModelPlan] = {}

    def read_snapshot(self) -> None:
        """Fetch the snapshot's rows, and verify them.

        Raises:
            DamagedRepository, CheckFailed: an object is missing or altered.
        """
        entries = {entry.table.id: entry for entry in self._manifest.tables}
        wanted = numbered([entries[table.id] for table in self._tables])
        found = self._run.map(fetch_rows, wanted, self._repository, self._workspace, self._scratch / SNAPSHOT)
        self._raws[SNAPSHOT] = {raw.table_id: raw for raw in found}
        self._take_places(SNAPSHOT, self._trees)

    def read_target(self, view: View) -> None:
        """Read the target's rows of the same tables through a view of the transaction."""
        with self._run.stage("read the target"):
            self._raws[TARGET] = extract_tables(self._run, view, self._tables, self._scratch / TARGET)
            self._take_places(TARGET, self._trees)

    def plan(self, snapshot_id: str, target: str, notes: list[str]) -> MergePlan:
        """Match the rows, assign ids, rewrite references, and plan the changes; lines for people are added to `notes`.

        Raises:
            MergeRefused, CommandError, SettingsError: the merge is not possible with these rows, this selection or these settings.
        """
        says = accepted(self._wanted.not_references, {table.id: table for table in self._tables}, self._folders)
        with self._run.stage("match"):
            matched, pairs = self._match("first")
        with self._run.stage("plan"):
            roots = self._plan_roots(matched, says, {})
            if renames := {one.root.index.root.name: one.root.renames for one in roots if one.root.renames}:
                self._rename(renames)
                matched, pairs = self._match("renamed")
                roots = self._plan_roots(matched, says, renames)
            self._matched, self._roots = matched, [planned.root for planned in roots]
            conflicts: list[Conflict] = []
            for table in self._tables:
                self._plans[table.id], found = self._plan_table(matched, table, pairs[table.id])
                conflicts += found
            policies = {table.id: self._policies.of(table) for table in self._tables}
            names = {root.index.root.name: root.nobodys for root in self._roots}
            looked, found = self._run.call(
                look_for_undeclared_ids, matched, policies, says, self._covered(), names, self._workspace
            )
            conflicts += found
            conflicts += [conflict for planned in roots for conflict in planned.conflicts]
        notes += [*self._left_behind, *self._notes]
        return MergePlan(
            snapshot_id=snapshot_id,
            target=target,
            models=sorted_plans(self._plans),
            files=tuple(root.plan for root in self._roots),
            conflicts=tuple(conflicts),
            notes=tuple(notes),
            looked=looked,
        )

    def _covered(self) -> dict[str, set[str]]:
        """The columns of each table that hold no ids for another reason: they name files, or places in a tree."""
        return {
            table.id: {naming.column for naming in self._namings[table.id]}
            | set(self._trees[table.id].columns if table.id in self._trees else ())
            for table in self._tables
        }

    def _match(self, folder: str) -> tuple[Matched, dict[str, int]]:
        """Pair the rows and assign ids; returns the match of the wanted rows, and how many rows of each table are in both."""
        self._rows = self._open(SNAPSHOT, TARGET, folder=folder)
        sides = self._rows[SNAPSHOT], self._rows[TARGET]
        matched = self._run.call(
            match_rows, self._workspace, *sides, self._scratch / folder / "matched", own_edms=self._own_edms
        )
        pairs = {table_id: rows.same + rows.updates for table_id, rows in matched.rewritten.items()}
        if self._wanted.selectors:
            chosen = self._wanted.selectors, self._wanted.with_dependents, self._trees, self._needed
            matched, self._left_behind = self._run.call(
                choose_rows, matched, *chosen, self._workspace, self._scratch / folder / "chosen"
            )
        return matched, pairs

    def _plan_roots(self, matched: Matched, says: Accepted, renames: Renames) -> list[PlannedRoot]:
        return [
            self._run.call(plan_root, index, self._root_to_plan(matched, index, says, renames), self._scratch)
            for index in self._manifest.files
            if index.root.name in self._folders
        ]

    def _rename(self, renames: Renames) -> None:
        """Give the snapshot's files other names, in the rows that name them."""
        folder = self._scratch / "renamed" / "raw"
        folder.mkdir(parents=True)
        with self._workspace.cursor() as cursor:
            for place, table in numbered(self._tables):
                raws = self._raws[SNAPSHOT]
                raws[table.id] = with_other_names(
                    cursor, table, raws[table.id], self._namings[table.id], renames, folder / f"{place}.parquet"
                )

    def carry_out(self, transaction: MergeTransaction) -> tuple[MergedTable, ...]:
        """Stage the files, write the rows, and validate them in the transaction, which the caller commits.

        Raises:
            CheckFailed: the rows that were read back are not as planned.
            MergeRefused: the database refuses a row.
        """
        matched = self._the_matched()
        with self._run.stage("files"):
            for root in self._roots:
                self._run.call(stage_files, root, self._repository, self._scratch)
        with self._run.stage("write"):
            changes = self._changes(matched)
            self._run.call(write_rows, transaction, changes)
        with self._run.stage("validate"):
            changed = [change.table for change in changes]
            one_by_one = self._run.with_jobs(1)  # a transaction has one connection
            reread = extract_tables(one_by_one, transaction.view(), changed, self._scratch / MERGED)
            # Tables that were not written to are what they were: nobody else could write to them.
            self._raws[MERGED] = {**self._raws[TARGET], **reread}
            self._take_places(MERGED, reread)
            found = self._validate(matched)
            problems = self._broken_trees()
        problems += [problem for table in found for problem in table.problems]
        if problems:
            raise CheckFailed(
                "The merged rows are not what they should be. The merge was rolled back.",
                where=self._manifest.engine,
                why="; ".join(problems[:5]),
                fix="Nothing was changed. Please report this with the plan (`edms-backup merge --dry-run --json`).",
            )
        return found

    def _take_places(self, name: str, tables: Iterable[str]) -> None:
        """Take the places in trees off a side's rows."""
        with self._workspace.cursor() as cursor:
            for number, table in numbered(self._tables):
                if table.id in self._trees and table.id in tables:
                    folder = self._scratch / "places" / name / number
                    tree = self._trees[table.id]
                    found = without_places(cursor, table, self._raws[name][table.id], tree, folder)
                    self._places[name][table.id], self._raws[name][table.id] = found, found.raw

    def _broken_trees(self) -> list[str]:
        """A sentence for each tree that was written and is not sound."""
        with self._workspace.cursor() as cursor:
            broken = {
                table_id: broken_places(cursor, self._trees[table_id], merged)
                for table_id, merged in self._places[MERGED].items()
            }
        labels = {table.id: table.label for table in self._tables}
        return [
            f"{labels[table_id]}: {count} nodes are not in their place" for table_id, count in broken.items() if count
        ]

    def move_files_in(self, aside: Path) -> None:
        """Move the staged files into the live folders; the files that they replace are moved to `aside`."""
        for root in self._roots:
            self._run.call(move_files_in, root, aside)

    def take_files_back(self) -> None:
        """Undo `move_files_in`."""
        for root in self._roots:
            root.take_back()

    def remove_staged_files(self) -> None:
        """Remove the staging folders."""
        for root in self._roots:
            root.remove_staged()

    def _the_matched(self) -> Matched:
        assert self._matched is not None  # plan() was called
        return self._matched

    def _changes(self, matched: Matched) -> list[TableChange]:
        found = []
        with self._workspace.cursor() as cursor:
            for place, table in numbered(self._tables):
                source, rows, policy = matched.sources[table.id], matched.rewritten[table.id], self._policies.of(table)
                folder, others = self._scratch / "changes" / place, None
                if table.id in self._trees:
                    sides = self._places[SNAPSHOT][table.id], self._places[TARGET][table.id]
                    tree, target = self._trees[table.id], matched.targets[table.id]
                    rows, others = with_places(cursor, tree, source, target, rows, sides, policy, folder / "places")
                found.append(table_change(cursor, source, rows, policy, folder, others))
        return [change for change in found if change]

    def _root_to_plan(self, matched: Matched, index: FileIndex, says: Accepted, renames: Renames) -> RootToPlan:
        name = index.root.name
        policies = {table.id: self._policies.of(table) for table in self._tables}
        with self._workspace.cursor() as cursor:
            named = owners(cursor, matched, policies, self._namings, name)
        return RootToPlan(
            repository=self._repository,
            folder=self._folders[name],
            names=[reference for reference in self._names if reference.root == name],
            id_maps=matched.id_maps,
            owners=named,
            policy=self._policies.default,
            only=self._chosen_files(matched, name) if self._wanted.selectors else None,
            accepted=says,
            renames=renames.get(name, {}),
            may_rename=self._wanted.rename_files and not renames,
            longest=longest_name(self._tables, self._namings, name),
        )

    def _chosen_files(self, matched: Matched, root: str) -> Callable[[str, Mapping[str, str]], bool]:
        """The files of a folder that belong to the chosen rows: those that they name, and those with their ids in the name."""
        with self._workspace.cursor() as cursor:
            names = named_files(cursor, matched, self._namings, root)
            declared = {reference.target for reference in self._names if reference.root == root}
            ids = {table_id: chosen_ids(cursor, matched, table_id) for table_id in declared}

        def is_chosen(name: str, held: Mapping[str, str]) -> bool:
            return name in names or any(one in ids[table_id] for table_id, one in held.items())

        return is_chosen

    def _open(
        self, *names: str, like: Mapping[str, Side] | None = None, folder: str = ""
    ) -> dict[str, dict[str, Identified]]:
        """Identify the rows of sides; with `like`, to be held against sides that were opened before."""
        self._bring_into_one_form((*names, *(like or ())), folder)
        raws = {name: {table.id: self._raws[name][table.id] for table in self._tables} for name in names}
        keys = {table.id: self._keys[table.id] for table in self._tables}
        first = like[SNAPSHOT] if like else None
        sides = self._run.call(identify_rows, self._tables, keys, raws, self._workspace, like=first)
        found: dict[str, dict[str, Identified]] = {}
        for name, side in sides.items():
            require_used(keys, side)
            into = self._scratch / folder / "identified" / "-".join(names) / name
            into.mkdir(parents=True)
            other = first or next(other for other in sides.values() if other is not side)
            wanted = [
                ToIdentify(table, place, self._raws[SNAPSHOT][table.id].bytes)
                for place, table in numbered(self._tables)
            ]
            written = self._run.map(identify_table, wanted, side, other, into)
            found[name] = {rows.table.id: rows for rows in written}
        if TARGET in found:
            self._pair_same_rows(found)
        for side in sides.values():
            side.workspace.forget()
        return found

    def _pair_same_rows(self, found: Mapping[str, dict[str, Identified]]) -> None:
        for table in self._tables:
            source, target = found[SNAPSHOT][table.id], found[TARGET][table.id]
            key = source.side.keys.keys[table.id].natural_key
            if (key is None or key.source == "content") and source.rows and target.rows:
                path = target.path.with_suffix(".paired.parquet")
                found[TARGET][table.id] = pair_same_rows(target, source, path)

    def _bring_into_one_form(self, names: Sequence[str], parent: str) -> None:
        """Convert both sides' rows to one form if they store a column differently."""
        with self._workspace.cursor() as cursor:
            for place, table in numbered(self._tables):
                held = {name: self._raws[name][table.id] for name in names}
                folder = self._scratch / parent / "forms" / "-".join(names) / place
                for name, raw in in_one_form(cursor, table, held, folder).items():
                    self._raws[name][table.id] = raw

    def _plan_table(self, matched: Matched, table: Table, pairs: int) -> tuple[ModelPlan, list[Conflict]]:
        source, target, rows = matched.sources[table.id], matched.targets[table.id], matched.rewritten[table.id]
        policy, ids = self._policies.of(table), matched.id_maps.get(table.id)
        with self._workspace.cursor() as cursor:
            plan, conflicts = plan_table(cursor, source, target, rows, ids, policy, pairs=pairs)
            self._notes += unchecked(cursor, source, target, rows, policy)
            if table.id in self._trees:
                sides = self._places[SNAPSHOT][table.id], self._places[TARGET][table.id]
                conflicts += tree_conflicts(cursor, self._trees[table.id], source, target, rows, sides, policy)
            return plan, conflicts

    def _validate(self, matched: Matched) -> tuple[MergedTable, ...]:
        before = {name: self._rows[name] for name in (SNAPSHOT, TARGET)}
        forms = {name: dict(self._raws[name]) for name in before}
        sides = {name: next(iter(rows.values())).side for name, rows in before.items()}
        rows = {**before, **self._open(MERGED, like=sides)}
        if forms != {name: self._raws[name] for name in before}:
            # The merged rows are carried in a form that neither side was: all are identified anew.
            rows = self._open(SNAPSHOT, TARGET, MERGED)
        merged = [
            ToValidate(
                table,
                rows[SNAPSHOT][table.id],
                rows[TARGET][table.id],
                rows[MERGED][table.id],
                matched.rewritten[table.id],
                self._plans[table.id],
                self._policies.of(table),
                self._own_edms,
                self._raws[MERGED][table.id].rows,
            )
            for table in self._tables
        ]
        return tuple(self._run.map(validate_merged_table, merged, self._workspace))
