"""Compare: fetch rows of a snapshot, and compare two states table by table and folder by folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edms_tasks.comparing.comparison_result import RootDifference, TableDifference
from edms_tasks.comparing.file_comparison import Held, compare_root
from edms_tasks.comparing.table_comparison import compare_table, list_name
from edms_tasks.identifying.sides import Side, open_sides
from edms_tasks.identifying.snapshot_rows import snapshot_rows
from edms_tasks.inventory.model import Table
from edms_tasks.manifest import FileIndex, TableEntry
from edms_tasks.redaction import Redaction
from edms_tasks.repository import Repository
from edms_tasks.restore import holds_its_rows
from edms_tasks.scratch.raw_table import RawTable
from edms_tasks.scratch.workspace import Workspace
from flows.running.flow_decorators import task
from flows.running.run import Numbered, Run


@task(
    name="fetch table",
    tags=["read"],
    task_run_name="fetch {entry.item.table.label}",
    weight=lambda entry: entry.item.state.rows,
)
def fetch_rows(entry: Numbered[TableEntry], repository: Repository, workspace: Workspace, folder: Path) -> RawTable:
    """Fetch the rows of a table of a snapshot, verified."""
    return snapshot_rows(repository, entry.item, workspace, folder / entry.folder)


@dataclass(frozen=True)
class RowsToProve:
    """A table's entry in a snapshot, and its rows in a database."""

    entry: TableEntry
    raw: RawTable


@task(
    name="prove table",
    tags=["read"],
    task_run_name="prove {rows.entry.table.label}",
    weight=lambda rows: rows.raw.bytes,
)
def prove_rows(rows: RowsToProve, workspace: Workspace) -> bool:
    """Whether the rows of a table are those of the snapshot, by its proof."""
    return holds_its_rows(rows.entry, rows.raw, workspace)


identify_rows = task(name="identify rows", tags=["compare"], task_run_name="identify the rows")(open_sides)


@dataclass(frozen=True)
class BothSides:
    """A table and its rows on both sides."""

    table: Table
    number: int  # its position among the compared tables
    before: RawTable
    after: RawTable


@dataclass(frozen=True)
class HowToCompare:
    """Which differences are shown, and where all of them are written."""

    first: Side
    second: Side
    redaction: Redaction
    limit: int
    out: Path | None
    shared_ids: bool = True  # both are of one database


@task(
    name="compare table",
    tags=["compare"],
    task_run_name="compare {both.table.label}",
    weight=lambda both: both.before.bytes + both.after.bytes,
)
def compare_rows(both: BothSides, how: HowToCompare, folder: Path) -> TableDifference:
    """The differences between the rows of both sides."""
    return compare_table(
        both.table,
        how.first,
        how.second,
        how.redaction,
        folder / f"{both.number:04d}",
        limit=how.limit,
        out=how.out / list_name(both.number, both.table.label) if how.out is not None else None,
        shared_ids=how.shared_ids,
    )


@task(name="compare files", tags=["files"], task_run_name="compare the files of {name}")
def compare_folder(
    run: Run,
    name: str,
    first: FileIndex | None,
    second: Held,
    repository: Repository,
    *,
    limit: int,
    out: Path | None,
    scratch: Path,
) -> tuple[RootDifference, tuple[str, ...]]:
    """Compare a folder of files; returns what differs, and notes."""
    with run.progress(f"files of {name}") as advance:
        return compare_root(name, first, second, repository, limit=limit, out=out, scratch=scratch, progress=advance)
