"""Print what was exported as fixtures, and what these do not hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import filesize

from flows.cli.printing.closing_summaries import print_findings
from flows.cli.printing.layout import line, print_table

if TYPE_CHECKING:
    from rich.console import Console

    from flows.fixtures import FixtureResult


def print_fixtures(console: Console, result: FixtureResult) -> None:
    """The rows of each model, the findings, and where it all is."""
    for note in result.notes:
        line(console, f"! {note}")
    rows = [(f"  {model.name}", f"{model.rows:,}") for model in result.models if model.rows]
    print_table(console, ["  model", ">rows"], rows)
    print_findings(console, result.findings)
    files = sum(count for _, count in result.roots)
    beside = f", {files:,} files" if result.roots else ""
    line(console, f"fixture   {result.place}: {result.file.name}, {filesize.decimal(result.file.bytes)}{beside}")
    what = f"{result.rows:,} rows of {len(result.models)} models of snapshot {result.snapshot_id[:12]}"
    if result.losses:
        line(console, f"✗ NOT EVERYTHING IS THERE: {what} are, and {len(result.losses)} findings are losses")
    else:
        line(console, f"✓ exported: {what}, and no loss was found")
