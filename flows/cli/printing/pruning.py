"""Print what becomes of each snapshot, and what is in force for one."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from rich import filesize

from edms_tasks.count_text import count_text
from flows.cli.printing.layout import line, print_table

if TYPE_CHECKING:
    from rich.console import Console

    from edms_tasks.pruning.mark_snapshots import Marked
    from edms_tasks.pruning.prune_plan import Fate
    from flows.prune import PruneResult

_REASONS_SHOWN = 3


def print_prune(console: Console, result: PruneResult) -> None:
    """Print each snapshot with what keeps it or what it frees, then the sums."""
    for note in result.notes:
        line(console, f"! {note}")
    zone = ZoneInfo(result.zone)
    several = len({fate.edms for fate in result.plan.fates}) > 1
    headings = (">no.", "snapshot", f"created ({result.zone})", "becomes", *(["EDMS"] if several else []))
    rows = [
        (
            fate.number or "",
            fate.id[:12],
            f"{fate.created.astimezone(zone):%Y-%m-%d %H:%M}",
            _fate(fate),
            *([fate.edms] if several else []),
        )
        for fate in result.plan.fates
    ]
    print_table(console, headings, rows)
    for one in result.plan.given_up:
        line(console, f"given up  {one.id[:12]}")
    for state in result.set_aside:
        done = f"could not be removed: {state.why_not}" if state.why_not else "removed" if state.removed else "GOES"
        line(console, f"set aside {state.stamp}  {state.what}: {done}")
        for name in (state.database, *state.folders):
            if name:
                line(console, f"          {name}")
    going = sum(fate.goes for fate in result.plan.fates)
    line(console, f"kept      {count_text(len(result.plan.fates) - going, 'snapshot')}, by the rules: {result.rules}")
    if not result.done:
        line(console, f"goes      {count_text(going, 'snapshot')}; {filesize.decimal(result.plan.frees)} become free")
        if result.plan.unneeded:
            line(console, f"          and {filesize.decimal(result.plan.unneeded)} that no snapshot needs")
        if result.reports_before is not None:
            number = count_text(result.reports.removed, "file")
            line(console, f"          and {number} of reports of runs before {result.reports_before:%Y-%m-%d}")
        line(console, "Nothing was removed: this is a dry run.")
        return
    line(
        console,
        f"✓ removed {count_text(len(result.removed), 'snapshot')} and {count_text(result.swept.objects, 'object')}; "
        f"{filesize.decimal(result.swept.bytes)} are free",
    )
    if result.reports_before is not None:
        refused = f"; the store refuses to remove {result.reports.refused}" if result.reports.refused else ""
        line(
            console,
            f"reports   {count_text(result.reports.removed, 'file')} of runs before {result.reports_before:%Y-%m-%d} removed{refused}",
        )
    for name in result.spared:
        line(console, f"! {name[:12]} stays: it is being read or held since the prune began")


def print_marked(console: Console, marked: Marked) -> None:
    """Print what was done, and what is in force now."""
    line(console, f"✓ {marked.snapshot_id[:12]} {marked.done}")
    for hold in marked.holds:
        line(console, f"held      by {hold.by} since {hold.at:%Y-%m-%d %H:%M} UTC: {hold.reason}")
    if marked.tags:
        line(console, f"tags      {', '.join(marked.tags)}")


def _fate(fate: Fate) -> str:
    if fate.goes:
        return f"GOES, frees {filesize.decimal(fate.frees)}"
    shown = list(fate.keeps[:_REASONS_SHOWN])
    return ", ".join(shown) + (", …" if len(fate.keeps) > len(shown) else "")
