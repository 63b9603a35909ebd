"""Read the terms of an index from its CREATE INDEX statement."""

from __future__ import annotations

import re

_ON = re.compile(r"""\bON\s+(?:"(?:[^"]|"")+"|\[[^\]]+\]|`[^`]+`|[^\s(]+)\s*\(""", re.IGNORECASE)
_QUOTES = {'"': '"', "'": "'", "`": "`", "[": "]"}
_ORDER = re.compile(r"\s+(?:ASC|DESC)\s*$", re.IGNORECASE)


def index_terms(statement: str) -> tuple[str, ...]:
    """What an index is made of, as SQLite writes it; () if the statement cannot be read.

    Example:
        >>> index_terms('CREATE UNIQUE INDEX "u" ON "t" ((lower("a, b")), "c" COLLATE NOCASE DESC) WHERE "c" > 1')
        ('(lower("a, b"))', '"c" COLLATE NOCASE')
    """
    found = _ON.search(statement)
    if found is None:
        return ()
    terms, start, depth, closing = [], found.end(), 0, ""
    for position in range(start, len(statement)):
        letter = statement[position]
        if closing:
            closing = "" if letter == closing else closing
        elif letter in _QUOTES:
            closing = _QUOTES[letter]
        elif letter == "(":
            depth += 1
        elif letter in ",)" and depth == 0:
            terms.append(_ORDER.sub("", statement[start:position].strip()))
            start = position + 1
            if letter == ")":
                return tuple(terms)
        elif letter == ")":
            depth -= 1
    return ()
