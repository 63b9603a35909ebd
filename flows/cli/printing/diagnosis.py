"""The doctor's diagnosis as people read it on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edms_tasks.count_text import count_text
from edms_tasks.doctor import SEVERITIES
from flows.cli.printing.closing_summaries import print_seconds
from flows.cli.printing.layout import line, print_table

if TYPE_CHECKING:
    from rich.console import Console

    from edms_tasks.doctor import KeyVerdict, Suggestion
    from flows.doctor import Examined

_MARKS = {"error": "✗", "warning": "!", "info": "·"}
_HEADINGS = {"error": "errors", "warning": "warnings", "info": "notes"}
_SUBJECTS_SHOWN = 12


def print_diagnosis(
    console: Console, result: Examined, page: Path | None, *, every: bool = False, suggestions: bool = True
) -> None:
    """The findings with their fixes, the settings for some of them, the notable keys, and the verdict.

    With `every`, the keys of all tables. Without `suggestions`, no lines for the settings.
    """
    diagnosis = result.diagnosis
    rows = sum(verdict.rows for verdict in diagnosis.keys)
    read = (
        f"{count_text(rows, 'row')} in {count_text(len(diagnosis.keys), 'table')}, {count_text(result.files, 'file')}"
    )
    line(console, f"EDMS      {result.edms}")
    line(console, f"database  {result.database}")
    line(console, f"read      {read}" + (f"; left out: {', '.join(result.excluded)}" if result.excluded else ""))
    _print_findings(console, result)
    if result.settings and suggestions:
        line(console, "")
        line(
            console,
            "Suggested lines for edms-backup.toml, the most important first (check each; `doctor --write` asks for each and writes "
            "them):",
        )
        for text in result.settings.splitlines():
            line(console, f"  {text}")
    if result.answered and result.profile is not None:
        counted = count_text(len(result.answered), "suggestion")
        line(console, "")
        line(
            console,
            f"The profile {result.profile.name} fits this EDMS and answers {counted}; it writes a settings file anew:",
        )
        line(console, f"  edms-backup init --profile {result.profile.name} --force")
    line(console, "")
    _print_keys(console, diagnosis.keys, every=every)
    print_seconds(console, result.seconds)
    if page is not None:
        line(console, f"page      {page}")
    counts = ", ".join(
        count_text(diagnosis.count(severity), noun)
        for severity, noun in zip(SEVERITIES, ("error", "warning", "note"), strict=True)
    )
    line(console, f"✓ no errors ({counts})" if diagnosis.healthy else f"✗ {counts}")


def print_written(console: Console, config: Path, written: Sequence[Suggestion]) -> None:
    """Print which suggestions were written into the settings file."""
    if not written:
        line(console, f"No suggestion was written into {config}.")
        return
    line(console, f"{count_text(len(written), 'suggestion')} written into {config}:")
    for one in written:
        line(console, f"  {one.name}")


def _print_keys(console: Console, keys: Sequence[KeyVerdict], *, every: bool) -> None:
    shown = [verdict for verdict in keys if every or not _is_plain(verdict)]
    headings = ("model or table", ">rows", "natural key", "why this one", "kept by a constraint")
    print_table(console, headings, [_key_row(verdict) for verdict in shown])
    if len(shown) < len(keys):
        rest = count_text(len(keys) - len(shown), "other table" if shown else "table")
        line(console, f"{rest} with a natural key that a constraint keeps; --all lists them")


def _is_plain(verdict: KeyVerdict) -> bool:
    known_by_more = verdict.key is not None and verdict.key.source != "surrogate"
    return known_by_more and bool(verdict.constraint) and not verdict.nulls


def _key_row(verdict: KeyVerdict) -> tuple[str, ...]:
    known_by_more = verdict.key is not None and verdict.key.source != "surrogate"
    kept = ("yes" if verdict.constraint else "NO") if known_by_more else ""
    return verdict.model, f"{verdict.rows:,}", verdict.readable or "none", verdict.why, kept


def _print_findings(console: Console, result: Examined) -> None:
    severity = ""
    for group in result.groups:
        if group.severity != severity:
            severity = group.severity
            line(console, "")
            line(console, f"{_HEADINGS[severity]}:")
        subjects = [subject + (f" ({count:,})" if count > 1 else "") for subject, count in group.subjects]
        more = f" and {len(subjects) - _SUBJECTS_SHOWN} more" if len(subjects) > _SUBJECTS_SHOWN else ""
        line(console, f"{_MARKS[severity]} {', '.join(subjects[:_SUBJECTS_SHOWN])}{more}")
        line(console, f"    {group.message}  [{group.code}]")
        if group.examples:
            line(console, f"    for example: {' · '.join(group.examples)}")
        if group.fix:
            for text in f"fix: {group.fix}".splitlines():
                line(console, f"    {text}")
