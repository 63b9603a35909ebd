"""The number that a server of November 2026 or later (15.20 and its like) notes for each column, and that an older pg_dump takes for an
option of the column: `ALTER TABLE ONLY t ALTER COLUMN c SET (pg_attver=26489424)`.

A pg_dump of the server's version leaves it out. It is the server's own: it is another one in each database, and servers of earlier
versions refuse it.
"""

from __future__ import annotations

import re

from edms_tasks.databases.postgresql.archive_statements import with_ends

_NAME = b"pg_attver="
_SET = re.compile(
    rb"(?P<before>\s*ALTER (?:FOREIGN )?TABLE ONLY .+ ALTER COLUMN .+ SET \()(?P<options>[^()]*)(?P<after>\);)",
    re.DOTALL,
)


def without_column_versions(definition: bytes) -> bytes:
    """The statements of a table as a pg_dump of the server's version writes them."""
    if _NAME not in definition:
        return definition
    return b"".join(map(_without, with_ends(definition)))


def _without(statement: bytes) -> bytes:
    found = _SET.fullmatch(statement)
    if found is None or _NAME not in found["options"]:
        return statement
    kept = [option for option in found["options"].split(b", ") if not option.startswith(_NAME)]
    return found["before"] + b", ".join(kept) + found["after"] if kept else b""
