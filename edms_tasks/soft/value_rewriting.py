"""Rewrite ids in the declared places of texts and JSON, and keep every other character.

A document is not parsed and serialized again: spaces, the order of members and the spelling of numbers would be lost. Its ids
are replaced in the text. This is done once for each different text with a changed id, not for each row
(docs/decisions/012-soft-references.md).
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from edms_tasks.soft.json_filters import Filter
from edms_tasks.soft.json_positions import Node, parse, places_in
from edms_tasks.soft.path_filters import passes
from edms_tasks.soft.path_states import PathStates, Progress
from edms_tasks.soft.readings import Reading, Spot, patterns_of
from edms_tasks.soft.tag_patterns import ATTRIBUTE, tag_pattern, tags_of, unquoted
from edms_tasks.soft.text_ids import AFTER, BEFORE, BLANKS

FinalId = Callable[[str], str | None]
"""From an id, as it is written, to the one that takes its place; None where it stays."""


@dataclass(frozen=True)
class _Found:
    """An id in a text."""

    start: int
    end: int
    reference: int
    padded: bool = False
    depth: int = 0  # number of JSON strings around it
    quoted: bool = False  # it is a whole string, which is replaced together with its quotes


_Finder = Callable[[str], Iterator[_Found]]


def rewriter(reading: Reading, finals: Sequence[FinalId]) -> Callable[[str], str]:
    """A function that returns a text with its ids replaced; `finals` look up the new ids, one for each reference in order."""
    find = _in_documents(reading.spots) if reading.in_json else _in_texts(reading.spots)

    def rewrite(text: str) -> str:
        pieces: list[str] = []
        done = 0
        for found in find(text):
            now = _replacement(text[found.start : found.end], found, finals[found.reference])
            if now is not None:
                pieces += [text[done : found.start], now]
                done = found.end
        return "".join([*pieces, text[done:]])

    return rewrite


def final_ids(changed: Mapping[str, str], compared: Callable[[str], str]) -> FinalId:
    """A function that looks up an id in a mapping with normalised keys (`Ids.compared`)."""
    return lambda written: changed.get(compared(written))


def with_dashes_as(written: str, final: str) -> str:
    """A UUID with dashes or without, like the one it replaces; anything else unchanged."""
    bare = final.replace("-", "")
    if len(bare) != 32 or len(written.replace("-", "")) != 32:
        return final
    return f"{bare[:8]}-{bare[8:12]}-{bare[12:16]}-{bare[16:20]}-{bare[20:]}" if "-" in written else bare


def _replacement(written: str, found: _Found, final: FinalId) -> str | None:
    """The text that replaces an id's; None if it stays."""
    plain = written
    for _ in range(found.depth):
        plain = _unescaped(plain)
    if found.quoted:
        plain = json.loads(plain)
    changed = final((plain.lstrip("0") or "0") if found.padded else plain)
    if changed is None:
        return None
    # Python's format pads up to the width and never cuts.
    now = changed.rjust(len(plain), "0") if found.padded else with_dashes_as(plain, changed)
    if found.quoted:
        now = json.dumps(now, ensure_ascii=False)
    for _ in range(found.depth):
        now = json.dumps(now, ensure_ascii=False)[1:-1]
    return now


def _unescaped(text: str) -> str:
    return str(json.loads(f'"{text}"')) if "\\" in text else text


def _in_texts(spots: Sequence[Spot]) -> _Finder:
    """Find ids in texts of the form that all the spots have."""
    first = spots[0]
    if first.place.form == "pattern":
        return _in_patterns(spots)
    if first.place.form == "tag":
        return _in_tags(spots)
    if first.place.form == "value":
        return lambda text: _in_piece(text, 0, len(text), BLANKS, BLANKS, first.reference)
    separator = first.place.expression

    def in_list(text: str) -> Iterator[_Found]:
        start = 0
        for piece in text.split(separator):
            yield from _in_piece(text, start, start + len(piece), BEFORE, AFTER, first.reference)
            start += len(piece) + len(separator)

    return in_list


def _in_piece(text: str, start: int, end: int, before: str, after: str, reference: int) -> Iterator[_Found]:
    found = re.compile(f"(?:{before})(.*?)(?:{after})", flags=re.DOTALL | re.ASCII).fullmatch(text, start, end)
    if found is not None and found[1]:
        yield _Found(found.start(1), found.end(1), reference)


def _in_patterns(spots: Sequence[Spot]) -> _Finder:
    alternatives = patterns_of(spots)
    every = re.compile("|".join(one.pattern.expression for one in alternatives), flags=re.ASCII)
    groups = [
        (spot.reference, padded)
        for one in alternatives
        for spot, padded in zip(one.spots, one.pattern.padded, strict=True)
    ]

    def in_patterns(text: str) -> Iterator[_Found]:
        for found in every.finditer(text):
            for number, (reference, padded) in enumerate(groups, start=1):
                if found.start(number) >= 0:
                    yield _Found(*found.span(number), reference, padded=padded)

    return in_patterns


def _in_tags(spots: Sequence[Spot]) -> _Finder:
    patterns = [tag_pattern(spot.place.expression, spot.id_kind) for spot in spots]
    every = re.compile(tags_of({one.element for one in patterns}))
    attribute = re.compile(ATTRIBUTE)

    def in_tags(text: str) -> Iterator[_Found]:
        for tag in every.finditer(text):
            element = tag[1].lower()
            held: dict[str, tuple[str, int]] = {}
            for one in attribute.finditer(text, *tag.span()):
                # If an attribute occurs twice, the first one counts.
                held.setdefault(one[1].lower(), (unquoted(one[2]), one.start(2) + (one[2][0] in "\"'")))
            for spot, pattern in zip(spots, patterns, strict=True):
                value, start = held.get(pattern.attribute, ("", 0))
                fits = all(held.get(name, (None, 0))[0] == wanted for name, wanted in pattern.fixed)
                if element == pattern.element and fits and re.fullmatch(pattern.id_expression, value):
                    yield _Found(start, start + len(value), spot.reference)
                    break

    return in_tags


def _in_documents(spots: Sequence[Spot]) -> _Finder:
    paths = PathStates(tuple(spot.path for spot in spots))
    in_texts: dict[tuple[Spot, ...], _Finder] = {}
    # The same few states occur again and again.
    names = {step.name for path in paths.paths for step in path.steps}
    filters, ends_of = functools.cache(paths.filters), functools.cache(paths.ends)

    @functools.cache
    def settled(arrived: Progress, let_through: frozenset[Filter], is_container: bool) -> Progress:
        return paths.settled(arrived, let_through.__contains__, is_container=is_container)

    @functools.cache
    def below_of(here: Progress, is_object: bool, name: str) -> Progress:
        return paths.below(here, "object" if is_object else "array", name)

    def in_node(node: Node, arrived: Progress) -> Iterator[_Found]:
        is_container = node.kind in ("object", "array")
        let_through = frozenset(one for one in filters(arrived) if passes(node, one))
        here = settled(arrived, let_through, is_container)
        if is_container:
            yield from in_container(node, here)
            return
        ends = [spots[path] for path in ends_of(here)]
        if node.kind == "constant" or node.written == '""':
            return
        if ends and ends[0].place.form == "value":
            yield _Found(node.start, node.end, ends[0].reference, quoted=node.kind == "string")
        elif node.kind != "string":
            return
        elif ends:
            alike = tuple(one for one in ends if one.place.form == ends[0].place.form)
            if alike not in in_texts:
                in_texts[alike] = _in_texts(alike)
            place = places_in(node.written, node.start)
            for found in in_texts[alike](node.text):
                yield _Found(place(found.start), place(found.end), found.reference, found.padded, 1)
        elif (inner := paths.through_string(here)) and (document := parse(node.text)) is not None:
            place = places_in(node.written, node.start)
            for found in in_node(document, inner):
                start, end = place(found.start), place(found.end)
                yield _Found(start, end, found.reference, found.padded, 1 + found.depth, found.quoted)

    def in_container(node: Node, here: Progress) -> Iterator[_Found]:
        is_object = node.kind == "object"
        keys = paths.keys(here) if is_object else []
        for member in node.members:
            if keys and member.key.written != '""':
                reference = spots[keys[0]].reference
                yield _Found(member.key.start, member.key.end, reference, quoted=True)
            key = member.key.text
            below = below_of(here, is_object, key if key in names else "\x00")
            if below:
                yield from in_node(member.node, below)

    def in_document(text: str) -> Iterator[_Found]:
        document = parse(text)
        if document is not None:
            yield from in_node(document, paths.start)

    return in_document
