"""A merge, or the plan of one, as people read it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import filesize

from edms_tasks.count_text import count_text
from flows.cli.printing.closing_summaries import print_seconds
from flows.cli.printing.layout import line, print_table
from flows.running.printable import printable

if TYPE_CHECKING:
    from rich.console import Console

    from edms_tasks.merging.planning import MergePlan
    from edms_tasks.merging.search_coverage import SearchCoverage
    from flows.merge import MergeResult

_COLUMNS_SHOWN = 4


def print_merge(console: Console, result: MergeResult, *, every: bool = False) -> None:
    """Print the plan, its conflicts, and whether it was carried out and proved."""
    print_plan(console, result.plan, every=every)
    for note in result.notes:
        line(console, f"· {note}")
    print_search_coverage(console, result.plan.looked)
    print_seconds(console, result.seconds)
    if result.report:
        line(console, f"report    {result.report}")
    if result.safety_snapshot:
        line(console, f"safety    snapshot {result.safety_snapshot[:12]} of what was there before")
    writes = result.plan.writes
    if result.plan.conflicts:
        line(console, f"✗ NOT MERGED: {count_text(len(result.plan.conflicts), 'conflict')}; nothing was changed")
    elif not result.done:
        line(console, f"· this would write {writes:,} rows and files; nothing was changed")
    else:
        proved = sum(table.snapshot_rows for table in result.tables)
        line(
            console,
            f"✓ merged and proved: {proved:,} rows of the snapshot are the same in {result.plan.target}; {writes:,} rows and files written",
        )
        if result.not_rebuilt:
            line(console, f"✗ derived tables were not rebuilt: run {', '.join(result.not_rebuilt)} in the EDMS")


def print_search_coverage(console: Console, looked: SearchCoverage) -> None:
    """Print what was searched for undeclared ids."""
    if not looked.models:
        return
    line(
        console,
        f"looked    {count_text(looked.columns, 'column')} and {count_text(looked.files, 'file name')} without references, for ids of the "
        f"{count_text(len(looked.models), 'model')} whose ids change",
    )
    if looked.unread:
        line(console, f"unread    bytes that are no text, in which no ids were looked for: {', '.join(looked.unread)}")
    if looked.accepted:
        line(console, f"accepted  as no references: {', '.join(looked.accepted)}")


def print_plan(console: Console, plan: MergePlan, *, every: bool = False) -> None:
    """Print conflicts, and the number of rows and files for each action; with `every`, also unchanged models."""
    for conflict in plan.conflicts:
        line(console, f"✗ {conflict.model}: {conflict.message} ({conflict.count:,})")
        for example in conflict.examples:
            line(console, f"    {printable(example)}")
        line(console, f"    fix: {conflict.fix}")
    held = [model for model in plan.models if model.snapshot_rows or (model.target_rows and every)]
    shown = [model for model in held if every or model.insert or model.update or model.keep or model.orphaned]
    rows = [
        (
            model.model,
            model.snapshot_rows,
            model.insert,
            model.update,
            model.keep,
            model.same,
            model.only_in_target,
            model.new_ids,
            _columns(model.columns),
        )
        for model in shown
    ]
    headings = (
        "model", ">in snapshot", ">insert", ">update", ">keep", ">the same", ">only in target", ">new ids", "columns that differ",
    )  # fmt: skip
    print_table(console, headings, rows)
    if len(shown) < len(held):
        line(console, f"{count_text(len(held) - len(shown), 'model')} unchanged; --all lists them")
    for root in plan.files:
        line(
            console,
            f"files     {root.root}: {root.add:,} new, {root.replace:,} replaced, {root.keep:,} kept, {root.same:,} the same"
            + (f", {root.renamed:,} under other names" if root.renamed else "")
            + (f", {filesize.decimal(root.bytes)}" if root.bytes else ""),
        )


def _columns(columns: dict[str, int]) -> str:
    ranked = sorted(columns.items(), key=lambda item: -item[1])
    shown = ", ".join(f"{name} ({count:,})" for name, count in ranked[:_COLUMNS_SHOWN])
    return shown + (f" and {len(ranked) - _COLUMNS_SHOWN} more" if len(ranked) > _COLUMNS_SHOWN else "")
