"""Patterns of ids in strings and in names of files, as declarations spell them, and the regular expressions they mean.

`custom_field_%d` is a text that ends in a number; `thumbnails/{pk:07}.webp` a path that holds one, padded with zeros as
Python's format would. What DuckDB and Python both understand (RE2's syntax) is all that is used.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from edms_tasks.inventory.model import IdKind

_UUID = r"[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}"
_WORD = r"[0-9A-Za-z_-]+"
_PLACEHOLDER = re.compile(r"%[ds]")
_FIELD = re.compile(r"\{pk(?::0(?P<width>[1-9][0-9]?))?\}")


@dataclass(frozen=True)
class NamePattern:
    """A regular expression for whole paths with three groups (before, id, after), and whether zeros pad the id."""

    expression: str
    padded: bool


def text_expression(pattern: str, kind: IdKind) -> str:
    """The regular expression, with one group for the id, of a pattern such as `custom_field_%d`.

    Raises:
        ValueError: it does not hold exactly one `%d` or `%s`.
    """
    places = _PLACEHOLDER.findall(pattern)
    if len(places) != 1:
        raise ValueError("it must contain the place of the id exactly once: %d for a number, %s for a word or a UUID")
    if places[0] == "%d" and kind == "uuid":
        raise ValueError("the ids of the target are UUIDs, which %s stands for")
    before, after = _PLACEHOLDER.split(pattern)
    one = "[0-9]+" if places[0] == "%d" else _UUID if kind == "uuid" else _WORD
    return f"{re.escape(before)}({one}){re.escape(after)}"


def name_expression(pattern: str, kind: IdKind) -> NamePattern:
    """The regular expression of a pattern such as `thumbnails/{pk:07}.webp`; `*` stands for anything but a slash.

    Raises:
        ValueError: it does not hold exactly one `{pk}`, or pads an id that is no number.
    """
    fields = list(_FIELD.finditer(pattern))
    literal = _FIELD.sub("", pattern)
    if len(fields) != 1 or "{" in literal or "}" in literal:
        raise ValueError("it must contain {pk} exactly once, or {pk:07} for numbers padded with zeros to seven digits")
    width = fields[0]["width"]
    if width and kind != "number":
        raise ValueError("only numbers can be padded with zeros, and the ids of the target are not numbers")
    before, after = (_glob(part) for part in (pattern[: fields[0].start()], pattern[fields[0].end() :]))
    plain = {"uuid": _UUID, "number": "0|[1-9][0-9]*", "text": "[^/]+"}[kind]
    # Python's format pads up to the width and never cuts: longer numbers have no zeros in front.
    one = rf"[0-9]{{{width}}}|[1-9][0-9]{{{width},}}" if width else plain
    return NamePattern(f"^({before})({one})({after})$", padded=bool(width))


def _glob(text: str) -> str:
    return "[^/]*".join(re.escape(part) for part in text.split("*"))
