"""Read the WHERE clause of a partial index that consists only of `IS NULL` and `IS NOT NULL` tests of columns."""

from __future__ import annotations

import re

_NAME = r'"((?:[^"]|"")+)"|([A-Za-z_][A-Za-z0-9_$]*)'
_TERM = re.compile(rf"(?:{_NAME})\s+IS\s+(NOT\s+)?NULL", re.IGNORECASE)


def null_tests(clause: str) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    """The columns that the clause requires to be NULL, and those it requires to be filled; None if it says anything else.

    Example:
        >>> null_tests('(("owner_id" IS NULL) AND (name IS NOT NULL))')
        (('owner_id',), ('name',))
    """
    null: list[str] = []
    filled: list[str] = []
    for term in re.split(r"\s+AND\s+", _bare(clause), flags=re.IGNORECASE):
        test = _TERM.fullmatch(_bare(term))
        if test is None:
            return None
        quoted, plain, negated = test.groups()
        name = quoted.replace('""', '"') if quoted else plain
        (filled if negated else null).append(name)
    return tuple(null), tuple(filled)


def _bare(text: str) -> str:
    """The text without blanks and parentheses around the whole."""
    text = text.strip()
    while text.startswith("(") and text.endswith(")") and _closes_last(text):
        text = text[1:-1].strip()
    return text


def _closes_last(text: str) -> bool:
    """Whether the last parenthesis closes the first one; parentheses in quoted names do not count."""
    depth, quoted = 0, False
    for position, letter in enumerate(text):
        if letter == '"':
            quoted = not quoted
        elif not quoted:
            depth += (letter == "(") - (letter == ")")
            if depth == 0:
                return position == len(text) - 1
    return False
