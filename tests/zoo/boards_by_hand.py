"""What boards say, by names: each reference is followed as the EDMS would follow it, with json and regular expressions alone."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

Named = Callable[[str, int | None], str | None]
"""From a model and an id to the name of its row."""

READ = (
    "SELECT name, CAST(stream AS text), stored, query, CAST(shown AS text), padded_document_id, exact_document_id, "
    "document_trail, memo_id FROM small_board"
)


def board_said(row: tuple[Any, ...], named: Named) -> dict[str, Any]:
    """What a row of `READ` says after its name."""
    stream, stored, query, shown, padded, exact, trail, memo = row
    return {
        "stream": [_block(one, named) for one in json.loads(stream)],
        "stored": [_block(one, named) for one in json.loads(json.loads(stored)["body"])],
        "query": _query(json.loads(query), named) if query else None,
        "shown": [named("tag", int(one[4:])) if one.startswith("tag_") else one for one in json.loads(shown)],
        "padded": (len(padded), named("document", int(padded))) if padded else None,
        "exact": None if exact is None else (float(exact).is_integer(), named("document", int(exact))),
        "trail": [named("document", int(one)) for one in trail.strip("/").split("/") if one],
        "memo": named("memo", memo),
    }


def _block(block: dict[str, Any], named: Named) -> tuple[str, Any]:
    kind, value = block["type"], block["value"]
    if kind == "group":
        return kind, [_block(one, named) for one in value]
    if kind == "text":
        ids = re.findall(r'<a id="(\d+)"', value)
        return kind, (re.sub(r'(?<=<a id=")\d+', "", value), [named("document", int(one)) for one in ids])
    return kind, value if kind == "heading" else named(kind, value)


def _query(node: list[Any], named: Named) -> list[Any]:
    if node[0] in ("AND", "OR"):
        return [node[0], [_query(one, named) for one in node[1]]]
    tag, operator, operand = node
    return [named("tag", tag), operator, operand if operand is True else [named("document", one) for one in operand]]
