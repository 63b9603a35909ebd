"""Tags in rich text whose attribute is an id, as declarations spell them: `<a linktype="page" id="%d">`.

The declared attributes may stand in any order, among others, and in either kind of quotes. All is read by regular expressions
that DuckDB (RE2) and Python understand alike.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from edms_tasks.inventory.model import IdKind
from edms_tasks.soft.id_patterns import id_expression

_BLANK = r" \t\n\f\r"
ATTRIBUTE = rf"""([^{_BLANK}/<>"'=]+)[{_BLANK}]*=[{_BLANK}]*("[^"]*"|'[^']*'|[^{_BLANK}"'>]+)"""
"""An attribute with a value; two groups, its name and its value with its quotes."""
_DECLARED = re.compile(
    rf"""<([A-Za-z][A-Za-z0-9:-]*)((?:[{_BLANK}]+{ATTRIBUTE.replace("(", "(?:", 1)})+)[{_BLANK}]*/?>"""
)


@dataclass(frozen=True)
class TagPattern:
    """A tag with an id: its element, the attributes that it must have, and the attribute that is the id; names in lower case."""

    element: str
    fixed: tuple[tuple[str, str], ...]
    attribute: str
    id_expression: str  # a regular expression for the whole value


def tag_pattern(tag: str, kind: IdKind) -> TagPattern:
    """Parse a declared tag.

    Raises:
        ValueError: it is not an opening tag, or not exactly one of its attributes is an id.
    """
    found = _DECLARED.fullmatch(tag.strip())
    if found is None:
        raise ValueError('it must be one opening tag whose attributes have values: <a linktype="page" id="%d">')
    fixed: list[tuple[str, str]] = []
    ids: list[tuple[str, str]] = []
    for name, value in re.findall(ATTRIBUTE, found[2]):
        plain = unquoted(value)
        expression = id_expression(plain, kind)
        if expression is not None:
            ids.append((name.lower(), expression))
        elif "%d" in plain or "%s" in plain:
            raise ValueError(f"the id is the whole value of its attribute, and {plain!r} is more than that")
        else:
            fixed.append((name.lower(), plain))
    if len(ids) != 1:
        raise ValueError("exactly one attribute must be the id: %d for a number, %s for a word or a UUID")
    names = [name for name, _ in (*fixed, *ids)]
    if len(set(names)) < len(names):
        raise ValueError("it has an attribute twice")
    return TagPattern(found[1].lower(), tuple(fixed), *ids[0])


def unquoted(value: str) -> str:
    """An attribute's value without its quotes."""
    return value[1:-1] if value[:1] in ('"', "'") else value


def tags_of(elements: set[str]) -> str:
    """The regular expression of opening tags of these elements, attributes included; its group is the element's name."""
    names = "|".join("".join(_either_case(letter) for letter in name) for name in sorted(elements))
    return rf"""<({names})[{_BLANK}/](?:"[^"]*"|'[^']*'|[^"'>])*>"""


def _either_case(letter: str) -> str:
    return f"[{letter}{letter.upper()}]" if letter.isalpha() else re.escape(letter)
