"""A connection to a database that ends in the middle of the work: an error of its own, whichever driver noticed."""

from __future__ import annotations

from edms_tasks.errors import DatabaseRefused


def lost_connection(error: Exception, where: str = "") -> DatabaseRefused | None:
    """The error for a connection that is gone; None for any other error. Any statement may be the one that notices."""
    from edms_tasks.databases.postgresql.lost import why_lost  # SQLite has no connection to lose

    why = why_lost(error)
    if why is None:
        return None
    return DatabaseRefused(
        "The connection to the database was lost.",
        where=where,
        why=why,
        fix="See the server's log for the reason, and run it again.",
    )
