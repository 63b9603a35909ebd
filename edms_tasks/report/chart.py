"""The chart of rows or bytes per model: horizontal bars as inline SVG, readable in print and without colour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from markupsafe import Markup
from rich import filesize

_SHOWN = 14
_LINE, _LABEL, _BAR, _WIDTH = 22, 205, 180, 460


def bars(models: Sequence[Mapping[str, Any]], measure: Literal["rows", "bytes"]) -> Markup:
    """A bar for each of the largest models by `measure`, and one for all others."""
    ranked = sorted(((str(m["model"]), int(m[measure])) for m in models), key=lambda pair: (-pair[1], pair[0]))
    shown, rest = ranked[:_SHOWN], ranked[_SHOWN:]
    lines = [(label, size, "") for label, size in shown]
    if rest:
        lines.append((f"{len(rest)} more models", sum(size for _, size in rest), " rest"))
    widest = max((size for _, size, _ in lines), default=0) or 1
    drawn = Markup("").join(_line(number, *line, widest, measure) for number, line in enumerate(lines))
    height = max(1, len(lines)) * _LINE
    title = "Rows per model" if measure == "rows" else "Stored bytes per model"
    return Markup(
        '<svg class="bars {}" viewBox="0 0 {} {}" role="img" aria-label="{}" xmlns="http://www.w3.org/2000/svg">{}</svg>'
    ).format(measure, _WIDTH, height, title, drawn)


def _line(number: int, label: str, size: int, extra: str, widest: int, measure: str) -> Markup:
    top = number * _LINE
    length = max(1.0, round(_BAR * size / widest, 1)) if size else 0
    short = label if len(label) <= 32 else label[:10] + "…" + label[-21:]
    amount = f"{size:,}" if measure == "rows" else filesize.decimal(size)
    return Markup(
        '<g><title>{}: {}</title><text class="name" x="{}" y="{}" text-anchor="end">{}</text>'
        '<rect class="bar{}" x="{}" y="{}" width="{}" height="12" rx="2"/>'
        '<text class="amount" x="{}" y="{}">{}</text></g>'
    ).format(
        label,
        amount,
        _LABEL - 8,
        top + 14,
        short,
        extra,
        _LABEL,
        top + 4,
        length,
        _LABEL + length + 6,
        top + 14,
        amount,
    )
