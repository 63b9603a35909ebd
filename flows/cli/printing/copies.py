"""What was copied, as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import filesize

from edms_tasks.count_text import count_text
from flows.cli.printing.closing_summaries import print_problems
from flows.cli.printing.layout import line

if TYPE_CHECKING:
    from rich.console import Console

    from flows.copy import CopyResult


def print_copy(console: Console, result: CopyResult) -> None:
    """Print what was written, what is missing, and where the copy is."""
    for note in result.notes:
        line(console, f"! {note}")
    written = f"{count_text(result.files, 'file')}, {filesize.decimal(result.bytes)}"
    if result.success:
        line(console, f"✓ {count_text(len(result.snapshots), 'new snapshot')} copied: {written} written and read back")
        line(console, f"copy      {result.target}")
    else:
        what = "THE SOURCE HAS LOST SNAPSHOTS" if result.complete else "THE COPY IS NOT COMPLETE"
        line(console, f"✗ {what}: {written} written and read back, but")
        print_problems(console, result.problems)
