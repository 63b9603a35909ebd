"""Turn declared patterns of ids in strings and file names into regular expressions.

`custom_field_%d` is a string that ends in a number. `thumbnails/{pk:07}.webp` is a path with a number, padded with zeros as
by Python's format. The expressions use only syntax that both DuckDB (RE2) and Python understand.
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
    """A regular expression for whole paths with three groups (before, id, after), and whether the id is padded with zeros."""

    expression: str
    padded: bool


def text_expression(pattern: str, kind: IdKind) -> str:
    """The regular expression of a pattern such as `custom_field_%d`; its one group is the id.

    Raises:
        ValueError: the pattern does not contain exactly one `%d` or `%s`, or `%d` stands for a UUID.
    """
    placeholders = _PLACEHOLDER.findall(pattern)
    if len(placeholders) != 1:
        raise ValueError("it must contain the place of the id exactly once: %d for a number, %s for a word or a UUID")
    if placeholders[0] == "%d" and kind == "uuid":
        raise ValueError("the ids of the target are UUIDs, which %s stands for")
    before, after = _PLACEHOLDER.split(pattern)
    number = "[0-9]+" if placeholders[0] == "%d" else _UUID if kind == "uuid" else _WORD
    return f"{re.escape(before)}({number}){re.escape(after)}"


def name_expression(pattern: str, kind: IdKind) -> NamePattern:
    """The regular expression of a pattern such as `thumbnails/{pk:07}.webp`; `*` stands for anything but a slash.

    Raises:
        ValueError: the pattern does not contain exactly one `{pk}`, or pads ids that are not numbers.
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
    # Python's format pads up to the width and never shortens: longer numbers have no leading zeros.
    number = rf"[0-9]{{{width}}}|[1-9][0-9]{{{width},}}" if width else plain
    return NamePattern(f"^({before})({number})({after})$", padded=bool(width))


def _glob(text: str) -> str:
    return "[^/]*".join(re.escape(part) for part in text.split("*"))
