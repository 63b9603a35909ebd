"""SQL identifiers and literals, quoted the standard way (PostgreSQL, SQLite and DuckDB agree on it)."""

from __future__ import annotations

import re
from collections.abc import Iterable


def identifier(*parts: str | None) -> str:
    """`identifier("public", 'my"table')` -> `"public"."my""table"`; None parts are left out."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in parts if part is not None)


def literal(text: str) -> str:
    """The text as a quoted string literal."""
    return "'" + text.replace("'", "''") + "'"


def identifiers(names: Iterable[str]) -> str:
    """Names as a comma-separated list of quoted identifiers."""
    return ", ".join(identifier(name) for name in names)


def mentions(expression: str, name: str) -> bool:
    """Whether a name is among the words of an SQL expression. It may be in a text, or be that of something else."""
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", expression) is not None
