"""Recognise a connection to the database that was lost during the work, whichever driver notices it."""

from __future__ import annotations

from edms_tasks.errors import DatabaseRefused


def lost_connection(error: Exception, where: str = "") -> DatabaseRefused | None:
    """The DatabaseRefused for an error that a lost connection caused; None for any other error."""
    from edms_tasks.databases.postgresql.connection_errors import why_lost  # SQLite has no connection that can be lost

    why = why_lost(error)
    if why is None:
        return None
    return DatabaseRefused(
        "The connection to the database was lost.",
        where=where,
        why=why,
        fix="See the server's log for the reason, and run it again.",
    )
