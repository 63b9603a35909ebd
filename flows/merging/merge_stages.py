"""A merge under way: what its stages do, one after the other, and what they leave to the next."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edms_tasks.databases.protocol import MergeTransaction, View
from edms_tasks.errors import CheckFailed, CommandError
from edms_tasks.extract import RawTable
from edms_tasks.identifying.one_form import in_one_form
from edms_tasks.identifying.sides import Side, open_sides
from edms_tasks.identifying.snapshot_rows import snapshot_rows
from edms_tasks.inventory.model import Table
from edms_tasks.manifest import FileIndex, Manifest
from edms_tasks.merging.changes import table_change
from edms_tasks.merging.file_names import spoken_for
from edms_tasks.merging.files import RootMerge, plan_files
from edms_tasks.merging.matched_tables import Matched, match_tables
from edms_tasks.merging.pairing import Identified, pair_same_rows, write_identified
from edms_tasks.merging.planning import Conflict, MergePlan, ModelPlan, Policy, plan_table, sorted_plans
from edms_tasks.merging.rewriting import Rewritten
from edms_tasks.merging.selection import Selector, chosen_files, chosen_ids, restrict
from edms_tasks.merging.validated_rows import MergedTable, validate_table
from edms_tasks.repository import Repository
from edms_tasks.scratch.workspace import Workspace
from edms_tasks.settings import Settings
from flows.running.runner import Steps
from flows.tasks.extract_tables import read_tables

SNAPSHOT, TARGET, MERGED = "snapshot", "target", "merged"


@dataclass(frozen=True)
class Policies:
    """What happens to rows that are in both and differ: for all models, and for some of them."""

    default: Policy = "overwrite"
    models: Mapping[str, Policy] | None = None

    def of(self, table: Table) -> Policy:
        """The policy for a table, by its model's label or its own name."""
        named = {name.lower(): policy for name, policy in (self.models or {}).items()}
        return named.get(table.label.lower()) or named.get(table.id.lower()) or self.default

    def require_known(self, tables: Sequence[Table]) -> None:
        """Raises CommandError for a name that is no model and no table."""
        known = {table.label.lower() for table in tables} | {table.id.lower() for table in tables}
        for name in self.models or {}:
            if name.lower() not in known:
                raise CommandError(
                    f"There is no model {name!r} in the snapshot.",
                    where="--on-conflict",
                    fix="`edms-backup show` lists the models.",
                )


class MergeStages:
    """One merge under way: the rows of both sides, and what became of them."""

    def __init__(
        self,
        settings: Settings,
        steps: Steps,
        repository: Repository,
        manifest: Manifest,
        workspace: Workspace,
        scratch: Path,
        tables: Sequence[Table],
        policies: Policies,
        folders: Mapping[str, Path],
        selectors: Sequence[Selector] = (),
        *,
        with_dependents: bool = False,
    ) -> None:
        self._selectors = selectors
        self._with_dependents = with_dependents
        self._folders = folders
        self._roots: list[RootMerge] = []
        self._settings = settings
        self._steps = steps
        self._repository = repository
        self._manifest = manifest
        self._workspace = workspace
        self._scratch = scratch
        self._tables = tables
        self._policies = policies
        self._keys = {entry.table.id: entry.natural_key for entry in manifest.tables}
        self._raws: dict[str, dict[str, RawTable]] = {}
        self._rows: dict[str, dict[str, Identified]] = {}
        self._matched: Matched | None = None
        self._plans: dict[str, ModelPlan] = {}

    def read_snapshot(self) -> None:
        """Fetch the snapshot's rows, verified."""
        entries = {entry.table.id: entry for entry in self._manifest.tables}
        found = self._steps.map(
            lambda pair: f"fetch {pair[1].label}",
            lambda pair: snapshot_rows(
                self._repository, entries[pair[1].id], self._workspace, self._scratch / SNAPSHOT / f"{pair[0]:04d}"
            ),
            list(enumerate(self._tables)),
            jobs=self._settings.jobs,
            weight=lambda pair: entries[pair[1].id].state.rows,
        )
        self._raws[SNAPSHOT] = {raw.table_id: raw for raw in found}

    def read_target(self, view: View) -> None:
        """Read the target's rows."""
        with self._steps.stage("read the target"):
            self._raws[TARGET] = read_tables(
                self._settings, self._steps, view, self._tables, self._scratch / TARGET, "read"
            )

    def plan(self, snapshot_id: str, target: str, notes: Sequence[str]) -> MergePlan:
        """Pair the rows, settle the ids, rewrite the references, and say what is to be done."""
        with self._steps.stage("match"):
            self._rows = self._open(SNAPSHOT, TARGET)
            self._matched = self._steps.run(
                "match rows and ids",
                lambda: match_tables(
                    self._workspace, self._rows[SNAPSHOT], self._rows[TARGET], self._scratch / "matched"
                ),
            )
            pairs = {table_id: rows.same + rows.updates for table_id, rows in self._matched.rewritten.items()}
            if self._selectors:
                self._matched = self._steps.run("choose rows", lambda: self._restricted(self._matched))
        with self._steps.stage("plan"):
            conflicts: list[Conflict] = []
            for table in self._tables:
                plan, found = self._plan_table(table, pairs[table.id])
                self._plans[table.id] = plan
                conflicts += found
            for index in self._manifest.files:
                if index.root.name in self._folders:
                    root, found = self._steps.run(
                        f"compare the files of {index.root.name}", lambda index=index: self._plan_root(index)
                    )
                    self._roots.append(root)
                    conflicts += found
        return MergePlan(
            snapshot_id=snapshot_id,
            target=target,
            models=sorted_plans(self._plans),
            files=tuple(root.plan for root in self._roots),
            conflicts=tuple(conflicts),
            notes=tuple(notes),
        )

    def carry_out(self, transaction: MergeTransaction) -> tuple[MergedTable, ...]:
        """Write and prove within the transaction, which is left to be committed."""
        assert self._matched is not None  # plan() was called
        matched = self._matched
        with self._steps.stage("files"):
            for root in self._roots:
                self._steps.run(
                    f"stage the files of {root.index.root.name}",
                    lambda root=root: root.stage(self._repository, self._scratch),
                )
        with self._steps.stage("write"), self._workspace.cursor() as cursor:
            changes = [
                change
                for number, table in enumerate(self._tables)
                if (
                    change := table_change(
                        cursor,
                        matched.sources[table.id],
                        matched.rewritten[table.id],
                        self._policies.of(table),
                        self._scratch / "changes" / f"{number:04d}",
                    )
                )
            ]
            self._steps.run("write the rows", lambda: transaction.write(changes))
        with self._steps.stage("validate"):
            changed = [change.table for change in changes]
            reread = read_tables(
                self._settings.model_copy(update={"jobs": 1}),
                self._steps,
                transaction.view(),
                changed,
                self._scratch / MERGED,
                "read back",
            )
            # Tables that were not written to are what they were: nobody else could write to them.
            self._raws[MERGED] = {**self._raws[TARGET], **reread}
            found = self._prove()
        problems = [problem for table in found for problem in table.problems]
        if problems:
            raise CheckFailed(
                "The merged rows are not what they should be; the merge was taken back.",
                where=self._manifest.engine,
                why="; ".join(problems[:5]),
                fix="Nothing was changed. Please report this with the plan (`edms-backup merge --dry-run --json`).",
            )
        return found

    def move_files_in(self, aside: Path) -> None:
        """Bring the staged files to their names; those that they replace go to `aside`."""
        for root in self._roots:
            self._steps.run(f"move the files of {root.index.root.name} in", lambda root=root: root.move_in(aside))

    def take_files_back(self) -> None:
        """Undo `move_files_in`."""
        for root in self._roots:
            root.take_back()

    def remove_staged_files(self) -> None:
        """Leave no staged file behind."""
        for root in self._roots:
            root.remove_staged()

    def _plan_root(self, index: FileIndex) -> tuple[RootMerge, list[Conflict]]:
        assert self._matched is not None  # plan() has matched
        policies = {table.id: self._policies.of(table) for table in self._tables}
        with self._workspace.cursor() as cursor:
            held = spoken_for(cursor, self._matched, policies, index.root.name)
        return plan_files(
            index,
            self._repository,
            self._folders[index.root.name],
            names=[state.reference for state in self._manifest.file_names if state.reference.root == index.root.name],
            id_maps=self._matched.id_maps,
            spoken_for=held,
            policy=self._policies.default,
            scratch=self._scratch,
            only=self._chosen_files(index.root.name) if self._selectors else None,
        )

    def _open(self, *names: str, like: Mapping[str, Side] | None = None) -> dict[str, dict[str, Identified]]:
        """Identify the rows of sides; with `like`, to be held against sides that were opened before."""
        numbered = list(enumerate(self._tables))
        raws: dict[str, dict[str, RawTable]] = {name: {} for name in names}
        self._bring_into_one_form((*names, *(like or ())))
        for name in names:
            raws[name] = {table.id: self._raws[name][table.id] for table in self._tables}
        keys = {table.id: self._keys[table.id] for table in self._tables}
        first = like[SNAPSHOT] if like else None
        sides = self._steps.run(
            "tell the rows apart", lambda: open_sides(self._tables, keys, raws, self._workspace, like=first)
        )
        found: dict[str, dict[str, Identified]] = {}
        for name, side in sides.items():
            folder = self._scratch / "identified" / "-".join(names) / name
            folder.mkdir(parents=True)
            other = first or next(other for other in sides.values() if other is not side)

            def write(
                pair: tuple[int, Table], side: Side = side, other: Side = other, folder: Path = folder
            ) -> Identified:
                return write_identified(side, other, pair[1], folder / f"{pair[0]:04d}.parquet")

            written = self._steps.map(
                lambda pair: f"identify {pair[1].label}",
                write,
                numbered,
                jobs=self._settings.jobs,
                weight=lambda pair: self._raws[SNAPSHOT][pair[1].id].bytes,
            )
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

    def _bring_into_one_form(self, names: Sequence[str]) -> None:
        """SQLite's values, tagged wherever two sides carry a column in different forms."""
        with self._workspace.cursor() as cursor:
            for number, table in enumerate(self._tables):
                held = {name: self._raws[name][table.id] for name in names}
                folder = self._scratch / "forms" / "-".join(names) / f"{number:04d}"
                for name, raw in in_one_form(cursor, table, held, folder).items():
                    self._raws[name][table.id] = raw

    def _plan_table(self, table: Table, pairs: int) -> tuple[ModelPlan, list[Conflict]]:
        assert self._matched is not None  # plan() has matched
        matched = self._matched
        with self._workspace.cursor() as cursor:
            return plan_table(
                cursor,
                matched.sources[table.id],
                matched.targets[table.id],
                matched.rewritten[table.id],
                matched.id_maps.get(table.id),
                self._policies.of(table),
                pairs=pairs,
            )

    def _restricted(self, matched: Matched | None) -> Matched:
        assert matched is not None  # plan() has matched
        with self._workspace.cursor() as cursor:
            return restrict(
                cursor,
                matched,
                self._selectors,
                with_dependents=self._with_dependents,
                folder=self._scratch / "chosen",
            )

    def _chosen_files(self, root: str) -> Callable[[str, Mapping[str, str]], bool]:
        """Which files of a folder come with the chosen rows: those that they name, and those that are named by their ids."""
        assert self._matched is not None  # plan() has matched
        matched = self._matched
        with self._workspace.cursor() as cursor:
            names = chosen_files(cursor, matched, root)
            declared = {one.reference.target for one in self._manifest.file_names if one.reference.root == root}
            ids = {table_id: chosen_ids(cursor, matched, table_id) for table_id in declared}
        return lambda name, held: name in names or any(one in ids[table_id] for table_id, one in held.items())

    def _prove(self) -> tuple[MergedTable, ...]:
        assert self._matched is not None  # plan() was called
        before = {name: self._rows[name] for name in (SNAPSHOT, TARGET)}
        forms = {name: dict(self._raws[name]) for name in before}
        sides = {name: next(iter(rows.values())).side for name, rows in before.items()}
        rows = {**before, **self._open(MERGED, like=sides)}
        if forms != {name: self._raws[name] for name in before}:
            # The merged rows are carried in a form that neither side was: all are told apart anew.
            rows = self._open(SNAPSHOT, TARGET, MERGED)
        rewritten, policies = self._matched.rewritten, self._policies
        return tuple(
            self._steps.map(
                lambda table: f"prove {table.label}",
                lambda table: self._prove_table(table, rows, rewritten[table.id], policies.of(table)),
                list(self._tables),
                jobs=self._settings.jobs,
                weight=lambda table: self._raws[MERGED][table.id].rows,
            )
        )

    def _prove_table(
        self, table: Table, rows: Mapping[str, Mapping[str, Identified]], rewritten: Rewritten, policy: Policy
    ) -> MergedTable:
        with self._workspace.cursor() as cursor:
            source, target, merged = (rows[name][table.id] for name in (SNAPSHOT, TARGET, MERGED))
            return validate_table(cursor, source, target, merged, rewritten, self._plans[table.id], policy)
