"""Paths into JSON, as declarations of soft references spell them: `$.document_ids[*]`, `$..[?@.type == "image"].value`.

A part of JSONPath (RFC 9535), chosen so that all documents can be walked at once, level by level: a member by name, any member
(`.*`), an element by position, any element (`[*]`), members and elements by a filter, and each of these at any depth (`..`). Three
additions: `.json()` goes into a string that is JSON itself, `(?…)` goes on with the value itself if it passes a filter, and a `~` at
the end, after `.*`, means the members' keys.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from edms_tasks.soft.json_filters import Filter, parse_filter, unquoted, with_content_types

_STEP = re.compile(
    r"""(?P<string>\.json\(\))
        |(?P<deep>\.\.)?(?:
            (?P<filter>[\[(]\s*\?)
            |\[\s*(?:(?P<index>\*|\d+)|(?P<name_in>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'))\s*\]
            |(?(deep)|\.)(?:(?P<quoted>"(?:[^"\\]|\\.)*")|(?P<any>\*)|(?P<name>[^\s.\[\]*~"]+))
        )""",
    re.VERBOSE,
)
_STEPS = (
    'steps are .name, ."any name", .*, [*], [0], [?@.name == "value"] and (?@.name == "value"), each of them after a further . '
    "at any depth, and .json()"
)


@dataclass(frozen=True)
class Step:
    """One level down: into an object by name, into an array by position (None stands for any), or into either.

    Or none down: into a string that is JSON and has the same below it as it would have without the quotes, or on with the value
    itself, if it passes a filter.
    """

    into: Literal["object", "array", "either", "string", "self"]
    name: str | None
    condition: Filter | None = None
    deep: bool = False  # at any depth below, not only the next


@dataclass(frozen=True)
class JsonPath:
    """A path to the ids in a document."""

    steps: tuple[Step, ...]
    keys: bool  # the keys of the last step's members are the ids, not their values


def path_in(path: JsonPath, ids: Callable[[str], Sequence[str]]) -> JsonPath:
    """A path as it is in one database: with the ids of content types where its filters name models."""
    steps = tuple(
        step if step.condition is None else replace(step, condition=with_content_types(step.condition, ids))
        for step in path.steps
    )
    return replace(path, steps=steps)


def parse_json_path(text: str) -> JsonPath:
    """Parse a path; raises ValueError with what is wrong with it."""
    if not text.startswith("$"):
        raise ValueError("a path begins with $, which is the whole document")
    keys = text.endswith("~")
    end = len(text) - keys
    steps: list[Step] = []
    position = 1
    while position < end:
        found = _STEP.match(text, position, end)
        if found is None:
            raise ValueError(f"{text[position:end]!r} is not a step; {_STEPS}{_instead(text[position:end])}")
        position = found.end()
        if found["filter"]:
            below = found["filter"].startswith("[")
            condition, closing = parse_filter(text, position, "]" if below else ")")
            position = closing + 1
            deep = bool(found["deep"])
            if below:
                steps.append(Step("either", None, deep=deep))
            steps.append(Step("self", None, condition, deep=deep and not below))
        else:
            steps.append(_step(found))
    if not steps:
        raise ValueError("it names the whole document; for a value that is an id, omit `json`")
    if keys and (steps[-1].into, steps[-1].name) != ("object", None):
        raise ValueError("~ means the keys of members, so it stands after .*")
    if all(step.into in ("self", "string") and not step.deep for step in steps):
        raise ValueError("it names the whole document; for a value that is an id, omit `json`")
    if steps[-1].into == "string":
        raise ValueError("behind .json() it must say where in that JSON the ids are")
    return JsonPath(tuple(steps), keys)


def _step(found: re.Match[str]) -> Step:
    deep = bool(found["deep"])
    if found["string"]:
        return Step("string", None)
    if found["index"] is not None:
        # A position is compared as the number it is: [007] is [7].
        return Step("array", None if found["index"] == "*" else str(int(found["index"])), deep=deep)
    if found["any"] is not None:
        return Step("object", None, deep=deep)
    if found["name_in"] is not None:
        return Step("object", unquoted(found["name_in"]), deep=deep)
    return Step("object", json.loads(found["quoted"]) if found["quoted"] is not None else found["name"], deep=deep)


def _instead(rest: str) -> str:
    """What to write for the parts of JSONPath that this has not."""
    if re.match(r"\.{0,2}\[-", rest):
        return ". Positions from the end are not supported"
    if re.match(r"\.{0,2}\[[\d\s]*:", rest):
        return ". Ranges of positions are not supported; [*] means every element"
    if re.match(r"\.{0,2}\[[^?\]]*,", rest):
        return ". For several names or positions declare the reference several times"
    return ""
