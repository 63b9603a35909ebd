"""A connection to a database that ends in the middle of the work: an error of its own, whichever driver noticed."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from edms_tasks.errors import DatabaseRefused, EdmsBackupError

P = ParamSpec("P")
Made = TypeVar("Made")


def naming_lost_connections(work: Callable[P, Made]) -> Callable[P, Made]:
    """Let a function raise DatabaseRefused where a driver says that its connection is gone.

    Each driver has words of its own for it, and any statement may be the one that notices.
    """

    @wraps(work)
    def named(*args: P.args, **kwargs: P.kwargs) -> Made:
        try:
            return work(*args, **kwargs)
        except EdmsBackupError:
            raise
        except Exception as error:
            if why := _why_lost(error):
                raise lost_connection(why) from error
            raise

    return named


def lost_connection(why: str, where: str = "") -> DatabaseRefused:
    """The error for it."""
    return DatabaseRefused(
        "The connection to the database was lost.",
        where=where,
        why=why,
        fix="See the server's log for the reason, and run it again.",
    )


def _why_lost(error: Exception) -> str | None:
    from edms_tasks.databases.postgresql.lost import why_lost  # SQLite has no connection to lose

    return why_lost(error)
