"""Patterns of ids in strings and in names of files, as declarations spell them, and the regular expressions they mean.

`custom_field_%d` is a text that ends in a number, `%d-%d` two numbers of two rows; `thumbnails/{pk:07}.webp` a path that holds
one, padded with zeros as Python's format would. What DuckDB and Python both understand (RE2's syntax) is all that is used.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from edms_tasks.inventory.model import IdKind

_UUID = r"[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}"
_EDGE = r"\b"
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
    """A regular expression for parts of a text with a group for each id, and what is known of these."""

    expression: str
    padded: tuple[bool, ...]  # whether zeros pad the id
    between: tuple[str, ...]  # the text before each id but the first, from the one before it


def text_pattern(pattern: str, kinds: Sequence[IdKind]) -> TextPattern:
    """The regular expression of a pattern such as `custom_field_%d`, `archive/{pk:07}.pdf` or, with two targets, `%d-%d`.

    Raises:
        ValueError: it does not have exactly one place for an id of each target, or one that the target's ids do not match.
    """
    places = list(_PLACEHOLDER.finditer(pattern))
    if len(places) != len(kinds):
        raise ValueError(
            f"it must contain the place of the id exactly {'once' if len(kinds) == 1 else f'{len(kinds)} times, once for each target'}: "
            "%d for a number, %s for a word or a UUID, {pk:07} for a number padded with zeros to seven digits"
        )
    edges = [0, *(edge for found in places for edge in found.span()), len(pattern)]
    texts = [pattern[start:end] for start, end in zip(edges[::2], edges[1::2], strict=True)]
    if "" in texts[1:-1]:
        raise ValueError("nothing separates two ids")
    parts = [re.escape(texts[0])]
    for found, kind, before, after in zip(places, kinds, texts, texts[1:], strict=False):
        parts += [_one_id(found, kind, is_first=not before, is_last=not after), re.escape(after)]
    padded = tuple(bool(found["width"] or found["wide"]) for found in places)
    return TextPattern("".join(parts), padded, tuple(texts[1:-1]))


def _one_id(found: re.Match[str], kind: IdKind, *, is_first: bool, is_last: bool) -> str:
    width = found["width"] or found["wide"]
    if not width:
        return f"({_plain(found[0], kind)})"
    if kind != "number":
        raise ValueError("only numbers can be padded with zeros, and the ids of the target are not numbers")
    # Neither the beginning of a longer number nor its end.
    return rf"{_EDGE if is_first else ''}([1-9][0-9]{{{width},}}|[0-9]{{{width}}}){_EDGE if is_last else ''}"


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
