"""Merge: rows of a snapshot and of the live database are identified, matched, written in one transaction, and validated there."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edms_tasks.databases.merge_transaction import MergeTransaction, TableChange
from edms_tasks.identifying.sides import Side
from edms_tasks.inventory.model import Table
from edms_tasks.manifest import FileIndex
from edms_tasks.merging.conflicts import Conflict
from edms_tasks.merging.declared_without_ids import Accepted
from edms_tasks.merging.file_merge import RootMerge, RootToPlan, plan_files
from edms_tasks.merging.identified_rows import Identified, write_identified
from edms_tasks.merging.ids_of_other_databases import OtherDatabases, ids_of_other_databases
from edms_tasks.merging.matched_tables import Matched, match_tables
from edms_tasks.merging.planning import ModelPlan, Policy
from edms_tasks.merging.respelled_ids import respelled_ids
from edms_tasks.merging.row_rewriting import Rewritten
from edms_tasks.merging.search_coverage import SearchCoverage
from edms_tasks.merging.selection import Selector, restrict
from edms_tasks.merging.undeclared_ids import find_undeclared
from edms_tasks.merging.validated_rows import MergedTable, validate_table
from edms_tasks.repository import Repository
from edms_tasks.scratch.workspace import Workspace
from edms_tasks.trees.tree_kinds import Tree
from flows.running.flow_decorators import task
from flows.running.run import Run


@dataclass(frozen=True)
class ToIdentify:
    """A table to identify: `folder` is the name of its file, `weight` the bytes of its rows."""

    table: Table
    folder: str
    weight: int


@task(
    name="identify table",
    tags=["match"],
    task_run_name="identify {wanted.table.label}",
    weight=lambda wanted: wanted.weight,
)
def identify_table(wanted: ToIdentify, side: Side, other: Side, folder: Path) -> Identified:
    """Write the rows of a table with their identities."""
    return write_identified(side, other, wanted.table, folder / f"{wanted.folder}.parquet")


match_rows = task(name="match rows", tags=["match"], task_run_name="match rows and ids")(match_tables)


@task(name="choose rows", tags=["match"])
def choose_rows(
    matched: Matched,
    selectors: Sequence[Selector],
    with_dependents: bool,
    trees: Mapping[str, Tree],
    needed: Mapping[str, Collection[str]],
    workspace: Workspace,
    folder: Path,
) -> tuple[Matched, list[str]]:
    """Restrict a merge to the selected rows; see `restrict`."""
    with workspace.cursor() as cursor:
        return restrict(
            cursor, matched, selectors, with_dependents=with_dependents, folder=folder, trees=trees, needed=needed
        )


@task(name="look for undeclared ids", tags=["plan"])
def look_for_undeclared_ids(
    matched: Matched,
    policies: Mapping[str, Policy],
    accepted: Accepted,
    covered: Mapping[str, Collection[str]],
    names: Mapping[str, Sequence[str]],
    others: OtherDatabases,
    workspace: Workspace,
) -> tuple[SearchCoverage, list[Conflict]]:
    """Search the rows to be written for undeclared references to rows whose ids change, and for ids of rows in other databases."""
    with workspace.cursor() as cursor:
        looked, conflicts = find_undeclared(cursor, matched, policies, accepted, covered, names)
        elsewhere, of_others = ids_of_other_databases(cursor, matched, policies, accepted, others)
        respelled, of_these = respelled_ids(cursor, matched, policies, accepted)
    waved = tuple(sorted({*looked.accepted, *elsewhere, *respelled}))
    return looked.model_copy(update={"accepted": waved}), [*conflicts, *of_others, *of_these]


@dataclass(frozen=True)
class PlannedRoot:
    """The plan for a folder of files, and its conflicts."""

    root: RootMerge
    conflicts: Sequence[Conflict]


@task(name="compare files", tags=["plan"], task_run_name="compare the files of {index.root.name}")
def plan_root(run: Run, index: FileIndex, how: RootToPlan, scratch: Path) -> PlannedRoot:
    """Compare the snapshot's files of a root with the live folder."""
    with run.progress(f"files of {index.root.name}", index.files, index.bytes) as advance:
        root, conflicts = plan_files(index, how, scratch, advance)
    return PlannedRoot(root, conflicts)


@task(name="stage files", tags=["files"], task_run_name="stage the files of {root.index.root.name}")
def stage_files(run: Run, root: RootMerge, repository: Repository, scratch: Path) -> None:
    """Fetch files into a staging folder beside their destination."""
    with run.progress(f"files of {root.index.root.name}", len(root.writes), root.plan.bytes) as advance:
        root.stage(repository, scratch, advance)


@task(name="write rows", tags=["write"], task_run_name="write the rows")
def write_rows(transaction: MergeTransaction, changes: Sequence[TableChange]) -> None:
    """Write new and changed rows in the transaction."""
    transaction.write(changes)


@dataclass(frozen=True)
class ToValidate:
    """A merged table to validate: both sides' rows, the rows read back, and the plan. `weight` is the number of rows read back."""

    table: Table
    source: Identified
    target: Identified
    merged: Identified
    rewritten: Rewritten
    plan: ModelPlan
    policy: Policy
    own_edms: bool
    named: bool  # whether problems may name rows by their natural keys
    weight: int


@task(
    name="validate table",
    tags=["validate"],
    task_run_name="validate {merge.table.label}",
    weight=lambda merge: merge.weight,
)
def validate_merged_table(merge: ToValidate, workspace: Workspace) -> MergedTable:
    """Compare the rows that were read back with both sides and with the plan."""
    with workspace.cursor() as cursor:
        return validate_table(
            cursor,
            merge.source,
            merge.target,
            merge.merged,
            merge.rewritten,
            merge.plan,
            merge.policy,
            own_edms=merge.own_edms,
            named=merge.named,
        )


@task(name="move files in", tags=["commit"], task_run_name="move the files of {root.index.root.name} in")
def move_files_in(root: RootMerge, aside: Path) -> None:
    """Move the staged files to their destination."""
    root.move_in(aside)


@task(name="commit", tags=["commit"])
def commit(transaction: MergeTransaction) -> None:
    """Commit the merge's transaction."""
    transaction.commit()
