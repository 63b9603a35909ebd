"""Lines and tables that fit the terminal: names stay whole, a table that is too wide is written one row under another."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from flows.running.printable import printable

if TYPE_CHECKING:
    from rich.console import Console

WIDTH_OF_A_PIPE = 1000
"""A pipe has no width to fit into: there, lines and tables are as wide as their contents."""

_GAP = "  "


def line(console: Console, text: str) -> None:
    """One line, as it is: no markup, no colour, no control characters; on a terminal folded between words."""
    for row in printable(text).splitlines() or [""]:
        for part in folded(row, console.width):
            _put(console, part)


def folded(text: str, width: int) -> list[str]:
    """The text in lines of that width, folded between words; all lines but the first are indented."""
    if width >= WIDTH_OF_A_PIPE or cells(text) <= width:
        return [text]
    lead = text[: len(text) - len(text.lstrip())]
    indent = lead + "    " if width > 40 else lead + "  "
    lines, current = [], lead
    empty = True
    for word in text.split(" ")[len(lead) :]:
        joined = current + word if empty else f"{current} {word}"
        if not empty and cells(joined) > width:
            lines.append(current.rstrip())
            joined = indent + word
        current, empty = joined, False
    return [*lines, current.rstrip()]


def print_table(console: Console, headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table of plain values; a heading that begins with > is of a column of numbers.

    Where it is wider than the terminal, each row is written as a name with its values under it, without those that are
    empty or 0.
    """
    names = [heading.removeprefix(">") for heading in headings]
    numeric = [heading.startswith(">") for heading in headings]
    texts = [[printable(str(cell).replace("\n", " ⏎ ")) for cell in row] for row in rows]
    if not texts:
        return
    widths = [max(cells(row[number]) for row in [names, *texts]) for number in range(len(names))]
    if sum(widths) + len(_GAP) * (len(widths) - 1) <= console.width:
        for row in (names, *texts):
            aligned = (_aligned(cell, widths[at], right=numeric[at]) for at, cell in enumerate(row))
            _put(console, _GAP.join(aligned).rstrip())
        return
    for row in texts:
        for part in folded(row[0], console.width):
            _put(console, part)
        _print_values(console, [(names[at], row[at]) for at in range(1, len(row)) if row[at] not in ("", "0")])


def cells(text: str) -> int:
    """The number of terminal columns that the text takes; some characters take two."""
    from rich.cells import cell_len

    return cell_len(text)


def _print_values(console: Console, values: Sequence[tuple[str, str]]) -> None:
    """Name and value pairs, as many on a line as fit; none is torn from its name unless it is wider than a line."""
    indent, separator = "    ", " · "
    current = ""
    for name, value in values:
        item = f"{name} {value}"
        if current and cells(indent + current + separator + item) > console.width:
            _put(console, indent + current)
            current = ""
        current = current + separator + item if current else item
        if cells(indent + current) > console.width:
            for part in folded(indent + current, console.width):
                _put(console, part)
            current = ""
    if current:
        _put(console, indent + current)


def _aligned(text: str, width: int, *, right: bool) -> str:
    blank = " " * (width - cells(text))
    return blank + text if right else text + blank


def _put(console: Console, text: str) -> None:
    from rich.text import Text

    console.print(Text(text), soft_wrap=True)
