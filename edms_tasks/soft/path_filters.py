"""Filters of paths, as SQL over a JSON value and on a document parsed in Python; both give the same result."""

from __future__ import annotations

import re

from edms_tasks.quoting import literal
from edms_tasks.soft.json_filters import All, Below, Equals, Exists, Filter, IsModel, Matches, Not, Some
from edms_tasks.soft.json_positions import Node

_NUMBERS = "('BIGINT', 'UBIGINT', 'DOUBLE', 'HUGEINT', 'UHUGEINT')"


def passes_sql(condition: Filter, value: str) -> str:
    """SQL: whether a JSON value passes a filter; never NULL."""
    match condition:
        case Not(part):
            return f"(NOT {passes_sql(part, value)})"
        case All(parts):
            return f"({' AND '.join(passes_sql(part, value) for part in parts)})"
        case Some(parts):
            return f"({' OR '.join(passes_sql(part, value) for part in parts)})"
        case Exists(place):
            return f"({_below_sql(place, value)} IS NOT NULL)"
        case Equals(place, wanted):
            return f"coalesce({_equals_sql(_below_sql(place, value), wanted)}, false)"
        case IsModel():
            raise AssertionError("a model is compared by the ids of one database: with_content_types")
        case Matches(place, expression, whole):
            found = _below_sql(place, value)
            function = "regexp_full_match" if whole else "regexp_matches"
            matches = f"{function}({found} ->> '$', {literal(expression)})"
            return f"coalesce(CASE WHEN json_type({found}) = 'VARCHAR' THEN {matches} END, false)"


def _equals_sql(found: str, wanted: str | float | bool | None) -> str:
    text = f"{found} ->> '$'"
    if wanted is None:
        return f"json_type({found}) = 'NULL'"
    if isinstance(wanted, bool):
        return f"json_type({found}) = 'BOOLEAN' AND {text} = '{str(wanted).lower()}'"
    if isinstance(wanted, str):
        return f"json_type({found}) = 'VARCHAR' AND {text} = {literal(wanted)}"
    return f"json_type({found}) IN {_NUMBERS} AND TRY_CAST({text} AS DOUBLE) = CAST({wanted!r} AS DOUBLE)"


def _below_sql(place: Below, value: str) -> str:
    for step in place.steps:
        if isinstance(step, int):
            value = f"json_extract({value}, '$[{step}]')"
        else:
            pointer = literal("/" + step.replace("~", "~0").replace("/", "~1"))
            # A pointer takes a number for a position too.
            value = f"CASE WHEN json_type({value}) = 'OBJECT' THEN json_extract({value}, {pointer}) END"
    return f"({value})"


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
