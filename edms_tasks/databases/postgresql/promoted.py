"""Record at the database which confirmation promoted it: a line at the end of its comment.

It is there for whoever comes from another work folder with the same confirmation. The line moves with the database when that steps
aside, and is no part of the comment that a backup records.
"""

from __future__ import annotations

import re

import psycopg

from edms_tasks.quoting import identifier, literal

_LINE = re.compile(r"\n?\[edms-backup put this live at (\S+), confirmed by (\S+)\]\Z")
_COMMENTS = """
    SELECT datname, pg_catalog.shobj_description(oid, 'pg_database') FROM pg_catalog.pg_database
    WHERE pg_catalog.shobj_description(oid, 'pg_database') IS NOT NULL
"""
_Connection = psycopg.Connection[tuple[object, ...]]


def note(connection: _Connection, name: str, stamp: str, confirmation: str) -> None:
    """Note it at a database, in the caller's transaction."""
    comments = {str(database): comment for database, comment in connection.execute(_COMMENTS.encode()).fetchall()}
    comment = without_note(comments.get(name))
    line = f"[edms-backup put this live at {stamp}, confirmed by {confirmation}]"
    text = line if comment is None else f"{comment}\n{line}"
    connection.execute(f"COMMENT ON DATABASE {identifier(name)} IS {literal(text)}".encode())


def noted(connection: _Connection, confirmation: str) -> str:
    """The stamp under which this confirmation has put a database of the server live; "" where none is there that says so."""
    for _, comment in connection.execute(_COMMENTS.encode()).fetchall():
        found = _LINE.search(str(comment))
        if found is not None and found[2] == confirmation:
            return found[1]
    return ""


def without_note(comment: object) -> str | None:
    """The comment that a database was given by others; None where there is none."""
    return _LINE.sub("", str(comment)) or None if comment is not None else None
