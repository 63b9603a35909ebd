"""Print what an old backup holds and lacks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flows.cli.printing.closing_summaries import print_findings
from flows.cli.printing.layout import line, print_table

if TYPE_CHECKING:
    from rich.console import Console

    from flows.convert import ConvertResult
    from flows.convert_all import ConvertAllResult


def print_conversions(console: Console, result: ConvertAllResult) -> None:
    """A table of what became of each old backup."""
    rows = [
        (one.name, one.format, one.outcome, f"{one.rows:,}", one.losses, one.snapshot[:12], one.why)
        for one in result.made
    ]
    print_table(console, ["old backup", "format", "outcome", ">rows", ">losses", "snapshot", "why"], rows)
    line(console, f"table     {result.table}" + (f" ({result.known} known from earlier runs)" if result.known else ""))
    if result.passed_over:
        line(
            console, f"passed over {len(result.passed_over):,} that are no old backup: links, hidden files, and others"
        )
    backups = len(result.made) - len(result.passed_over)
    whole = backups - len(result.incomplete)
    line(console, f"{'✗' if result.incomplete else '✓'} {whole} of {backups} old backups are whole")


def print_conversion(console: Console, result: ConvertResult) -> None:
    """What it is, what it holds, what is lost, and the snapshot."""
    from rich import filesize

    old = result.old
    line(
        console, f"format    {old.recognised.title}, {old.recognised.confidence}: {'; '.join(old.recognised.evidence)}"
    )
    for other in result.others:
        line(console, f"          it might also be {other.title} (--format {other.format})")
    for name, value in old.facts.items():
        line(console, f"{name:<10}{value}")
    if old.rows:
        line(console, f"rows      {sum(rows.rows for rows in old.rows):,} of {len(old.rows)} models")
        print_table(console, ["  model", ">rows"], [(f"  {rows.model}", f"{rows.rows:,}") for rows in old.rows])
    if old.dump is not None:
        line(console, f"dump      {old.dump.form}" + "".join(f", {k} {v}" for k, v in old.dump.facts.items()))
    for folder in old.folders:
        line(console, f"files     {folder.name}: {folder.files:,}, {filesize.decimal(folder.bytes)}")
    print_findings(console, result.findings, None)
    for reason in old.inexact:
        line(console, f"! {reason}")
    if result.snapshot_id:
        line(console, f"snapshot  {result.snapshot_id[:12]}")
    if (wrong := result.not_verified) is not None:
        line(console, f"✗ {wrong.what} {'; '.join(wrong.problems[:5])}")
    if result.success:
        line(
            console,
            "✓ all that it holds is there" if result.snapshot_id else "✓ nothing is missing as far as can be seen",
        )
    elif result.losses:
        line(console, f"✗ NOT EVERYTHING IS THERE: {len(result.losses)} findings are losses")
