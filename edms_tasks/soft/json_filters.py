"""Filters in paths into JSON: `[?@.type == "image"]`. A member or element is chosen by what stands inside it.

The grammar is a part of RFC 9535's: comparison of a place below `@` with a literal, by `==` and `!=`; whether a place is there;
`match` and `search`, and our own `model`; `&&`, `||`, `!` and parentheses. `@.` may be left out in front of a name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn

Literal = str | float | bool | None
"""What a place is compared with; whole numbers are floats too."""


@dataclass(frozen=True)
class Below:
    """A place below the member or element: names of members, positions of elements; () is the value itself."""

    steps: tuple[str | int, ...]


@dataclass(frozen=True)
class Exists:
    """True if the place exists, whatever its value."""

    place: Below


@dataclass(frozen=True)
class Equals:
    """True if the place exists and has this value."""

    place: Below
    value: Literal


@dataclass(frozen=True)
class Matches:
    """True if the place is a string that matches a regular expression, as a whole or in part."""

    place: Below
    expression: str
    whole: bool


@dataclass(frozen=True)
class IsModel:
    """True if the place is the content type of a model: its id, or the model's name."""

    place: Below
    model: str  # "documents.Document"


@dataclass(frozen=True)
class Not:
    """True if its part is false."""

    part: Filter


@dataclass(frozen=True)
class All:
    """True if each part is true."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True)
class Some:
    """True if at least one part is true."""

    parts: tuple[Filter, ...]


Filter = Exists | Equals | Matches | IsModel | Not | All | Some

_NAME = r"[^\W\d][\w-]*"
_TOKEN = re.compile(
    r"""\s*(?:
        (?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
        |(?P<number>-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)
        |(?P<mark>&&|\|\||==|!=|<=|>=|[!()<>\[\],.@$*])
        |(?P<name>"""
    + _NAME
    + r""")
    )""",
    re.VERBOSE,
)
# What the two that read them (DuckDB's RE2 and Python) do not have, or read in two ways.
_NOT_EVERYWHERE = re.compile(r"\(\?|\\[1-9AbBzZC]|(?<!\\)[$^](?![^\[]*\])|(?<=[^\\\[])\^(?![^\[]*\])")
_CONSTANTS: dict[str, Literal] = {"true": True, "false": False, "null": None}


def parse_filter(text: str, start: int, closing: str) -> tuple[Filter, int]:
    """The filter that begins behind `[?` or `(?`, and the position of the bracket that closes it; raises ValueError."""
    reader = _Reader(text, start)
    found = reader.either()
    if reader.peek() != closing:
        reader.fail(f"{closing} or an operator is expected")
    return found, reader.position


def with_content_types(condition: Filter, ids: Callable[[str], Sequence[str]]) -> Filter:
    """The filter with `model(…)` as comparisons; `ids` are those of a model's content type in one database, as text."""
    match condition:
        case Not(part):
            return Not(with_content_types(part, ids))
        case All(parts):
            return All(tuple(with_content_types(part, ids) for part in parts))
        case Some(parts):
            return Some(tuple(with_content_types(part, ids) for part in parts))
        case IsModel(place, model):
            app, _, name = model.partition(".")
            below = place.steps
            pairs = [
                All((Equals(Below((*below, first)), app), Equals(Below((*below, second)), name.lower())))
                for first, second in ((0, 1), ("app_label", "model"))
            ]
            numbers = [Equals(place, value) for one in ids(model) for value in (float(one), one)]
            labels = [Equals(place, label) for label in dict.fromkeys((model, model_label(model)))]
            return Some((*numbers, *labels, *pairs))
        case _:
            return condition


def models_in(condition: Filter) -> set[str]:
    """The models that a filter names."""
    match condition:
        case Not(part):
            return models_in(part)
        case All(parts) | Some(parts):
            return {model for part in parts for model in models_in(part)}
        case IsModel(_, model):
            return {model}
        case _:
            return set()


def model_label(model: str) -> str:
    """A model's name as content types have it: `documents.document`."""
    app, _, name = model.partition(".")
    return f"{app}.{name.lower()}"


def unquoted(text: str) -> str:
    """The string that a literal in single or double quotes spells."""
    if text.startswith("'"):
        inner = text[1:-1].replace("\\'", "'").replace('"', '\\"')
        text = f'"{inner}"'
    try:
        return str(json.loads(text))
    except ValueError as error:
        raise ValueError(f"{text} is not a string as JSON spells it") from error


class _Reader:
    """A parser by recursive descent: one method for each rule."""

    def __init__(self, text: str, position: int) -> None:
        self._text = text
        self.position = position
        self._found: re.Match[str] | None = None
        self._look()

    def _look(self) -> None:
        self._found = _TOKEN.match(self._text, self.position)

    def peek(self) -> str:
        """The next token, without consuming it; "" at the end. The position is then at the token."""
        if self._found is None:
            return ""
        mark = self._found[0].lstrip()
        self.position = self._found.end() - len(mark)
        return mark

    def take(self) -> re.Match[str]:
        """The next token, consumed."""
        if self._found is None:
            self.fail("the filter ends too early, or has a character that no filter has")
        found = self._found
        self.position = found.end()
        self._look()
        return found

    def fail(self, why: str) -> NoReturn:
        rest = self._text[self.position :].strip()
        raise ValueError(f"the filter is not understood at {rest[:40]!r}: {why}")

    def either(self) -> Filter:
        parts = [self.both()]
        while self.peek() == "||":
            self.take()
            parts.append(self.both())
        return parts[0] if len(parts) == 1 else Some(tuple(parts))

    def both(self) -> Filter:
        parts = [self.one()]
        while self.peek() == "&&":
            self.take()
            parts.append(self.one())
        return parts[0] if len(parts) == 1 else All(tuple(parts))

    def one(self) -> Filter:
        mark = self.peek()
        if mark == "!":
            self.take()
            return Not(self.one())
        if mark == "(":
            self.take()
            inner = self.either()
            self.require(")")
            return inner
        if mark in ("match", "search"):
            return self.function(whole=mark == "match")
        if mark == "model" and re.match(r"model\s*\(", self._text[self.position :]):
            return self.model()
        return self.comparison()

    def function(self, *, whole: bool) -> Filter:
        self.take()
        self.require("(")
        place = self.place()
        self.require(",")
        if self._found is None or self._found["string"] is None:
            self.fail("a regular expression in quotes is expected")
        expression = unquoted(self.take()["string"])
        if _NOT_EVERYWHERE.search(expression):
            self.fail(f"{expression!r} has an anchor, a reference or a (?…) group, which these expressions cannot have")
        try:
            re.compile(expression)
        except re.error as error:
            self.fail(f"{expression!r} is not a regular expression ({error})")
        self.require(")")
        return Matches(place, expression, whole)

    def model(self) -> Filter:
        self.take()
        self.require("(")
        place = self.place()
        self.require(",")
        if self._found is None or self._found["string"] is None:
            self.fail('a model in quotes is expected: model(@.content_type, "documents.Document")')
        label = unquoted(self.take()["string"])
        if not re.fullmatch(r"\w+\.\w+", label):
            self.fail(f"{label!r} is no model: app.Model is expected")
        self.require(")")
        return IsModel(place, label)

    def comparison(self) -> Filter:
        place = self.place()
        operator = self.peek()
        if operator in ("<", ">", "<=", ">="):
            self.fail("places are compared by == and != only")
        if operator not in ("==", "!="):
            return Exists(place)
        self.take()
        equal = Equals(place, self.literal())
        return equal if operator == "==" else Not(equal)

    def literal(self) -> Literal:
        found = self._found
        if found is not None and found["string"] is not None:
            return unquoted(self.take()["string"])
        if found is not None and found["number"] is not None:
            return float(self.take()["number"])
        if found is None or found["name"] not in _CONSTANTS:
            self.fail('a place is compared with a string, a number, true, false or null: @.type == "image"')
        return _CONSTANTS[self.take()["name"]]

    def place(self) -> Below:
        steps: list[str | int] = []
        found = self._found
        if found is not None and found["name"] and found["name"] not in _CONSTANTS:
            steps.append(self.take()["name"])  # `type` for `@.type`
        elif self.peek() == "@":
            self.take()
        else:
            self.fail("a place below the member or element is expected first: @.type, @[0] or @")
        while (mark := self.peek()) in (".", "["):
            self.take()
            steps.append(self.name() if mark == "." else self.bracket())
        return Below(tuple(steps))

    def name(self) -> str:
        if self._found is None or not (self._found["name"] or self._found["string"]):
            self.fail("a name is expected")
        found = self.take()
        return unquoted(found["string"]) if found["string"] else found["name"]

    def bracket(self) -> str | int:
        found = self._found
        if found is None or not (found["string"] or (found["number"] or "").isdigit()):
            self.fail('a name in quotes or a position is expected: @["type"] or @[0]')
        found = self.take()
        self.require("]")
        return unquoted(found["string"]) if found["string"] else int(found["number"])

    def require(self, mark: str) -> None:
        if self.peek() != mark:
            self.fail(f"{mark} is expected")
        self.take()
