"""Write the tables of docs/capacity.md between its markers, and its picture; what people wrote around them stays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.cost_model import Comparison, Model, compare
from benchmarks.cost_plan import Machines, Prices, plan
from benchmarks.cost_points import VERBS, Point, Size
from benchmarks.document import replaced, table
from benchmarks.installation import ROOT
from benchmarks.line_chart import Line, chart

PAGE = ROOT / "docs" / "capacity.md"
PICTURE = ROOT / "docs" / "pictures" / "capacity.svg"
WORKERS = (1, 2, 4, 8, 16, 32, 64)

# The rows are like those of the reference EDMS: 10 columns, 225 bytes, 2.75 foreign keys.
SYSTEMS = {
    "100 M rows, 10 M files of 100 kB": Size(100e6, 1e9, 22.5e9, 275e6, 10e6, 1e12),
    "a billion rows, no files": Size(1e9, 1e10, 225e9, 2.75e9, 0, 0),
    "100 TB: 50 M files of 2 MB, 100 M rows": Size(100e6, 1e9, 22.5e9, 275e6, 50e6, 100e12),
}
_COLOURS = ("#0b6e4f", "#1f4e9c", "#b3541e")
_SAID = {"first": "first backup", "next": "next backup", "verify": "verify", "restore": "restore, proved"}


def write_page(points: Sequence[Point], model: Model, page: Path, picture: Path) -> None:
    """Refresh page and picture; raises ValueError where a marker is missing."""
    text = page.read_text(encoding="utf-8")
    text = replaced(text, "points", _point_lines(points))
    text = replaced(text, "held out", _held_out_lines(compare(model, [point for point in points if point.held_out])))
    text = replaced(text, "coefficients", _coefficient_lines(model))
    text = replaced(text, "plans", _plan_lines(model))
    page.write_text(text, encoding="utf-8")
    picture.write_text(draw(model), encoding="utf-8")


def draw(model: Model) -> str:
    """Predicted hours of a first backup against workers."""
    lines = [
        Line(name, WORKERS, [_hours(model, "first", size, workers) for workers in WORKERS], colour)
        for (name, size), colour in zip(SYSTEMS.items(), _COLOURS, strict=True)
    ]
    return chart(
        "Predicted hours of a first backup", lines, x_label="workers", y_label="hours", x_unit="workers", y_unit="h"
    )


def _hours(model: Model, verb: str, size: Size, workers: int) -> float:
    return plan(model, verb, size, Machines(workers=workers), Prices()).hours


def _point_lines(points: Sequence[Point]) -> list[str]:
    headings = (
        "measured",
        "rows",
        "values",
        "MB of rows",
        "references",
        "files",
        "MB of files",
        *(_SAID[verb] for verb in VERBS),
        "most memory",
    )
    return table(headings, map(_point_cells, points))


def _point_cells(point: Point) -> tuple[str, ...]:
    size = point.size
    return (
        point.name + (", held out" if point.held_out else ""),
        *(
            f"{value:,.0f}"
            for value in (
                size.rows,
                size.values,
                size.row_bytes / 1e6,
                size.references,
                size.files,
                size.file_bytes / 1e6,
            )
        ),
        *(_seconds(point, verb) for verb in VERBS),
        f"{max(cost.peak for cost in point.costs.values()) / 1e6:,.0f} MB",
    )


def _seconds(point: Point, verb: str) -> str:
    cost = point.costs[verb]
    return " + ".join(f"{seconds:,.1f}" for seconds in (cost.program, *cost.workers, cost.database))


def _held_out_lines(comparisons: Sequence[Comparison]) -> list[str]:
    def cells() -> Iterator[tuple[str, ...]]:
        for one in comparisons:
            measured, predicted = (_amount(one.part, value) for value in (one.measured, one.predicted))
            yield one.point, _SAID[one.verb], one.part, measured, predicted, one.told

    return table(("point", "verb", "part", "measured", "predicted", "error"), cells())


def _amount(part: str, value: float) -> str:
    if part == "requests":
        return f"{value:,.0f}"
    return f"{value / 1e6:,.1f} MB" if part in ("stored", "peak") else f"{value:,.1f} s"


def _coefficient_lines(model: Model) -> list[str]:
    names = {
        "once": 1.0,
        "rows": 1e6,
        "values": 1e6,
        "row_bytes": 1e9,
        "references": 1e6,
        "files": 1e6,
        "file_bytes": 1e9,
        "requests": 1e3,
        "root_rows": 1.0,
        "root_references": 1.0,
        "root_files": 1.0,
    }
    headings = (
        "verb",
        "part",
        "once",
        "million rows",
        "million values",
        "GB of rows",
        "million references",
        "million files",
        "GB of files",
        "1,000 requests",
        "third root of rows",
        "of references",
        "of files",
    )

    def cells() -> Iterator[tuple[str, ...]]:
        for verb in VERBS:
            for part, found in model.coefficients[verb].items():
                yield (
                    _SAID[verb],
                    part,
                    *(_amount(part, found[name] * by) if name in found else "" for name, by in names.items()),
                )

    return table(headings, cells())


def _plan_lines(model: Model) -> list[str]:
    lines: list[str] = []
    for name, size in SYSTEMS.items():
        lines += ["", f"**{name}**, predicted hours:", "", *table(_HOURS, _hour_cells(model, size))]
        lines += ["", f"The same with {_SHOWN} workers, predicted:", "", *table(_COSTS, _cost_cells(model, size))]
    return lines[1:]


_SHOWN = 8
_HOURS = (
    "verb",
    "threads, 2 cores",
    *(f"{number} workers" if number > 1 else "1 worker" for number in WORKERS),
    "slowest with 1",
    "slowest with 64",
)
_COSTS = (
    "verb",
    "core hours",
    "requests",
    "more stored",
    "memory of the coordinator",
    "of all workers",
    "the run",
    "a month",
)


def _hour_cells(model: Model, size: Size) -> Iterator[tuple[str, ...]]:
    for verb in VERBS:
        plans = [plan(model, verb, size, Machines(workers=number), Prices()) for number in (0, *WORKERS)]
        yield _SAID[verb], *(_hours_told(one.hours) for one in plans), plans[1].bound, plans[-1].bound


def _hours_told(hours: float) -> str:
    return f"{hours:.2f}" if hours < 10 else f"{hours:,.0f}"


def _cost_cells(model: Model, size: Size) -> Iterator[tuple[str, ...]]:
    for verb in VERBS:
        one = plan(model, verb, size, Machines(workers=_SHOWN), Prices())
        yield (
            _SAID[verb],
            f"{one.core_hours:,.1f}",
            f"{one.requests:,.0f}",
            f"{one.stored_gb:,.1f} GB",
            f"{one.memory_mb / 1e3:,.1f} GB",
            f"{one.workers_memory_mb / 1e3:,.1f} GB",
            f"{one.money:,.2f}",
            f"{one.money_a_month:,.2f}",
        )
