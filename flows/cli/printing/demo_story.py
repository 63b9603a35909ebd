"""The demo's story as people read it on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flows.cli.printing.closing_summaries import print_problems
from flows.cli.printing.layout import line, print_table

if TYPE_CHECKING:
    from rich.console import Console

    from flows.demo import DemoResult


def print_demo(console: Console, result: DemoResult) -> None:
    """Print what was lost and restored, the verdict, the times and the paths."""
    line(console, "")
    line(console, "What the re-initialisation changed, and what the restore brought back:")
    shown = [model for model in result.models if len({model.before, model.lost, model.restored}) > 1]
    rows: list[tuple[object, ...]] = [
        (model.model, f"{model.before:,}", f"{model.lost:,}", f"{model.restored:,}") for model in shown
    ]
    total = [sum(getattr(model, stage) for model in result.models) for stage in ("before", "lost", "restored")]
    rows.append(("all rows", *(f"{number:,}" for number in total)))
    rows.append(("files", *(f"{number:,}" for number in result.files)))
    print_table(console, ("model", ">before", ">after the loss", ">restored"), list(rows))
    for model, changed in result.changed_ids.items():
        if changed:
            back = result.restored_ids[model]
            line(console, f"{model}: {changed} default rows got other ids; {back} have their own ids again")
    line(console, "")
    line(console, "seconds:")
    print_table(console, ("stage", ">seconds"), [(stage, f"{taken:.1f}") for stage, taken in result.seconds.items()])
    line(console, "")
    if result.proved:
        line(console, f"✓ PROVED: every row and every file is as it was (snapshot {result.backup.snapshot_id[:12]})")
    else:
        line(console, "✗ NOT PROVED")
        print_problems(console, (*result.backup.problems, *result.restore.failures))
    line(console, f"recovery report  {result.restore.report_html}")
    line(console, f"data docs        {result.restore.data_docs}")
    if result.kept:
        line(console, f"kept             {result.folder} (cd there and try `edms-backup list`)")
