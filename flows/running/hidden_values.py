"""Errors of a run say no value of a row if the settings name columns whose values must not be shown."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, TypeVar

from edms_tasks.errors import EdmsBackupError

if TYPE_CHECKING:
    from flows.running.run import Run

Request = TypeVar("Request")
Result = TypeVar("Result")


def with_hidden_values(verb: Callable[[Run, Request], Result]) -> Callable[[Run, Request], Result]:
    """Make a verb's errors leave out what a database or the EDMS quotes of rows, if `[validate] sensitive` names any column.

    Which column a quoted value is of is not known here.
    """

    @wraps(verb)
    def run_silently(run: Run, request: Request) -> Result:
        try:
            return verb(run, request)
        except EdmsBackupError as error:
            if run.settings.validate_.sensitive:
                from edms_tasks.databases.quoted_values import without_quoted_values  # needed only after a failure

                error.why = without_quoted_values(error.why)
            raise

    return run_silently
