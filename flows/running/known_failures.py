"""Turn exceptions of libraries that users can act on into our errors: a lost connection, a memory limit."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from edms_tasks.errors import EdmsBackupError, TerminalError

P = ParamSpec("P")
Made = TypeVar("Made")


def with_known_failures(work: Callable[P, Made], title: Callable[P, str]) -> Callable[P, Made]:
    """Make a function raise our error instead of a known exception of a library; `title` says what the function works on."""

    @wraps(work)
    def named(*args: P.args, **kwargs: P.kwargs) -> Made:
        try:
            return work(*args, **kwargs)
        except EdmsBackupError as error:
            if lost := _lost_below(error):
                raise lost from error
            raise
        except Exception as error:
            if known := known_failure(error, title(*args, **kwargs)):
                raise known from error
            raise

    return named


def _lost_below(error: EdmsBackupError) -> EdmsBackupError | None:
    """The lost connection that was taken for a refusal of the database; None if nothing of the kind is the cause."""
    from edms_tasks.databases.lost_connection import lost_connection

    cause = error.__cause__
    return (
        lost_connection(cause, error.where) if type(error) is TerminalError and isinstance(cause, Exception) else None
    )


def known_failure(error: Exception, title: str) -> EdmsBackupError | None:
    """Our error for a library's exception; None if users cannot act on it."""
    # Imported here, because they are needed only after a failure.
    from edms_tasks.databases.lost_connection import lost_connection
    from edms_tasks.scratch.resource_limits import exhausted

    return lost_connection(error) or exhausted(error, title)
