"""Errors that quote no values of rows: where the settings name sensitive columns, and where an orchestrator records what is raised.

Which column a quoted value is of is not known here, so all of them are left out.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from edms_tasks.errors import EdmsBackupError

if TYPE_CHECKING:
    from edms_tasks.settings import Settings
    from flows.running.run import Run

P = ParamSpec("P")
Made = TypeVar("Made")
Request = TypeVar("Request")
Result = TypeVar("Result")


def with_hidden_values(verb: Callable[[Run, Request], Result]) -> Callable[[Run, Request], Result]:
    """Make a verb's errors leave out what a database or the EDMS quotes of rows, if `[validate] sensitive` names any column."""

    @wraps(verb)
    def run_silently(run: Run, request: Request) -> Result:
        try:
            return verb(run, request)
        except Exception as error:
            if run.settings.validate_.sensitive:
                leave_out_values(error)
            raise

    return run_silently


def with_no_values(work: Callable[P, Made]) -> Callable[P, Made]:
    """Make a function's errors leave them out whatever the settings say: a server records them, with their tracebacks."""

    @wraps(work)
    def work_silently(*args: P.args, **kwargs: P.kwargs) -> Made:
        try:
            return work(*args, **kwargs)
        except Exception as error:
            leave_out_values(error)
            raise

    return work_silently


def output_to_show(output: str, settings: Settings) -> str:
    """What a command of the EDMS said, without the values that it quotes if `[validate] sensitive` names any column."""
    if not settings.validate_.sensitive:
        return output
    from edms_tasks.databases.quoted_values import without_quoted_values

    return without_quoted_values(output)


def leave_out_values(error: BaseException) -> None:
    """Take quoted values out of an error, and out of those that led to it: a traceback shows them all."""
    from edms_tasks.databases.quoted_values import without_quoted_values  # needed only after a failure

    found: list[BaseException] = [error]
    for one in found:
        if isinstance(one, EdmsBackupError):
            one.why = without_quoted_values(one.why)
            one.args = (str(one),)
        elif any(isinstance(text, str) for text in one.args):
            one.args = tuple(without_quoted_values(text) if isinstance(text, str) else text for text in one.args)
        found += [led for led in (one.__cause__, one.__context__) if led is not None and led not in found]
