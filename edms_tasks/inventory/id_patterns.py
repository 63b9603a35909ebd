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
_PLACEHOLDER = re.compile(r"%(?:0(?P<width>[1-9][0-9]?))?d|%s|\{pk(?::0(?P<wide>[1-9][0-9]?))?\}")
_FIELD = re.compile(r"\{pk(?::0(?P<width>[1-9][0-9]?))?\}")


@dataclass(frozen=True)
class NamePattern:
    """A regular expression for whole paths with three groups (before, id, after), and whether zeros pad the id."""

    expression: str
    padded: bool


@dataclass(frozen=True)
class TextPattern:
    """A regular expression for parts of a text with one group, the id, and whether zeros pad the id."""

    expression: str
    padded: bool


def text_pattern(pattern: str, kind: IdKind) -> TextPattern:
    """The regular expression of a pattern such as `custom_field_%d` or `archive/{pk:07}.pdf`.

    Raises:
        ValueError: it does not have exactly one place for the id, or one that the target's ids do not match.
    """
    places = list(_PLACEHOLDER.finditer(pattern))
    if len(places) != 1:
        raise ValueError(
            "it must contain the place of the id exactly once: %d for a number, %s for a word or a UUID, {pk:07} for a number "
            "padded with zeros to seven digits"
        )
    found = places[0]
    width = found["width"] or found["wide"]
    before, after = re.escape(pattern[: found.start()]), re.escape(pattern[found.end() :])
    if width:
        if kind != "number":
            raise ValueError("only numbers can be padded with zeros, and the ids of the target are not numbers")
        # Neither the beginning of a longer number nor its end.
        edges = ["" if part else r"\b" for part in (before, after)]
        one = rf"[1-9][0-9]{{{width},}}|[0-9]{{{width}}}"
        return TextPattern(f"{before}{edges[0]}({one}){edges[1]}{after}", padded=True)
    return TextPattern(f"{before}({_plain(found[0], kind)}){after}", padded=False)


def id_expression(placeholder: str, kind: IdKind) -> str | None:
    """The regular expression of an id that stands for `%d` or `%s`; None if the text is neither."""
    found = _PLACEHOLDER.fullmatch(placeholder)
    if found is None or found["width"] or found["wide"]:
        return None
    return _plain(placeholder, kind)


def _plain(placeholder: str, kind: IdKind) -> str:
    if placeholder == "%d" and kind == "uuid":
        raise ValueError("the ids of the target are UUIDs, which %s stands for")
    if placeholder == "%d" or (placeholder == "{pk}" and kind == "number"):
        return "[0-9]+"
    return _UUID if kind == "uuid" else _WORD


def name_expression(pattern: str, kind: IdKind) -> NamePattern:
    """The regular expression of a pattern such as `thumbnails/{pk:07}.webp`; `*` matches anything but a slash.

    Raises:
        ValueError: it does not have exactly one `{pk}`, or pads an id that is not a number.
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
