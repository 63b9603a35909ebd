"""Rewrite ids in the declared places of texts and JSON, and keep every other character.

A document is not taken apart and written anew: spaces, the order of members and the spelling of numbers would be lost.
Its ids are found where they stand and replaced there. That is work for each different text that holds a changed id,
not for each row (docs/decisions/012-soft-references.md).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from edms_tasks.inventory.id_patterns import text_expression
from edms_tasks.inventory.json_paths import JsonPath, Step, parse_json_path
from edms_tasks.inventory.model import SoftReference

FinalId = Callable[[str], str | None]
"""From an id, as it is written, to the one that takes its place; None where it stays."""

_BLANKS = r"\s*"
_BEFORE, _AFTER = r"""[\s"'\[({]*""", r"""[\s"'\])}]*"""
_TOKEN = re.compile(r'\s*(?:(?P<text>"(?:[^"\\]|\\.)*")|(?P<mark>[\[\]{},:])|(?P<atom>[^\s\[\]{},:"]+))')

_Progress = frozenset[tuple[int, int]]


def rewriter(references: Sequence[SoftReference], finals: Sequence[FinalId]) -> Callable[[str], str]:
    """A function from a text to the same text with other ids; `references` share a column, `finals` are in their order."""
    first = references[0]
    if first.form == "json":
        paths = [parse_json_path(reference.expression) for reference in references]
        return lambda text: _in_json(text, paths, finals)
    if first.form == "pattern":
        expressions = [text_expression(reference.expression, reference.id_kind) for reference in references]
        every = re.compile("|".join(expressions))
        return lambda text: every.sub(lambda found: _in_match(found, finals), text)
    if first.form == "list":
        separator = first.expression
        return lambda text: separator.join(
            _in_piece(piece, _BEFORE, _AFTER, finals[0]) for piece in text.split(separator)
        )
    return lambda text: _in_piece(text, _BLANKS, _BLANKS, finals[0])


def with_dashes_as(written: str, final: str) -> str:
    """A UUID with dashes or without, as the one it takes the place of was written; anything else as it is."""
    bare = final.replace("-", "")
    if len(bare) != 32 or len(written.replace("-", "")) != 32:
        return final
    return f"{bare[:8]}-{bare[8:12]}-{bare[12:16]}-{bare[16:20]}-{bare[20:]}" if "-" in written else bare


def _in_piece(text: str, before: str, after: str, final: FinalId) -> str:
    found = re.fullmatch(f"({before})(.*?)({after})", text, flags=re.DOTALL)
    if found is None or not found[2]:
        return text
    changed = final(found[2])
    return text if changed is None else f"{found[1]}{with_dashes_as(found[2], changed)}{found[3]}"


def _in_match(found: re.Match[str], finals: Sequence[FinalId]) -> str:
    for number, final in enumerate(finals, 1):
        if found[number]:
            changed = final(found[number])
            if changed is None:
                return found[0]
            start, end = (position - found.start() for position in found.span(number))
            return f"{found[0][:start]}{with_dashes_as(found[number], changed)}{found[0][end:]}"
    return found[0]


def _in_json(text: str, paths: Sequence[JsonPath], finals: Sequence[FinalId]) -> str:
    """The ids at the paths replaced where they stand; a text that is no JSON stays as it is."""
    try:
        json.loads(text)
    except ValueError:
        return text
    pieces: list[str] = []
    done = 0
    for start, end, reference in _ids_in(text, paths):
        written = text[start:end]
        quoted = written.startswith('"')
        plain = json.loads(written) if quoted else written
        changed = finals[reference](plain) if plain else None
        if changed is not None:
            shown = json.dumps(with_dashes_as(plain, changed), ensure_ascii=False) if quoted else changed
            pieces += [text[done:start], shown]
            done = end
    return "".join([*pieces, text[done:]])


def _ids_in(text: str, paths: Sequence[JsonPath]) -> Iterator[tuple[int, int, int]]:
    """Where ids stand in a valid document: start, end, and the number of the path; keys as well as values."""
    # Each open container: whether it is an object, how far the paths have been followed to it, and its next element.
    open_containers: list[tuple[bool, _Progress, list[int]]] = []
    here: _Progress = frozenset((number, 0) for number in range(len(paths)))
    key_expected = False
    position = 0
    while (found := _TOKEN.match(text, position)) is not None:
        position = found.end()
        mark = found["mark"]
        if mark in ("{", "["):
            open_containers.append((mark == "{", here, [0]))
            key_expected = mark == "{"
            if mark == "[":
                here = _onward(paths, here, Step("array", "0"))
        elif mark in ("}", "]"):
            open_containers.pop()
        elif mark == ",":
            is_object, progress, count = open_containers[-1]
            count[0] += 1
            key_expected = is_object
            if not is_object:
                here = _onward(paths, progress, Step("array", str(count[0])))
        elif mark == ":":
            pass
        elif key_expected:
            progress = open_containers[-1][1]
            ids = [ref for ref, taken in progress if paths[ref].keys and taken == len(paths[ref].steps) - 1]
            if ids:
                yield found.start("text"), found.end("text"), min(ids)
            here = _onward(paths, progress, Step("object", json.loads(found["text"])))
            key_expected = False
        else:
            ids = [ref for ref, taken in here if taken == len(paths[ref].steps) and not paths[ref].keys]
            kind = "text" if found["text"] is not None else "atom"
            if ids and found[kind] not in ("true", "false", "null"):
                yield found.start(kind), found.end(kind), min(ids)


def _onward(paths: Sequence[JsonPath], progress: _Progress, step: Step) -> _Progress:
    return frozenset(
        (ref, taken + 1)
        for ref, taken in progress
        if taken < len(paths[ref].steps) - paths[ref].keys and paths[ref].steps[taken] in (step, Step(step.into, None))
    )


def final_ids(changed: Mapping[str, str], compared: Callable[[str], str]) -> FinalId:
    """Look ids up as `compared` spells them, in a mapping whose keys are spelt so."""
    return lambda written: changed.get(compared(written))
