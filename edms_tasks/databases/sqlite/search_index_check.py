"""Check whether SQLite's search indexes match their rows, by each kind's own integrity check.

The checks are INSERT statements that write nothing. They run on a private copy.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator

from edms_tasks.findings import make_finding
from edms_tasks.inventory.model import Finding
from edms_tasks.quoting import identifier, literal

_MODULE = re.compile(r"\bUSING\s+[\"'`\[]?(\w+)", re.IGNORECASE)


def check_search_indexes(connection: sqlite3.Connection) -> Iterator[Finding]:
    """A finding for each index that can be checked: whether it passed."""
    found = connection.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND sql LIKE 'CREATE VIRTUAL%' ORDER BY name"
    ).fetchall()
    for name, sql in found:
        module = _MODULE.search(sql)
        statement = _check_of(module.group(1).lower() if module else "", name)
        if statement is None:
            continue
        try:
            answer = connection.execute(statement).fetchone()
            problem = "" if answer in (None, ("ok",)) else str(answer[0])
        except sqlite3.Error as error:
            if "no such" in str(error) or "unknown tokenizer" in str(error):
                continue  # only the EDMS has its module or tokenizer, so it cannot be checked here
            problem = str(error)
        finally:
            connection.rollback()
        yield _finding(name, problem)


def _check_of(module: str, name: str) -> str | None:
    table = identifier(name)
    if (
        module == "fts5"
    ):  # https://www.sqlite.org/fts5.html#the_integrity_check_command; rank 1 reads the indexed table too
        return f"INSERT INTO {table} ({table}, rank) VALUES ('integrity-check', 1)"
    if module in ("fts3", "fts4"):
        return f"INSERT INTO {table} ({table}) VALUES ('integrity-check')"
    if module in ("rtree", "rtree_i32"):
        return f"SELECT rtreecheck('main', {literal(name)})"
    return None


def _finding(name: str, problem: str) -> Finding:
    if not problem:
        return make_finding("search-index-checked", name)
    return make_finding(
        "search-index-inconsistent",
        name,
        f"The search index does not match its rows ({problem[:200]}): searches miss rows or find others. It is restored as it is.",
    )
