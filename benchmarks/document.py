"""Write the measured tables into docs/performance.md, between its markers; what people wrote around them stays.

python -m benchmarks.document
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.figures import HEADINGS, Figure, as_cells, read_figures
from benchmarks.growth import RESULTS as GROWTH
from benchmarks.growth import Point, read_points
from benchmarks.installation import ROOT
from benchmarks.machine import describe
from benchmarks.run import LATEST

PAGE = ROOT / "docs" / "performance.md"


def main(arguments: Sequence[str] | None = None) -> None:
    """Refresh the page; raises ValueError where a marker is missing, FileNotFoundError where nothing was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--figures", type=Path, default=LATEST)
    parser.add_argument("--growth", type=Path, default=GROWTH)
    parser.add_argument("--page", type=Path, default=PAGE)
    options = parser.parse_args(arguments)
    figures = read_figures(options.figures)
    page = options.page.read_text(encoding="utf-8")
    page = replaced(page, "figures", [describe(options.figures), "", *_figure_lines(figures)])
    page = replaced(page, "stages", _stage_lines(figures))
    page = replaced(page, "growth", _growth_lines(read_points(options.growth)))
    options.page.write_text(page, encoding="utf-8")


def replaced(page: str, name: str, lines: Iterable[str]) -> str:
    """The page with what stands between the two markers of that name replaced."""
    begin, end = f"<!-- measured: {name} -->", "<!-- end of measured -->"
    text = "\n".join([begin, *lines, end])
    page, found = re.subn(rf"{re.escape(begin)}.*?{re.escape(end)}", lambda _: text, page, flags=re.DOTALL)
    if found != 1:
        raise ValueError(f"the page has {found} places for {name}")
    return page


def _figure_lines(figures: Sequence[Figure]) -> list[str]:
    notes = dict.fromkeys(figure.note for figure in figures if figure.note)
    return [*table(HEADINGS, map(as_cells, figures)), "", *(f"- {note}" for note in notes)]


def _stage_lines(figures: Sequence[Figure]) -> list[str]:
    """The stages of our commands, one table a command, one column a size."""
    lines: list[str] = []
    for figure in figures:
        if figure.seconds:
            size = f"{figure.files:,} files" if figure.files else f"{figure.rows:,} rows"
            stages = " · ".join(f"{stage} {seconds:.1f}" for stage, seconds in figure.seconds.items())
            lines.append(f"| {figure.name.split(' / ')[0]} | {size} | {stages} |")
    return ["| command | size | seconds by stage |", "|---|--:|---|", *lines]


def _growth_lines(points: Sequence[Point]) -> list[str]:
    headings = ("rows", "backup", "`pg_dump -Fc`", "restore", "restore, proved", "`pg_restore -j2`", "peak memory")
    return table(
        headings,
        (
            (
                f"{point.rows:,}",
                *(f"{s:,.2f} s" for s in (point.backup, point.pg_dump, point.restore, point.proved, point.pg_restore)),
                f"{point.backup_peak_bytes / 1e6:,.0f} and {point.restore_peak_bytes / 1e6:,.0f} MB",
            )
            for point in points
        ),
    )


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A table of Markdown; all columns but the first are numbers."""
    escaped = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    rule = "|".join(["---", *("--:" for _ in headings[1:])])
    return [f"| {' | '.join(headings)} |", f"|{rule}|", *(f"| {' | '.join(row)} |" for row in escaped)]


if __name__ == "__main__":
    main()
