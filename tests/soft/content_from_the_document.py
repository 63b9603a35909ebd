"""The content of columns with soft references, written from docs/format.md §5.5: an oracle that shares nothing with ours."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

Mark = Callable[[str], str]
_BLANK = " \t\n\f\r"
_UUID = r"[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}"


def content(references: list[dict[str, Any]], text: str, mark: Callable[[dict[str, Any], str], str]) -> str:
    """The content of a value; `references` are those of its column, `mark` gives an id's mark."""
    first = references[0]
    if first["form"] == "value":
        return _piece(text, _BLANK, _BLANK, lambda one: mark(first, one))
    if first["form"] == "list":
        opening, closing = _BLANK + "\"'[({", _BLANK + "\"'])}"
        pieces = text.split(first["expression"])
        return f"[{','.join(_piece(piece, opening, closing, lambda one: mark(first, one)) for piece in pieces)}]"
    if first["form"] == "pattern":
        return _patterns(references, text, mark)
    try:
        document = json.loads(text, object_pairs_hook=_Members)
    except ValueError:
        return _string(text)
    entries = _entries(document, [], list(enumerate(map(_steps, references))), references, mark)
    return f"[{','.join(sorted(entries, key=str.encode))}]"


class _Members(list[tuple[str, Any]]):
    """An object's members: keys may repeat."""


def _string(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _piece(text: str, before: str, after: str, mark: Mark) -> str:
    rest = text.lstrip(before)
    found = rest.rstrip(after)
    if not found:
        return f"[{_string(text)}]"
    head, tail = text[: len(text) - len(rest)], rest[len(found) :]
    return f"[{_string(head)},{mark(found)},{_string(tail)}]"


def _patterns(references: list[dict[str, Any]], text: str, mark: Callable[[dict[str, Any], str], str]) -> str:
    expressions = []
    for reference in references:
        word = _UUID if reference["id_kind"] == "uuid" else "[0-9A-Za-z_-]+"
        before, place, after = re.split("(%[ds])", reference["expression"])
        expressions.append(f"{re.escape(before)}({'[0-9]+' if place == '%d' else word}){re.escape(after)}")
    parts, end = [], 0
    for found in re.finditer("|".join(expressions), text):
        assert found.lastindex is not None
        reference = references[found.lastindex - 1]
        parts += [
            _string(text[end : found.start()]),
            _string(reference["expression"]),
            mark(reference, found[found.lastindex]),
        ]
        end = found.end()
    return f"[{','.join([*parts, _string(text[end:])])}]"


def _steps(reference: dict[str, Any]) -> list[str]:
    """`["." + name | ".*" | "[3]" | "[*]" | "~"]`."""
    steps = re.findall(r'\."(?:[^"\\]|\\.)*"|\.[^.\[~]+|\[[^\]]+\]|~', reference["expression"][1:])
    return ["." + json.loads(step[1:]) if step.startswith('."') else step for step in steps]


def _entries(
    node: Any, above: list[str], paths: list[tuple[int, list[str]]], references: list[dict[str, Any]], mark: Any
) -> list[str]:
    here = f"[{','.join(above)}]"
    ends = [number for number, path in paths if not path]
    is_id = isinstance(node, int | float | str) and not isinstance(node, bool) and node != ""
    if ends and is_id:
        kind = "string" if isinstance(node, str) else "number"
        return [f'[{here},"{kind}",{mark(references[min(ends)], str(node))}]']
    found: list[str] = []
    if isinstance(node, _Members):
        keys = [number for number, path in paths if path == [".*", "~"]]
        onward = [(number, path) for number, path in paths if path and path[0][0] == "." and path != [".*", "~"]]
        if node and (keys or onward):
            for key, value in node:
                step = mark(references[min(keys)], key) if keys and key else _string(key)
                below = [(number, path[1:]) for number, path in onward if path[0] in (".*", "." + key)]
                found += _below(value, [*above, step], below, references, mark)
            return found
    if isinstance(node, list) and not isinstance(node, _Members):
        onward = [(number, path) for number, path in paths if path and path[0][0] == "["]
        if node and onward:
            for position, value in enumerate(node):
                below = [(number, path[1:]) for number, path in onward if path[0] in ("[*]", f"[{position}]")]
                found += _below(value, [*above, str(position)], below, references, mark)
            return found
    return [f"[{here},{_json(node)}]"]


def _below(node: Any, above: list[str], paths: list[tuple[int, list[str]]], references: Any, mark: Any) -> list[str]:
    if paths:
        return _entries(node, above, paths, references, mark)
    return [f"[[{','.join(above)}],{_json(node)}]"]


def _json(node: Any) -> str:
    if isinstance(node, _Members):
        return "{" + ",".join(f"{_string(key)}:{_json(value)}" for key, value in node) + "}"
    if isinstance(node, list):
        return f"[{','.join(map(_json, node))}]"
    return json.dumps(node, ensure_ascii=False)
