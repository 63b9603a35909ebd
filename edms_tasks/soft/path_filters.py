"""Filters of paths, as SQL over JSON values and on a document parsed in Python; both give the same result."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from edms_tasks.quoting import literal
from edms_tasks.soft.json_filters import All, Below, Equals, Exists, Filter, IsModel, Matches, Not, Some
from edms_tasks.soft.json_positions import Node

Steps = tuple[str | int, ...]
"""A place below a value: names of members, positions of elements."""

_NUMBERS = "('BIGINT', 'UBIGINT', 'DOUBLE', 'HUGEINT', 'UHUGEINT')"


@dataclass(frozen=True)
class FilteredNodes:
    """JSON values with what filters look at below each in columns of their own, so that filters that look at the same share it."""

    relation: str
    places: Mapping[Steps, str]  # place -> the prefix of its columns

    def passes(self, condition: Filter) -> str:
        """SQL: whether a value passes a filter; never NULL."""
        match condition:
            case Not(part):
                return f"(NOT {self.passes(part)})"
            case All(parts):
                return f"({' AND '.join(map(self.passes, parts))})"
            case Some(parts):
                return f"({' OR '.join(map(self.passes, parts))})"
            case Exists(place):
                return f"({self.places[place.steps]} IS NOT NULL)"
            case Equals(place, wanted):
                return f"coalesce({_equals_sql(self.places[place.steps], wanted)}, false)"
            case IsModel():
                raise AssertionError("a model is compared by the ids of one database: with_content_types")
            case Matches(place, expression, whole):
                found = self.places[place.steps]
                function = "regexp_full_match" if whole else "regexp_matches"
                matches = f"{function}({found}_text, {literal(expression)})"
                return f"coalesce(CASE WHEN {found}_kind = 'VARCHAR' THEN {matches} END, false)"


def with_filtered_places(source: str, filters: Iterable[tuple[Filter, str]]) -> FilteredNodes:
    """Extract the places that filters look at.

    Args:
        source: a relation with the JSON `value`.
        filters: each with SQL that says which of the values it is for.
    """
    needed: dict[Steps, set[str]] = {}
    compared: dict[Steps, None] = {}
    for condition, applies in filters:
        for place in _places_in(condition):
            compared[place] = None
            for end in range(len(place) + 1):
                needed.setdefault(place[:end], set()).add(applies)
    names = {place: f"p{number}" for number, place in enumerate(sorted(needed, key=len))}
    relation = source
    for depth in sorted({len(place) for place in names}):
        columns = [
            f"{_extracted(place, names, needed[place])} AS {name}"
            for place, name in names.items()
            if len(place) == depth
        ]
        relation = f"(SELECT *, {', '.join(columns)} FROM {relation})"
    if compared:
        kinds = [f"json_type({names[place]}) AS {names[place]}_kind" for place in compared]
        relation = f"(SELECT *, {', '.join(kinds)} FROM {relation})"
        texts = [
            f"CASE WHEN {names[place]}_kind NOT IN ('OBJECT', 'ARRAY') THEN {names[place]} ->> '$' END AS {names[place]}_text"
            for place in compared
        ]
        relation = f"(SELECT *, {', '.join(texts)} FROM {relation})"
    return FilteredNodes(relation, names)


def _places_in(condition: Filter) -> Iterator[Steps]:
    match condition:
        case Not(part):
            yield from _places_in(part)
        case All(parts) | Some(parts):
            for part in parts:
                yield from _places_in(part)
        case _:
            yield condition.place.steps


def _extracted(place: Steps, names: Mapping[Steps, str], applies: Iterable[str]) -> str:
    if not place:
        return f"CASE WHEN {' OR '.join(sorted(applies))} THEN value END"
    above, step = names[place[:-1]], place[-1]
    if isinstance(step, int):
        return f"json_extract({above}, '$[{step}]')"
    pointer = literal("/" + step.replace("~", "~0").replace("/", "~1"))
    # A pointer takes a number for a position too.
    return f"CASE WHEN json_type({above}) = 'OBJECT' THEN json_extract({above}, {pointer}) END"


def _equals_sql(found: str, wanted: str | float | bool | None) -> str:
    kind, text = f"{found}_kind", f"{found}_text"
    if wanted is None:
        return f"{kind} = 'NULL'"
    if isinstance(wanted, bool):
        return f"{kind} = 'BOOLEAN' AND {text} = '{str(wanted).lower()}'"
    if isinstance(wanted, str):
        return f"{kind} = 'VARCHAR' AND {text} = {literal(wanted)}"
    return f"{kind} IN {_NUMBERS} AND TRY_CAST({text} AS DOUBLE) = CAST({wanted!r} AS DOUBLE)"


def passes(node: Node, condition: Filter) -> bool:
    """Whether a node of a document passes a filter."""
    match condition:
        case Not(part):
            return not passes(node, part)
        case All(parts):
            return all(passes(node, part) for part in parts)
        case Some(parts):
            return any(passes(node, part) for part in parts)
        case Exists(place):
            return _below(place, node) is not None
        case Equals(place, wanted):
            found = _below(place, node)
            return found is not None and _equals(found, wanted)
        case IsModel():
            raise AssertionError("a model is compared by the ids of one database: with_content_types")
        case Matches(place, expression, whole):
            found = _below(place, node)
            if found is None or found.kind != "string":
                return False
            expected = re.compile(expression, re.ASCII)
            return (expected.fullmatch if whole else expected.search)(found.text) is not None


def _equals(node: Node, wanted: str | float | bool | None) -> bool:
    if wanted is None or isinstance(wanted, bool):
        return node.kind == "constant" and node.text == {None: "null", True: "true", False: "false"}[wanted]
    if isinstance(wanted, str):
        return node.kind == "string" and node.text == wanted
    return node.kind == "number" and float(node.text) == wanted


def _below(place: Below, node: Node) -> Node | None:
    found: Node | None = node
    for step in place.steps:
        if found is None:
            return None
        if isinstance(step, int):
            elements = found.members if found.kind == "array" else []
            found = elements[step].node if step < len(elements) else None
        else:
            members = found.members if found.kind == "object" else []
            found = next((one.node for one in members if one.key.text == step), None)
    return found
