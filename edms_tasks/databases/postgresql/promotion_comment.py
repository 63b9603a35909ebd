"""Record at the database which confirmation promoted it: a line at the end of its comment.

So a run with another work folder sees that the confirmation was used. The line stays with the database when it is renamed, and is not
part of the comment that a backup records.
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
    """Add the line to a database's comment, in the caller's transaction."""
    comments = {str(database): comment for database, comment in connection.execute(_COMMENTS.encode()).fetchall()}
    comment = without_note(comments.get(name))
    line = f"[edms-backup put this live at {stamp}, confirmed by {confirmation}]"
    text = line if comment is None else f"{comment}\n{line}"
    connection.execute(f"COMMENT ON DATABASE {identifier(name)} IS {literal(text)}".encode())


def noted(connection: _Connection, confirmation: str) -> str:
    """The stamp of the promotion that this confirmation confirmed, from the comments of all databases; "" if there is none."""
    for _, comment in connection.execute(_COMMENTS.encode()).fetchall():
        found = _LINE.search(str(comment))
        if found is not None and found[2] == confirmation:
            return found[1]
    return ""


def without_note(comment: object) -> str | None:
    """A database's comment without our line; None if nothing is left."""
    return _LINE.sub("", str(comment)) or None if comment is not None else None
