"""A comparison as people read it on a terminal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich import filesize

from edms_tasks.count_text import count_text
from flows.cli.printing.closing_summaries import print_findings, print_seconds
from flows.cli.printing.layout import line, print_table
from flows.running.printable import printable

if TYPE_CHECKING:
    from rich.console import Console

    from edms_tasks.comparing.comparison_result import (
        ColumnDifference,
        Difference,
        PathDifference,
        RootDifference,
        TableDifference,
    )
    from flows.diff import DiffResult
    from flows.restore_plan import RestorePlan

_MARKS = {"changed": "~", "removed": "-", "added": "+"}
_FIELDS_SHOWN = 8
_HEADINGS = ("model", ">removed", ">added", ">changed", ">the same", ">same, other ids", "columns that differ")
_PLANNED = ("model", ">goes", ">comes back", ">changes back", ">the same", ">gets its id back", "columns that differ")


def print_diff(console: Console, result: DiffResult, page: Path | None) -> None:
    """Print what differs, model by model and folder by folder, and the verdict."""
    _print_difference(console, result.difference)
    line(console, "")
    for note in result.difference.notes:
        line(console, f"· {note}")
    print_seconds(console, result.seconds)
    for what, path in (("lists", result.out), ("page", page)):
        if path is not None:
            line(console, f"{what:<9} {path}")
    _print_verdict(console, result.difference)


def print_restore_plan(console: Console, plan: RestorePlan) -> None:
    """Print what a restore would remove, bring back and change back."""
    line(
        console,
        f"a restore of snapshot {plan.snapshot_id[:12]} would do this now: - is removed, + is restored, ~ is changed back",
    )
    _print_difference(console, plan.difference, _PLANNED)
    line(console, "")
    if plan.migrate:
        line(console, f"after validation the EDMS's migrations run: {', '.join(plan.migrate)}")
    for note in plan.notes:
        line(console, f"· {note}")
    print_findings(console, plan.findings)
    print_seconds(console, plan.seconds)
    if plan.report:
        line(console, f"report    {plan.report}")
    if plan.in_use:
        line(
            console,
            f"✗ a restore would be refused now: {plan.in_use} Nothing else prevents it. Nothing was changed",
        )
    else:
        line(
            console,
            "✓ nothing prevents the restore; nothing was changed (to check the snapshot itself, run `edms-backup verify`)",
        )


def _print_difference(console: Console, difference: Difference, headings: tuple[str, ...] = _HEADINGS) -> None:
    line(console, f"-  {difference.first}")
    line(console, f"+  {difference.second}")
    _print_schema(console, difference)
    differing = [one for one in difference.tables if one.differences or one.other_ids]
    if differing:
        line(console, "")
        print_table(console, headings, [_counts(table) for table in differing])
    if differing and len(differing) < len(difference.tables):
        line(console, f"{count_text(len(difference.tables) - len(differing), 'other model')} the same")
    for table in differing:
        _print_rows(console, table)
    for root in difference.files:
        _print_root(console, root)


def _print_schema(console: Console, difference: Difference) -> None:
    for mark, tables in (("-", difference.only_first), ("+", difference.only_second)):
        for table in tables:
            line(console, f"{mark}  table {table.model}, with {count_text(table.rows, 'row')}")
    for column in difference.columns:
        line(console, _column(column))


def _column(column: ColumnDifference) -> str:
    name = f"column {column.model}.{column.column}"
    if column.second_type is None:
        return f"-  {name} ({column.first_type})"
    if column.first_type is None:
        return f"+  {name} ({column.second_type})"
    return f"~  {name}: {column.first_type} → {column.second_type}"


def _counts(table: TableDifference) -> tuple[object, ...]:
    columns = ", ".join(f"{name} ({count:,})" for name, count in list(table.columns.items())[:_FIELDS_SHOWN])
    more = f" and {len(table.columns) - _FIELDS_SHOWN} more" if len(table.columns) > _FIELDS_SHOWN else ""
    counts = (table.removed, table.added, table.changed, table.same, table.other_ids)
    return (table.model, *(f"{count:,}" for count in counts), columns + more)


def _print_rows(console: Console, table: TableDifference) -> None:
    if not table.rows:
        return
    line(console, "")
    known = (
        table.natural_key
        or "no natural key: rows are known by all they hold, and a change is a removal and an addition"
    )
    line(console, f"{table.model}  ({known})")
    if table.doubled:
        line(
            console,
            f"   ! {count_text(table.doubled, 'row')} share a key with another row; they are matched by their ids",
        )
    for row in table.rows:
        line(console, f"{_MARKS[row.change]}  {_value(row.key)}")
        if row.change != "changed" and table.natural_key:
            continue
        for field in row.fields[:_FIELDS_SHOWN]:
            if row.change == "changed":
                line(console, f"     {_value(field.name)}: {_value(field.before)} → {_value(field.after)}")
            else:
                line(
                    console,
                    f"     {_value(field.name)}: {_value(field.before if row.change == 'removed' else field.after)}",
                )
        if len(row.fields) > _FIELDS_SHOWN:
            line(console, f"     … and {len(row.fields) - _FIELDS_SHOWN} more columns")
    _print_more(console, table.differences, len(table.rows))


def _value(text: str | None) -> str:
    return "NULL" if text is None else printable(text.replace("\n", "⏎"))


def _print_root(console: Console, root: RootDifference) -> None:
    if not root.differences:
        return
    line(console, "")
    counts = f"{root.removed:,} removed, {root.added:,} added, {root.changed:,} changed, {root.same:,} the same"
    unread = f", {root.unread:,} not read" if root.unread else ""
    folders = root.folders_added + root.folders_removed
    line(
        console,
        f"files of {root.root}: {counts}{unread}"
        + (f"; {count_text(folders, 'folder')} added or removed" if folders else ""),
    )
    for path in root.paths:
        line(console, f"{_MARKS[path.change]}  {printable(path.path)}{_sizes(path)}")
    _print_more(console, root.differences, len(root.paths))


def _sizes(path: PathDifference) -> str:
    kinds = {kind for kind in (path.first_kind, path.second_kind) if kind is not None}
    if kinds == {"dir"}:
        return "/"
    if kinds == {"dir", "file"}:
        return "  (a folder and a file)"
    if path.change != "changed":
        return f"  ({filesize.decimal((path.first_size if path.second_size is None else path.second_size) or 0)})"
    if path.first_size == path.second_size:
        return f"  ({filesize.decimal(path.first_size or 0)}, other content)"
    return f"  ({filesize.decimal(path.first_size or 0)} → {filesize.decimal(path.second_size or 0)})"


def _print_more(console: Console, number: int, shown: int) -> None:
    if number > shown:
        line(console, f"   … and {number - shown:,} more; --limit shows more, --out FOLDER lists all")


def _print_verdict(console: Console, difference: Difference) -> None:
    rows = sum(table.first_rows for table in difference.tables)
    files = sum(root.first_files for root in difference.files)
    if difference.equal:
        same = f"{count_text(rows, 'row')} and {count_text(files, 'file')}"
        other_ids = sum(table.other_ids for table in difference.tables)
        under = f"; {count_text(other_ids, 'row')} under other ids" if other_ids else ""
        line(console, f"✓ no difference: {same}{under}")
        return
    counts = [sum(getattr(table, name) for table in difference.tables) for name in ("removed", "added", "changed")]
    paths = sum(root.differences for root in difference.files)
    told = ", ".join(f"{count:,} {name}" for count, name in zip(counts, ("removed", "added", "changed"), strict=True))
    schema = len(difference.only_first) + len(difference.only_second) + len(difference.columns)
    line(
        console,
        f"✗ differences: rows {told}; {count_text(paths, 'file')} or folders"
        + (f"; {count_text(schema, 'table')} or columns" if schema else ""),
    )
