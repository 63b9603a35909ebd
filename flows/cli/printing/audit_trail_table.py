"""The trail of a repository, as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from flows.auditing.runs import approvers_of, what_it_touched
from flows.cli.printing.layout import line, print_table

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from edms_tasks.repository.audit_log import LogEntry
    from flows.audit_trail import AuditTrail
    from flows.auditing.one_report import FoundReport


def print_audit_trail(console: Console, trail: AuditTrail) -> None:
    """Print the entries, what is wrong, and the line to keep outside the repository."""
    print_table(
        console,
        [">no.", "at (UTC)", "event", "outcome", "snapshot", "by", "signed"],
        [_row(entry, entry.number in trail.signed) for entry in trail.entries],
    )
    for note in trail.notes:
        line(console, f"! {note}")
    for problem in trail.problems:
        line(console, f"✗ {problem}")
    if trail.last is None:
        line(console, "The log is empty: no run of this release has written to the repository.")
        return
    line(console, f"witness   {trail.last}")
    if trail.success:
        seen = ", ".join(f"entry {one.number}" for one in trail.compared)
        against = f", and still has {seen}, seen before" if seen else ""
        line(console, f"✓ the log is complete from entry 1 to {trail.last.number}{against}")


def _row(entry: LogEntry, is_signed: bool) -> tuple[object, ...]:
    snapshot = (entry.snapshot or "")[:12]
    signed = "yes" if is_signed else "not rightly" if entry.signer else "no"
    touched = what_it_touched(entry)
    return (
        entry.number,
        f"{entry.at:%Y-%m-%d %H:%M:%S}",
        f"{entry.event} ({touched})" if touched else entry.event,
        entry.outcome,
        snapshot,
        f"{entry.user}@{entry.machine}",
        signed,
    )


def print_report(console: Console, found: FoundReport, written: Sequence[Path]) -> None:
    """Print an entry of the log, and the most important of its report."""
    entry, report = found.entry, found.report

    line(console, f"entry     {entry.number}, {entry.at:%Y-%m-%d %H:%M:%S} UTC: {entry.event}, {entry.outcome}")
    line(
        console,
        f"by        {entry.facts.get('by', entry.user)} on {entry.machine}, {'signed' if entry.signer else 'not signed'}",
    )
    if entry.facts.get("through"):
        line(console, f"through   {entry.facts['through']}")
    if entry.facts.get("reason"):
        line(console, f"why       {entry.facts['reason']}")
    if approvers := approvers_of(entry):
        line(console, f"approved  by {', '.join(approvers)}")
    if not report:
        line(console, f"! no report: {entry.facts.get('report_missing') or 'the entry names none'}")
        return
    line(console, f"verdict   {report.get('verdict', '')}")
    for word in ("what", "where", "why", "fix"):
        if text := (report.get("error") or {}).get(word):
            line(console, f"          {word}: {text}")
    for fact in report.get("facts", ()):
        line(console, f"          {fact['name']}: {fact['value']}")
    for section in report.get("sections", ()):
        for text in section["lines"]:
            line(console, f"          {section['title']}: {text}")
    line(console, f"findings  {len(report.get('findings', ())):,}")
    for path in written:
        line(console, f"✓ {path}")
