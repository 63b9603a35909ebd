"""What libraries raise that a person can act upon: a lost connection, a memory limit. Each becomes an error of ours."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from edms_tasks.errors import EdmsBackupError

P = ParamSpec("P")
Made = TypeVar("Made")


def naming_failures(work: Callable[P, Made], title: Callable[P, str]) -> Callable[P, Made]:
    """Let a function raise our error where a library raises one that we know; `title` says what the function works on."""

    @wraps(work)
    def named(*args: P.args, **kwargs: P.kwargs) -> Made:
        try:
            return work(*args, **kwargs)
        except EdmsBackupError:
            raise
        except Exception as error:
            if known := known_failure(error, title(*args, **kwargs)):
                raise known from error
            raise

    return named


def known_failure(error: Exception, title: str) -> EdmsBackupError | None:
    """Our error for a library's; None for one that is nobody's fault but ours."""
    # Here, since nothing of this is needed where nothing fails.
    from edms_tasks.databases.lost import lost_connection
    from edms_tasks.scratch.exhausted import exhausted

    return lost_connection(error) or exhausted(error, title)
