"""Print how a drill ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edms_tasks.periods import in_words
from edms_tasks.report.drill_facts import Measured
from flows.cli.printing.closing_summaries import print_problems, print_seconds
from flows.cli.printing.layout import line

if TYPE_CHECKING:
    from rich.console import Console

    from flows.drill import DrillResult


def print_drill(console: Console, result: DrillResult) -> None:
    """Print the verdict, each command, the measured times, and where the evidence is."""
    restored, drill = result.restored, result.restored.drill
    for note in restored.notes:
        line(console, f"· {note}")
    print_seconds(console, restored.seconds)
    if drill is not None:
        for one in drill.commands:
            line(console, f"{'✓' if one.passed else '✗'} {one.name} ({in_words(one.seconds)})")
        line(console, f"RTO       {_measured(drill.rto)}")
        line(console, f"RPO       {_measured(drill.age)}, the newest snapshot's age")
        line(console, f"          {_measured(drill.widest_gap)}, the longest time between two snapshots")
    found = f"{restored.rows:,} rows and {restored.files:,} files of snapshot {restored.snapshot_id[:12]}"
    if result.success:
        line(console, f"✓ drill passed: {found} came back; the copy is removed")
    else:
        line(console, "✗ DRILL FAILED; the copy is removed, and nothing of edms-backup has written to the live system")
        print_problems(console, result.problems)
    line(console, f"report    {restored.report_html}")
    line(console, f"data docs {restored.data_docs}")


def _measured(one: Measured) -> str:
    found = "not measured" if one.seconds is None else in_words(one.seconds)
    return found if one.target is None else f"{found} ({'met' if one.met else 'MISSED'}: {in_words(one.target)})"
