"""Merge: open → safety snapshot → read → match → plan → write → validate → commit, in one transaction of the live database.

Rows are matched by natural key, new rows get free ids, every reference follows. Nothing is committed that was not proved.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edms_tasks.databases import Database, open_database
from edms_tasks.databases.protocol import MergeTransaction, View
from edms_tasks.errors import CheckFailed, CommandError, MergeRefused
from edms_tasks.extract import RawTable
from edms_tasks.inventory.model import Table
from edms_tasks.manifest import Manifest
from edms_tasks.merging.changes import table_change
from edms_tasks.merging.forms import in_one_form
from edms_tasks.merging.matching import Matched, match_tables
from edms_tasks.merging.pairing import Identified, write_identified
from edms_tasks.merging.planning import Conflict, MergePlan, ModelPlan, Policy, plan_table, sorted_plans
from edms_tasks.merging.proof import MergedTable, prove_as_it_was, prove_as_planned, prove_still_there
from edms_tasks.merging.sides import Side, open_sides
from edms_tasks.merging.snapshot_rows import mergeable, snapshot_rows
from edms_tasks.repository import Repository
from edms_tasks.restore import check_engine
from edms_tasks.settings import Settings
from edms_tasks.spool import spool
from edms_tasks.workspace import Workspace, open_workspace
from flows.backup import compose_backup
from flows.reading import read_tables
from flows.restore import journal_of
from flows.steps import Steps
from flows.target import address_of, ask_edms

SNAPSHOT, TARGET, MERGED = "snapshot", "target", "merged"


@dataclass(frozen=True)
class MergeResult:
    """What a merge did, or would do, and the proof."""

    plan: MergePlan
    done: bool
    safety_snapshot: str | None
    tables: tuple[MergedTable, ...]
    notes: tuple[str, ...]
    seconds: dict[str, float]

    @property
    def success(self) -> bool:
        """Nothing stands in the way (a plan), or everything was proved and committed (a merge)."""
        return not self.plan.conflicts

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "success": self.success,
            "done": self.done,
            "plan": self.plan.model_dump(mode="json"),
            "safety_snapshot": self.safety_snapshot,
            "tables": [table.model_dump(mode="json") for table in self.tables],
            "notes": list(self.notes),
            "seconds": self.seconds,
        }


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
                    cure="`edms-backup show` lists the models.",
                )


def compose_merge(
    settings: Settings,
    steps: Steps,
    *,
    snapshot: str,
    policies: Policies | None = None,
    dry_run: bool = False,
) -> MergeResult:
    """Merge a snapshot into the live database, or (`dry_run`) say what that would do.

    Raises:
        MergeRefused, CheckFailed, TargetInUse, DamagedRepository, …: nothing was changed.
    """
    chosen = policies or Policies()
    notes: list[str] = []
    with ExitStack() as cleanup:
        with steps.stage("open"):
            repository = Repository.open(settings.repository)
            snapshot_id = repository.resolve(snapshot)
            manifest = steps.run(
                "open the snapshot",
                lambda: Manifest.from_json(repository.read_snapshot(snapshot_id), where=snapshot_id),
            )
            report = ask_edms(settings, notes)
            database = open_database(address_of(settings, report))
            check_engine(manifest, database)
            database.check()
            cleanup.enter_context(journal_of(settings).exclusive())
        safety = None
        if not dry_run:
            safety = compose_backup(settings, steps, tag=f"before-merge-of-{snapshot_id[:12]}").snapshot_id
        scratch = cleanup.enter_context(spool(settings.workdir, "merge"))
        tables = _tables(database, manifest, scratch, notes)
        chosen.require_known(tables)
        workspace = cleanup.enter_context(
            open_workspace(scratch / "workspace", memory_limit_mb=settings.memory_limit_mb, threads=1)
        )
        merge = _Merge(settings, steps, repository, manifest, workspace, scratch, tables, chosen)
        with steps.stage("read the snapshot"):
            merge.read_snapshot()
        if dry_run:
            with database.view(scratch, settings.jobs) as view:
                merge.read_target(view)
            plan = merge.plan(snapshot_id, database.address.display, notes)
            return MergeResult(plan, False, None, (), tuple(notes), dict(steps.seconds))
        with database.merging(scratch, tables) as transaction:
            merge.read_target(transaction.view())
            plan = merge.plan(snapshot_id, database.address.display, notes)
            proved: tuple[MergedTable, ...] = ()
            if not plan.conflicts:
                proved = merge.carry_out(transaction)
                with steps.stage("commit"):
                    steps.run("commit", transaction.commit)
    return MergeResult(plan, not plan.conflicts, safety, proved, tuple(notes), dict(steps.seconds))


def _tables(database: Database, manifest: Manifest, scratch: Path, notes: list[str]) -> list[Table]:
    with database.view(scratch, 1) as view:
        virtual = [finding.subject for finding in view.findings() if finding.code == "virtual-table"]
        tables, problems, more = mergeable(manifest, view.tables(), virtual)
    notes += more
    if problems:
        raise MergeRefused(
            "The target's tables are not those of the snapshot.",
            where=database.address.display,
            why="; ".join(problems[:8]) + (f"; and {len(problems) - 8} more" if len(problems) > 8 else ""),
            cure="Bring both to the same version first: restore the snapshot with --into, let the EDMS migrate that copy, "
            "back it up, and merge this snapshot.",
        )
    return tables


class _Merge:
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
    ) -> None:
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
        self._matched: Matched | None = None
        self._plans: dict[str, ModelPlan] = {}

    def read_snapshot(self) -> None:
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
        with self._steps.stage("read the target"):
            self._raws[TARGET] = read_tables(
                self._settings, self._steps, view, self._tables, self._scratch / TARGET, "read"
            )

    def plan(self, snapshot_id: str, target: str, notes: Sequence[str]) -> MergePlan:
        with self._steps.stage("match"):
            sides = self._steps.run("identify every row", lambda: self._sides(SNAPSHOT, TARGET))
            rows = self._identified(sides)
            self._matched = self._steps.run(
                "match rows and ids",
                lambda: match_tables(self._workspace, rows[SNAPSHOT], rows[TARGET], self._scratch / "matched"),
            )
        with self._steps.stage("plan"):
            conflicts: list[Conflict] = []
            for table in self._tables:
                plan, found = self._plan_table(table)
                self._plans[table.id] = plan
                conflicts += found
        return MergePlan(
            snapshot_id=snapshot_id,
            target=target,
            models=sorted_plans(self._plans),
            conflicts=tuple(conflicts),
            notes=tuple(notes),
        )

    def carry_out(self, transaction: MergeTransaction) -> tuple[MergedTable, ...]:
        assert self._matched is not None  # plan() was called
        matched = self._matched
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
            found = self._steps.run("prove the merge", self._prove)
        problems = [problem for table in found for problem in table.problems]
        if problems:
            raise CheckFailed(
                "The merged rows are not what they should be; the merge was taken back.",
                where=self._manifest.engine,
                why="; ".join(problems[:5]),
                cure="Nothing was changed. Please report this with the plan (`edms-backup merge --dry-run --json`).",
            )
        return found

    def _sides(self, *names: str) -> dict[str, Side]:
        raws: dict[str, dict[str, RawTable]] = {name: {} for name in names}
        with self._workspace.cursor() as cursor:
            for number, table in enumerate(self._tables):
                held = {name: self._raws[name][table.id] for name in names}
                folder = self._scratch / "forms" / "-".join(names) / f"{number:04d}"
                if self._manifest.engine == "sqlite":
                    held = in_one_form(cursor, table, held, folder)
                for name, raw in held.items():
                    raws[name][table.id] = raw
        keys = {table.id: self._keys[table.id] for table in self._tables}
        return open_sides(self._tables, keys, raws, self._workspace)

    def _identified(self, sides: Mapping[str, Side]) -> dict[str, dict[str, Identified]]:
        folder = self._scratch / "identified" / "-".join(sides)
        numbered = list(enumerate(self._tables))
        found: dict[str, dict[str, Identified]] = {}
        for name, side in sides.items():
            (folder / name).mkdir(parents=True)
            other = next(other for other in sides.values() if other is not side)

            def write(pair: tuple[int, Table], side: Side = side, other: Side = other) -> Identified:
                return write_identified(side, other, pair[1], folder / side.name / f"{pair[0]:04d}.parquet")

            written = self._steps.map(
                lambda pair: f"identify {pair[1].label}",
                write,
                numbered,
                jobs=self._settings.jobs,
                weight=lambda pair: self._raws[SNAPSHOT][pair[1].id].rows,
            )
            found[name] = {rows.table.id: rows for rows in written}
        return found

    def _plan_table(self, table: Table) -> tuple[ModelPlan, list[Conflict]]:
        assert self._matched is not None  # plan() has matched
        matched = self._matched
        with self._workspace.cursor() as cursor:
            return plan_table(
                cursor,
                matched.sources[table.id],
                matched.targets[table.id],
                matched.rewritten[table.id],
                matched.numberings.get(table.id),
                self._policies.of(table),
            )

    def _prove(self) -> tuple[MergedTable, ...]:
        assert self._matched is not None  # plan() was called
        matched = self._matched
        rows = self._identified(self._sides(SNAPSHOT, TARGET, MERGED))
        proved = []
        with self._workspace.cursor() as cursor:
            for table in self._tables:
                source, target, merged = (rows[name][table.id] for name in (SNAPSHOT, TARGET, MERGED))
                rewritten, plan, policy = matched.rewritten[table.id], self._plans[table.id], self._policies.of(table)
                found = prove_as_it_was(cursor, source, rewritten, merged, plan)
                planned = matched.targets[table.id], rewritten, matched.sources[table.id]
                problems = [
                    *found.problems,
                    *prove_as_planned(cursor, *planned, merged, plan, policy),
                    *prove_still_there(cursor, target, rewritten, merged, policy),
                ]
                proved.append(found.model_copy(update={"problems": tuple(problems)}))
        return tuple(proved)
