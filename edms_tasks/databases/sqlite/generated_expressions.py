"""The expressions of a SQLite table's generated columns. No pragma has them, so they are read from its CREATE TABLE statement."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from itertools import pairwise

_TOKEN = re.compile(
    r"""\s+|--[^\n]*|/\*.*?(?:\*/|\Z)|'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]|[\w$]+|.""", re.DOTALL
)
_QUOTES = {'"': '"', "`": "`", "[": "]"}


def generated_expressions(connection: sqlite3.Connection, name: str, columns: Sequence[str]) -> dict[str, str]:
    """Generated column -> its expression, for those of `columns` for which the table's statement has one."""
    row = connection.execute("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?", [name]).fetchone()
    if not columns or row is None:
        return {}
    wanted = {column.lower(): column for column in columns}
    return {
        wanted[column.lower()]: expression
        for column, expression in map(_column, _parts(row[0]))
        if expression and column.lower() in wanted
    }


def _parts(statement: str) -> list[list[str]]:
    """The tokens of each column and constraint between the statement's outer parentheses; comments are blanks."""
    parts: list[list[str]] = [[]]
    depth = 0
    for word in _TOKEN.findall(statement):
        depth -= word == ")"
        if depth == 1 and word == ",":
            parts.append([])
        elif depth >= 1:
            parts[-1].append(" " if word.startswith(("--", "/*")) else word)
        depth += word == "("
    return parts


def _column(tokens: Sequence[str]) -> tuple[str, str]:
    """A column's name and its expression; "" if it has none."""
    words = [(place, word) for place, word in enumerate(tokens) if word.strip()]
    name = _unquoted(words[0][1]) if words else ""
    depth, begin = 0, 0
    for (_, before), (place, word) in pairwise(words):
        depth -= word == ")"
        if begin and not depth:
            return name, "".join(tokens[begin:place]).strip()
        if word == "(" and not depth and before.upper() == "AS":
            begin = place + 1
        depth += word == "("
    return name, ""


def _unquoted(name: str) -> str:
    if name[:1] in _QUOTES:
        end = _QUOTES[name[0]]
        return name[1:-1].replace(end * 2, end)
    return name
