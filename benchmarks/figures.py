"""Figures: ours beside a peer's or beside a limit, what ratio is wanted, and whether it is reached.

Every ratio is ours by the other's. For seconds and bytes it is to be at most the target, for rows a second at least.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

Unit = Literal["seconds", "bytes", "rows/s"]


@dataclass(frozen=True)
class Figure:
    """One line of the table."""

    name: str
    ours: float
    peer: float  # the peer's measurement, or the limit
    ratio: float
    target: float | None  # None: told for information
    met: bool | None
    unit: Unit
    rows: int | None = None  # in the EDMS; for rows a second: of ours
    files: int | None = None
    note: str = ""
    seconds: Mapping[str, float] = field(default_factory=dict)  # of our run, by stage


def against(
    name: str,
    unit: Unit,
    ours: float,
    peer: float,
    target: float | None,
    **more: Any,
) -> Figure:
    """A comparison with a peer, or with a limit when `target` is 1; raises ValueError for what cannot be measurements."""
    for value in (ours, peer):
        if not (math.isfinite(value) and value > 0):
            raise ValueError(f"{name}: {ours} against {peer} {unit}")
    ratio = ours / peer
    met = None if target is None else (ratio >= target if unit == "rows/s" else ratio <= target)
    return Figure(name, ours, peer, ratio, target, met, unit, **more)


def merged(old: Sequence[Figure], new: Sequence[Figure]) -> list[Figure]:
    """The old figures, with those that were measured again at the same size replaced, and new ones at the end."""
    by_line = {(figure.name, figure.rows, figure.files): figure for figure in old}
    by_line |= {(figure.name, figure.rows, figure.files): figure for figure in new}
    return list(by_line.values())


def read_figures(path: Path) -> list[Figure]:
    """Figures as `write_figures` wrote them; none where there is no file."""
    if not path.exists():
        return []
    return [Figure(**line) for line in json.loads(path.read_text(encoding="utf-8"))]


def write_figures(figures: Sequence[Figure], path: Path) -> None:
    """Write them as a JSON list."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([asdict(_rounded(figure)) for figure in figures], indent=1) + "\n", encoding="utf-8")


def as_cells(figure: Figure) -> tuple[str, ...]:
    """The line for people: name, size, ours, the peer's, ratio, target, reached."""
    sign = "≥" if figure.unit == "rows/s" else "≤"
    size = f"{figure.files:,} files" if figure.files else f"{figure.rows:,} rows" if figure.rows else ""
    wanted = "" if figure.target is None else f"{sign} {figure.target:g}"
    reached = {None: "", True: "yes", False: "no"}[figure.met]
    ratio = f"{figure.ratio:.3f}" if figure.ratio < 0.1 else f"{figure.ratio:,.2f}"
    return figure.name, size, amount(figure.ours, figure.unit), amount(figure.peer, figure.unit), ratio, wanted, reached


HEADINGS = ("figure", "size", "ours", "peer or limit", "ratio", "target", "reached")


def amount(value: float, unit: Unit) -> str:
    """A measurement for people."""
    if unit == "bytes":
        return f"{value / 1e6:,.1f} MB"
    if unit == "rows/s":
        return f"{value:,.0f} rows/s"
    return f"{value:,.2f} s"


def print_figures(figures: Sequence[Figure]) -> None:
    """The table, and below it what the notes say."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Ours beside the peers: same machine, same run")
    for heading in HEADINGS:
        table.add_column(heading, justify="left" if heading in ("figure", "reached") else "right")
    for figure in figures:
        table.add_row(*as_cells(figure))
    console = Console(width=170)
    console.print(table)
    for note in dict.fromkeys(figure.note for figure in figures if figure.note):
        console.print(f"· {note}", markup=False, highlight=False)


def _rounded(figure: Figure) -> Figure:
    return replace(figure, seconds={stage: round(value, 3) for stage, value in figure.seconds.items()})
