"""Parse JSON with the position of each value in the text."""

from __future__ import annotations

import bisect
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from edms_tasks.errors import MergeRefused

_TOKEN = re.compile(r'[ \t\n\r]*(?:("(?:[^"\\]|\\.)*")|([\[\]{},:])|([^ \t\n\r\[\]{},:"]+))')
_ESCAPE = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\.")
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_DEEPEST = 200
_CONSTANTS = frozenset({"true", "false", "null"})


@dataclass(slots=True)
class Node:
    """A value of a document; `start` and `end` are its position in the document's text."""

    kind: str  # object, array, string, number, constant
    start: int
    end: int = 0
    written: str = ""  # of a scalar
    members: list[Member] = field(default_factory=list)

    @property
    def text(self) -> str:
        """A scalar's value as text."""
        if self.kind != "string":
            return self.written
        return str(json.loads(self.written)) if "\\" in self.written else self.written[1:-1]


@dataclass(slots=True)
class Member:
    """A value in an object or array; elements of arrays have their position as key."""

    key: Node
    node: Node


def parse(text: str) -> Node | None:
    """Parse a text as JSON; None if it is not JSON.

    Raises:
        MergeRefused: it is nested too deeply.
    """
    try:
        known = json.loads(text, parse_constant=_refuse)
        if _SURROGATE.search(text):
            # DuckDB, which counted the ids, does not accept half a surrogate pair.
            json.dumps(known, ensure_ascii=False).encode()
    except ValueError:
        return None
    except RecursionError as error:
        raise _too_deep() from error
    root: Node | None = None
    open_nodes: list[Node] = []
    key: Node | None = None
    position = 0
    while (found := _TOKEN.match(text, position)) is not None:
        position = found.end()
        string, mark, atom = found.groups()
        if mark in ("]", "}"):
            open_nodes.pop().end = position
            continue
        if mark in (",", ":"):
            continue
        if mark is not None:
            node = Node("object" if mark == "{" else "array", found.start(2))
        elif string is not None:
            node = Node("string", found.start(1), position, string)
        else:
            node = Node("constant" if atom in _CONSTANTS else "number", found.start(3), position, atom)
        holder = open_nodes[-1] if open_nodes else None
        if holder is None:
            root = node
        elif holder.kind == "object":
            if key is None:
                key = node
                continue
            holder.members.append(Member(key, node))
            key = None
        else:
            holder.members.append(Member(Node("position", 0, 0, str(len(holder.members))), node))
        if mark is not None:
            open_nodes.append(node)
            if len(open_nodes) > _DEEPEST:
                raise _too_deep()
    return root


def _too_deep() -> MergeRefused:
    return MergeRefused(
        f"A JSON value is nested more than {_DEEPEST} levels deep, so the ids in it cannot be replaced.",
        where="a column with [[soft_references]]",
        fix="Nothing was changed. Find and flatten the value in the EDMS, or remove the declaration of its column.",
    )


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def places_in(written: str, start: int) -> Callable[[int], int]:
    """From a position in the string that a literal spells to the one in the text around; `start` is where the literal begins."""
    if "\\" not in written:
        return lambda position: start + 1 + position
    plain, raw = [0], [1]
    for found in _ESCAPE.finditer(written, 1):
        # An escape is one character of the string, so later positions are shifted.
        plain.append(plain[-1] + found.start() - raw[-1] + 1)
        raw.append(found.end())

    def place(position: int) -> int:
        number = bisect.bisect_right(plain, position) - 1
        return start + raw[number] + position - plain[number]

    return place
