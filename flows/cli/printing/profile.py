"""A checked profile as people read it on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edms_tasks.count_text import count_text
from flows.cli.printing.closing_summaries import print_seconds
from flows.cli.printing.layout import line

if TYPE_CHECKING:
    from rich.console import Console

    from flows.check_profile import CheckedProfile

_MARKS = {"right": "✓", "nothing": "·", "wrong": "✗"}


def print_checked_profile(console: Console, result: CheckedProfile) -> None:
    """Each line with what it finds, under its section, and the verdict."""
    line(console, f"profile   {result.profile.name}, for {result.profile.title}")
    line(console, f"EDMS      {result.edms}")
    line(console, f"database  {result.database}")
    section = ""
    for one in result.lines:
        if one.section != section:
            section = one.section
            line(console, "")
            line(console, f"[{section}]")
        found = one.found if one.verdict != "nothing" else f"finds nothing: {one.found}"
        line(console, f"{_MARKS[one.verdict]} {one.line}")
        line(console, f"    {found}")
        if one.fix:
            line(console, f"    fix: {one.fix}")
    line(console, "")
    print_seconds(console, result.seconds)
    counts = (
        f"{result.count('right'):,} right, {result.count('nothing'):,} finding nothing, {result.count('wrong'):,} wrong"
    )
    mark = "✗" if result.count("wrong") else "✓"
    line(console, f"{mark} {count_text(len(result.lines), 'line')}: {counts}")
