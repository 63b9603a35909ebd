"""A line chart with logarithmic axes as one SVG: readable in print and without colour, no library needed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _HEIGHT = 760, 460
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 600, 44, 404
_LABEL_GAP = 16


@dataclass(frozen=True)
class Line:
    """One series; a peer's is dashed."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    colour: str
    peer: bool = False


def chart(
    title: str, lines: Sequence[Line], *, x_label: str, y_label: str, x_unit: str = "rows", y_unit: str = "s"
) -> str:
    """Draw lines of positive numbers; raises ValueError where there is nothing to draw."""
    x_axis = _Axis([x for line in lines for x in line.x], _LEFT, _RIGHT)
    y_axis = _Axis([y for line in lines for y in line.y], _BOTTOM, _TOP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'font-family="sans-serif" font-size="13" fill="#222"><title>{escape(title)}</title>',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>',
        f'<text x="{_LEFT}" y="24" font-size="16">{escape(title)}</text>',
        *_grid(x_axis, y_axis),
        f'<text x="{(_LEFT + _RIGHT) / 2}" y="{_HEIGHT - 12}" text-anchor="middle">{escape(x_label)}</text>',
        f'<text x="16" y="{(_TOP + _BOTTOM) / 2}" text-anchor="middle" '
        f'transform="rotate(-90 16 {(_TOP + _BOTTOM) / 2})">{escape(y_label)}</text>',
    ]
    for line, label_at in zip(lines, _apart([y_axis.place(line.y[-1]) for line in lines]), strict=True):
        parts += _drawn(line, x_axis, y_axis, label_at, x_unit, y_unit)
    return "\n".join([*parts, "</svg>", ""])


class _Axis:
    """Whole decades from below the least value to above the greatest, between two places of the picture."""

    def __init__(self, values: Sequence[float], low: float, high: float) -> None:
        if not values or min(values) <= 0:
            raise ValueError("a logarithmic axis needs positive values")
        self._first = math.floor(math.log10(min(values)))
        self._last = max(self._first + 1, math.ceil(math.log10(max(values))))
        self._low, self._high = low, high

    @property
    def decades(self) -> list[float]:
        return [10.0**power for power in range(self._first, self._last + 1)]

    def place(self, value: float) -> float:
        share = (math.log10(value) - self._first) / (self._last - self._first)
        return round(self._low + share * (self._high - self._low), 1)


def _grid(x_axis: _Axis, y_axis: _Axis) -> Iterator[str]:
    for value in x_axis.decades:
        x = x_axis.place(value)
        yield f'<line x1="{x}" y1="{_TOP}" x2="{x}" y2="{_BOTTOM}" stroke="#ddd"/>'
        yield f'<text x="{x}" y="{_BOTTOM + 20}" text-anchor="middle">{value:,.0f}</text>'
    for value in y_axis.decades:
        y = y_axis.place(value)
        yield f'<line x1="{_LEFT}" y1="{y}" x2="{_RIGHT}" y2="{y}" stroke="#ddd"/>'
        yield f'<text x="{_LEFT - 8}" y="{y + 4}" text-anchor="end">{value:,g}</text>'


def _drawn(line: Line, x_axis: _Axis, y_axis: _Axis, label_at: float, x_unit: str, y_unit: str) -> Iterator[str]:
    places = [(x_axis.place(x), y_axis.place(y)) for x, y in zip(line.x, line.y, strict=True)]
    dashes = ' stroke-dasharray="6 4"' if line.peer else ""
    points = " ".join(f"{x},{y}" for x, y in places)
    yield f'<polyline points="{points}" fill="none" stroke="{line.colour}" stroke-width="2"{dashes}/>'
    for (x, y), at, value in zip(places, line.x, line.y, strict=True):
        inside = "#fff" if line.peer else line.colour
        yield (
            f'<circle cx="{x}" cy="{y}" r="3.5" fill="{inside}" stroke="{line.colour}" stroke-width="1.5">'
            f"<title>{escape(line.name)}: {at:,} {x_unit}, {value:,g} {y_unit}</title></circle>"
        )
    label = f"{line.name} {line.y[-1]:,.3g} {y_unit}"
    yield f'<text x="{places[-1][0] + 10}" y="{label_at + 4:.1f}" fill="{line.colour}">{escape(label)}</text>'


def _apart(places: Sequence[float]) -> list[float]:
    """The places of the labels, moved so that none covers another."""
    moved = dict.fromkeys(range(len(places)), 0.0)
    last = -math.inf
    for number in sorted(moved, key=lambda n: places[n]):
        last = moved[number] = max(places[number], last + _LABEL_GAP)
    return [moved[number] for number in range(len(places))]
