"""Paths into JSON for declared soft references: `$.document_ids[*]`, `$.by_document.*~`.

They are a small part of JSONPath in which each step goes down one level: a member by name (`.name`, `."any name"`), any
member (`.*`), an element by position (`[0]`) or any element (`[*]`). A `~` at the end, after `.*`, selects the members'
keys instead of their values.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

_STEP = re.compile(r'\.(?P<quoted>"(?:[^"\\]|\\.)*")|\.(?P<any>\*)|\.(?P<name>[^\s.\[\]*~"]+)|\[(?P<index>\*|\d+)\]')


@dataclass(frozen=True)
class Step:
    """One step down: to an object's member by name, or to an array's element by position. The name None means any."""

    into: str  # "object" | "array"
    name: str | None


@dataclass(frozen=True)
class JsonPath:
    """The position of ids in a JSON document."""

    steps: tuple[Step, ...]
    keys: bool  # the keys of the last step's members are the ids, not their values


def parse_json_path(text: str) -> JsonPath:
    """Parse a path; raises ValueError with a reason if it is not valid."""
    if not text.startswith("$"):
        raise ValueError("a path begins with $, which is the whole document")
    keys = text.endswith("~")
    rest = text[1:-1] if keys else text[1:]
    steps: list[Step] = []
    while rest:
        found = _STEP.match(rest)
        if found is None:
            raise ValueError(f'{rest!r} is not a step; steps are .name, ."any name", .*, [*] and [0]')
        steps.append(_step(found))
        rest = rest[found.end() :]
    if not steps:
        raise ValueError("it names the whole document; for a value that is an id, omit `json`")
    if keys and steps[-1] != Step("object", None):
        raise ValueError("~ means the keys of members, so it stands after .*")
    return JsonPath(tuple(steps), keys)


def _step(found: re.Match[str]) -> Step:
    if found["index"] is not None:
        # As a number, so that [007] is [7].
        return Step("array", None if found["index"] == "*" else str(int(found["index"])))
    if found["any"] is not None:
        return Step("object", None)
    return Step("object", json.loads(found["quoted"]) if found["quoted"] is not None else found["name"])
