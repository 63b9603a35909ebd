"""The stages of a merge, in their order: read both sides, plan, write and validate; and the results that they pass on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from edms_tasks.databases.merge_transaction import MergeTransaction, TableChange
from edms_tasks.databases.protocol import View
from edms_tasks.errors import CheckFailed, MergeRefused
from edms_tasks.identifying.common_form import in_one_form
from edms_tasks.identifying.sides import Side
from edms_tasks.inventory.model import Table
from edms_tasks.merging.conflicts import Conflict
from edms_tasks.merging.declared_without_ids import accepted
from edms_tasks.merging.derived_columns import with_derived_columns, without_derived_columns
from edms_tasks.merging.identified_rows import Identified, pair_same_rows
from edms_tasks.merging.matched_tables import Matched
from edms_tasks.merging.matching_keys import require_used
from edms_tasks.merging.planning import MergePlan, ModelPlan, plan_table, sorted_plans
from edms_tasks.merging.row_changes import table_change
from edms_tasks.merging.tree_rows import (
    TreeMerge,
    broken_places,
    find_trees,
    tree_conflicts,
    with_places,
    without_places,
)
from edms_tasks.merging.unique_values import unique_conflicts
from edms_tasks.merging.update_order import order_conflicts
from edms_tasks.merging.validated_rows import MergedTable
from edms_tasks.merging.value_references import value_reference_conflicts
from edms_tasks.scratch.raw_table import RawTable
from edms_tasks.trees.label_paths import Labelled
from flows.merging.merge_files import MergeFiles
from flows.merging.merge_inputs import MergeInputs
from flows.running.run import Run, numbered
from flows.tasks.compare_tasks import fetch_rows, identify_rows
from flows.tasks.extract_tasks import extract_tables
from flows.tasks.merge_tasks import (
    ToIdentify,
    ToValidate,
    choose_rows,
    identify_table,
    look_for_undeclared_ids,
    match_rows,
    validate_merged_table,
    write_rows,
)
from flows.tasks.statements_in_the_edms import problem_in_the_edms

SNAPSHOT, TARGET, MERGED = "snapshot", "target", "merged"


class MergeStages:
    """A merge in progress. Call `read_snapshot`, `read_target`, `plan`, `carry_out` and `move_files_in` in this order.

    Each stage keeps its results for the next. Whoever carries it out commits the transaction, or calls `take_files_back` if it
    fails.
    """

    def __init__(self, run: Run, its: MergeInputs, notes: list[str]) -> None:
        """Begin a merge; `notes` gets a line for each tree."""
        self.files = MergeFiles(run, its)
        self._run = run
        self._its = its
        self._tables, self._workspace, self._scratch = its.tables, its.workspace, its.scratch
        self._left_behind: list[str] = []
        self._notes: list[str] = []
        counts = {entry.table.id: entry.state.rows for entry in its.manifest.tables}
        self._trees, self._keys = find_trees(its.tables, its.keys, counts, notes)
        self._places: dict[str, dict[str, Labelled]] = {SNAPSHOT: {}, TARGET: {}, MERGED: {}}
        self._raws: dict[str, dict[str, RawTable]] = {}
        self._before: dict[str, RawTable] = {}  # the target's rows of tables with derived columns
        self._rows: dict[str, dict[str, Identified]] = {}
        self._matched: Matched | None = None
        self._plans: dict[str, ModelPlan] = {}

    def read_snapshot(self) -> None:
        """Fetch the snapshot's rows, and verify them.

        Raises:
            DamagedRepository, CheckFailed: an object is missing or altered.
        """
        entries = {entry.table.id: entry for entry in self._its.manifest.tables}
        wanted = numbered([entries[table.id] for table in self._tables])
        found = self._run.map(fetch_rows, wanted, self._its.repository, self._workspace, self._scratch / SNAPSHOT)
        self._raws[SNAPSHOT] = {raw.table_id: raw for raw in found}
        self._take_derived(SNAPSHOT, self._its.derived)
        self._take_places(SNAPSHOT, self._trees)

    def read_target(self, view: View) -> None:
        """Read the target's rows of the same tables through a view of the transaction."""
        with self._run.stage("read the target"):
            self._raws[TARGET] = extract_tables(self._run, view, self._tables, self._scratch / TARGET)
            self._before = {table_id: self._raws[TARGET][table_id] for table_id in self._its.derived}
            self._take_derived(TARGET, self._its.derived)
            self._take_places(TARGET, self._trees)

    def plan(self, snapshot_id: str, target: str, notes: list[str]) -> MergePlan:
        """Match the rows, assign ids, rewrite references, and plan the changes; lines for people are added to `notes`.

        Raises:
            MergeRefused, CommandError, SettingsError: the merge is not possible with these rows, this selection or these settings.
        """
        says = accepted(self._its.wanted.not_references, {table.id: table for table in self._tables}, self._its.live)
        with self._run.stage("match"):
            matched, pairs = self._match("first")
        with self._run.stage("plan"):
            roots = self.files.plan(matched, says, {})
            if renames := {one.root.index.root.name: one.root.renames for one in roots if one.root.renames}:
                self.files.rename(self._raws[SNAPSHOT], renames)
                matched, pairs = self._match("renamed")
                roots = self.files.plan(matched, says, renames)
            self._matched, self.files.roots = matched, [planned.root for planned in roots]
            conflicts: list[Conflict] = []
            for table in self._tables:
                self._plans[table.id], found = self._plan_table(matched, table, pairs[table.id])
                conflicts += found
            names = {root.index.root.name: root.undeclared for root in self.files.roots}
            looked, found = self._run.call(
                look_for_undeclared_ids,
                matched,
                self._its.policies,
                says,
                self._covered(),
                names,
                self._its.others,
                self._workspace,
            )
            conflicts += found
            conflicts += [conflict for planned in roots for conflict in planned.conflicts]
        notes += [*self._left_behind, *self._notes]
        plan = MergePlan(
            snapshot_id=snapshot_id,
            target=target,
            models=sorted_plans(self._plans),
            files=tuple(root.plan for root in self.files.roots),
            conflicts=tuple(conflicts),
            notes=tuple(notes),
            looked=looked,
        )
        return plan.without_values(self._its.redaction)

    def _covered(self) -> dict[str, set[str]]:
        """The columns of each table that hold no ids for another reason: they name files, or places in a tree."""
        return {
            table.id: self.files.columns(table.id)
            | set(self._trees[table.id].columns if table.id in self._trees else ())
            | set(self._its.derived.get(table.id, ()))
            for table in self._tables
        }

    def _match(self, folder: str) -> tuple[Matched, dict[str, int]]:
        """Pair the rows and assign ids; returns the match of the wanted rows, and how many rows of each table are in both."""
        self._rows = self._open(SNAPSHOT, TARGET, folder=folder)
        sides = self._rows[SNAPSHOT], self._rows[TARGET]
        matched = self._run.call(
            match_rows,
            self._workspace,
            *sides,
            self._scratch / folder / "matched",
            files=self.files.ids_in_names(),
            own_edms=self._its.own_edms,
        )
        pairs = {table_id: rows.same + rows.updates for table_id, rows in matched.rewritten.items()}
        if self._its.wanted.selectors:
            chosen = self._its.wanted.selectors, self._its.wanted.with_dependents, self._trees, self._its.needed
            matched, self._left_behind = self._run.call(
                choose_rows, matched, *chosen, self._workspace, self._scratch / folder / "chosen"
            )
        return matched, pairs

    def carry_out(self, transaction: MergeTransaction) -> tuple[MergedTable, ...]:
        """Stage the files, write the rows, and validate them in the transaction, which the caller commits.

        Raises:
            CheckFailed: the rows that were read back are not as planned.
            MergeRefused: the database refuses a row.
        """
        matched = self._the_matched()
        with self._run.stage("files"):
            self.files.stage()
        with self._run.stage("write"):
            changes = self._changes(matched)
            self._compute(transaction, changes)
            self._run.call(write_rows, transaction, changes)
        with self._run.stage("validate"):
            changed = [change.table for change in changes]
            one_by_one = self._run.with_jobs(1)  # a transaction has one connection
            reread = extract_tables(one_by_one, transaction.view(), changed, self._scratch / MERGED)
            # Tables that were not written to are unchanged: nobody else could write to them.
            self._raws[MERGED] = {**self._raws[TARGET], **reread}
            self._take_derived(MERGED, reread)
            self._take_places(MERGED, reread)
            found = self._validate(matched)
            problems = self._broken_trees(matched)
        problems += [problem for table in found for problem in table.problems]
        if problems:
            raise CheckFailed(
                "The merged rows are not as planned. The merge was rolled back.",
                where=self._its.manifest.engine,
                why="; ".join(problems[:5]),
                fix="Nothing was changed. Please report this with the plan (`edms-backup merge --dry-run --json`).",
            )
        return found

    def _compute(self, transaction: MergeTransaction, changes: Sequence[TableChange]) -> None:
        """Let the EDMS compute and check what only its own functions can. Raises MergeRefused."""
        left = transaction.left_to_the_edms(changes, self._scratch)
        if left is None:
            return
        if problem := problem_in_the_edms(self._run, left.statements, str(left.path)):
            raise MergeRefused(
                "The EDMS's own connection does not accept the rows that would be written.",
                where=", ".join(change.table.label for change in changes),
                why=problem[-1500:],
                fix="Nothing was changed. The message names the constraint or function; `edms-backup merge --dry-run` shows the plan.",
            )

    def _take_derived(self, name: str, tables: Iterable[str]) -> None:
        """Take the derived columns off a side's rows."""
        with self._workspace.cursor() as cursor:
            for number, table in numbered(self._tables):
                if table.id in self._its.derived and table.id in tables:
                    folder = self._scratch / "derived" / name
                    folder.mkdir(parents=True, exist_ok=True)
                    columns, path = self._its.derived[table.id], folder / f"{number}.parquet"
                    self._raws[name][table.id] = without_derived_columns(
                        cursor, table, self._raws[name][table.id], columns, path
                    )

    def _take_places(self, name: str, tables: Iterable[str]) -> None:
        """Take the places in trees off a side's rows."""
        with self._workspace.cursor() as cursor:
            for number, table in numbered(self._tables):
                if table.id in self._trees and table.id in tables:
                    folder = self._scratch / "places" / name / number
                    tree = self._trees[table.id]
                    found = without_places(cursor, table, self._raws[name][table.id], tree, folder)
                    self._places[name][table.id], self._raws[name][table.id] = found, found.raw

    def _broken_trees(self, matched: Matched) -> list[str]:
        """A sentence for each tree that was written and is not sound."""
        tables = {table.id: table for table in self._tables}
        with self._workspace.cursor() as cursor:
            broken = {
                table_id: broken_places(cursor, self._tree_merge(matched, tables[table_id]), merged)
                for table_id, merged in self._places[MERGED].items()
            }
        return [
            f"{tables[table_id].label}: {count} nodes are not in their place"
            for table_id, count in broken.items()
            if count
        ]

    def _the_matched(self) -> Matched:
        assert self._matched is not None  # plan() was called
        return self._matched

    def _changes(self, matched: Matched) -> list[TableChange]:
        found = []
        with self._workspace.cursor() as cursor:
            for place, table in numbered(self._tables):
                source, rows, policy = (
                    matched.sources[table.id],
                    matched.rewritten[table.id],
                    self._its.wanted.policies.of(table),
                )
                folder, others = self._scratch / "changes" / place, None
                if table.id in self._trees:
                    rows, others = with_places(cursor, self._tree_merge(matched, table), folder / "places")
                if table.id in self._its.derived:
                    before, columns = self._before[table.id], self._its.derived[table.id]
                    rows, others = with_derived_columns(
                        cursor, source, rows, others, before, columns, folder / "derived"
                    )
                found.append(
                    table_change(
                        cursor,
                        source,
                        rows,
                        policy,
                        folder,
                        others,
                        target=matched.targets[table.id],
                        plain=self._is_plain(table),
                    )
                )
        return [change for change in found if change]

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
        policy, ids = self._its.wanted.policies.of(table), matched.id_maps.get(table.id)
        with self._workspace.cursor() as cursor:
            plan, conflicts = plan_table(cursor, source, target, rows, ids, policy, pairs=pairs)
            shared, said = unique_conflicts(cursor, source, target, rows, policy)
            conflicts += [*shared, *order_conflicts(cursor, source, target, rows, policy, plain=self._is_plain(table))]
            self._notes += said
            conflicts += value_reference_conflicts(
                cursor, matched, table, self._its.policies, own_edms=self._its.own_edms
            )
            if table.id in self._trees:
                conflicts += tree_conflicts(cursor, self._tree_merge(matched, table))
            return plan, conflicts

    def _is_plain(self, table: Table) -> bool:
        return table.id not in self._trees and table.id not in self._its.derived

    def _tree_merge(self, matched: Matched, table: Table) -> TreeMerge:
        return TreeMerge(
            tree=self._trees[table.id],
            source=matched.sources[table.id],
            target=matched.targets[table.id],
            rows=matched.rewritten[table.id],
            mine=self._places[SNAPSHOT][table.id],
            theirs=self._places[TARGET][table.id],
            policy=self._its.wanted.policies.of(table),
        )

    def _validate(self, matched: Matched) -> tuple[MergedTable, ...]:
        before = {name: self._rows[name] for name in (SNAPSHOT, TARGET)}
        forms = {name: dict(self._raws[name]) for name in before}
        sides = {name: next(iter(rows.values())).side for name, rows in before.items()}
        rows = {**before, **self._open(MERGED, like=sides)}
        if forms != {name: self._raws[name] for name in before}:
            # The merged rows are in a form that neither side had, so all rows are identified again.
            rows = self._open(SNAPSHOT, TARGET, MERGED)
        merged = [
            ToValidate(
                table,
                rows[SNAPSHOT][table.id],
                rows[TARGET][table.id],
                rows[MERGED][table.id],
                matched.rewritten[table.id],
                self._plans[table.id],
                self._its.wanted.policies.of(table),
                self._its.own_edms,
                not self._its.redaction.hides_key(table.id),
                self._raws[MERGED][table.id].rows,
            )
            for table in self._tables
        ]
        return tuple(self._run.map(validate_merged_table, merged, self._workspace))
