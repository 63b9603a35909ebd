"""The definitions of a SQLite file: the statements of `sqlite_master`, and the pragmas stored in the file's header.

Statements are compared token by token, so that layout and comments make no difference.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from edms_tasks.databases.protocol import CapturedSchema, Definition
from edms_tasks.errors import CheckFailed
from edms_tasks.json_text import parsed_json

PRAGMAS = ("encoding", "page_size", "auto_vacuum", "user_version", "application_id", "default_cache_size")
_STATISTICS = "sqlite_stat1"
_TOKEN = re.compile(
    r"""(?P<blank>\s+|--[^\n]*|/\*.*?(?:\*/|\Z))"""
    r"""|'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]|[\w$]+|[<>=!|]+|.""",
    re.DOTALL,
)
# Words that cannot be names without quotes; they are compared without regard to case.
_KEYWORDS = {
    "ALL", "AND", "AS", "AUTOINCREMENT", "BETWEEN", "CASE", "CHECK", "COLLATE", "COMMIT", "CONSTRAINT", "CREATE",
    "DEFAULT", "DEFERRABLE", "DELETE", "DISTINCT", "DROP", "ELSE", "ESCAPE", "EXISTS", "FOREIGN", "FROM", "GROUP",
    "HAVING", "IN", "INDEX", "INSERT", "INTERSECT", "INTO", "IS", "ISNULL", "JOIN", "LIMIT", "NOT", "NOTNULL",
    "NULL", "ON", "OR", "ORDER", "PRIMARY", "REFERENCES", "SELECT", "SET", "TABLE", "THEN", "TO", "TRANSACTION",
    "UNION", "UNIQUE", "UPDATE", "USING", "VALUES", "WHEN", "WHERE",
}  # fmt: skip


def read_definitions(schema: CapturedSchema) -> tuple[Definition, ...]:
    """Everything that a captured schema creates or sets. Raises CheckFailed if it cannot be read."""
    try:
        made = parsed_json(schema.path.read_text(encoding="utf-8"))["objects"]
        statements = [(str(one["type"]), str(one["name"]), str(one["sql"])) for one in made]
    except (ValueError, KeyError, TypeError) as error:
        raise CheckFailed(
            "The snapshot's SQLite schema cannot be read.", where=str(schema.path), why=str(error)
        ) from error
    return (*_of_objects(statements), *_of_the_file(schema.settings))


def _of_objects(statements: list[tuple[str, str, str]]) -> Iterator[Definition]:
    for kind, name, sql in statements:
        if not name.startswith("sqlite_"):
            yield Definition(f"{kind.upper()} {name}", sql, " ".join(_tokens(sql)))
        elif name == _STATISTICS:  # the other statistics tables depend on how SQLite was built
            yield Definition("STATISTICS", "ANALYZE was run", "")


def _of_the_file(settings: dict[str, str]) -> Iterator[Definition]:
    for pragma in PRAGMAS:
        if pragma in settings:
            yield Definition(f"PRAGMA {pragma}", settings[pragma], settings[pragma])
    mode = "wal" if settings.get("journal_mode") == "wal" else "delete"  # other modes are not stored in the file
    yield Definition("PRAGMA journal_mode", mode, mode)


def _tokens(sql: str) -> Iterator[str]:
    for token in _TOKEN.finditer(sql):
        if token["blank"] is None:
            word = token.group()
            yield word.upper() if word.upper() in _KEYWORDS else word
