"""Run the commands of `[hooks]` around a verb.

Once the first command of `before` has begun, those of `after` run, whatever happens: the verb fails, Ctrl-C, a kill that can be
noticed. After a kill that cannot, the next run of any verb runs them (`pending_hooks.py`).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Protocol, TypeVar

from edms_tasks.errors import AlreadyPromoted, EdmsBackupError, HookFailed, HookFailedAfterwards, Interrupted
from flows.evidence.repository_log import LoggedResult, note_failure, record_failure
from flows.evidence.run_signals import tell_refused
from flows.hooks.pending_hooks import abandoned, pending
from flows.hooks.run_hook import Moment, Situation, run_hook
from flows.running.flow_decorators import Shortfall
from flows.running.printable import error_text
from flows.running.run import Run

Request = TypeVar("Request")


class HookedResult(LoggedResult, Protocol):
    """The result of a verb with hooks."""

    def shortfall(self) -> Shortfall | None:
        """Why it counts as failed; None if it does not."""


Result = TypeVar("Result", bound=HookedResult)


def with_hooks(verb: str) -> Callable[[Callable[[Run, Request], Result]], Callable[[Run, Request], Result]]:
    """Let a verb be surrounded by its hooks, if the settings have any and the request does more than plan."""

    def decorate(fn: Callable[[Run, Request], Result]) -> Callable[[Run, Request], Result]:
        @functools.wraps(fn)
        def hooked(run: Run, request: Request) -> Result:
            if not _acts(request):
                return fn(run, request)
            left = _of_killed_runs(run)
            return _surrounded(run, verb, fn, request, left)

        return hooked

    return decorate


def _acts(request: Any) -> bool:
    """Whether a request does more than plan. One that is not confirmed is refused by the verb itself."""
    confirmed = getattr(request, "confirm", True) or getattr(request, "into", None) is not None
    return confirmed and not getattr(request, "dry_run", False)


def _surrounded(
    run: Run, verb: str, fn: Callable[[Run, Request], Result], request: Request, left: Sequence[str]
) -> Result:
    hooks = run.settings.hooks
    if not left and not any(hooks.of(moment, verb) for moment in ("before", "after", "error")):
        return fn(run, request)
    situation = Situation(verb, snapshot=str(getattr(request, "snapshot", None) or ""))
    with pending(run.settings, situation):
        try:
            _before(run, situation, request)
            result = fn(run, request)
        except BaseException as error:
            if isinstance(error, AlreadyPromoted):  # a retry of what is done
                ended = situation.ended("success", snapshot=error.snapshot or None)
            else:
                ended = situation.ended("stopped" if _is_stop(error) else "failed", error=_what(error))
            _add(error, [*left, *_afterwards(run, ended)])
            raise
        said, short = result.log_facts(), result.shortfall()
        ended = situation.ended(
            "failed" if short else "success",
            snapshot=(said.snapshot if said else None) or situation.snapshot,
            error=short.what if short else "",
        )
        _require_none(run, verb, [*left, *_afterwards(run, ended)], result)
    return result


def _before(run: Run, situation: Situation, request: object) -> None:
    """Run the commands before; the first that fails stops the verb. Raises HookFailed."""
    for command in run.settings.hooks.of("before", situation.verb):
        if problem := run_hook(run, "before", command, situation):
            error = HookFailed(
                f"A command before the {situation.verb} failed, so nothing was begun.",
                where=f"[hooks] before_{situation.verb}",
                why=problem,
                fix="Try the command by hand, as this user; or correct it.",
            )
            record_failure(run, situation.verb, error, request)
            raise error


def _afterwards(run: Run, situation: Situation) -> list[str]:
    """Run the commands after, and if anything failed those for errors; all of them, whatever fails. Returns what failed."""
    problems = _run_all(run, "after", situation)
    if problems and situation.outcome == "success":
        situation = situation.ended("failed", error=problems[0])
    if situation.outcome != "success":
        problems += _run_all(run, "error", situation)
    return problems


def _run_all(run: Run, moment: Moment, situation: Situation) -> list[str]:
    commands = run.settings.hooks.of(moment, situation.verb)
    return [problem for command in commands if (problem := run_hook(run, moment, command, situation))]


def _of_killed_runs(run: Run) -> list[str]:
    """Run the hooks that killed runs have not come to; returns what failed. They are tried again by the next run, then."""
    problems: list[str] = []
    for found in abandoned(run.settings):
        run.say(
            f"! The hooks after the {found.situation.verb} of {found.began} did not run, because it was killed. They run now."
        )
        as_then = replace(run, settings=run.settings.model_copy(update={"hooks": found.hooks}))
        failed = _afterwards(as_then, found.situation.ended("killed", error="The run was killed."))
        if not failed:
            found.remove()
        problems += failed
    return problems


def _require_none(run: Run, verb: str, problems: Sequence[str], result: HookedResult) -> None:
    """Raise HookFailedAfterwards if commands failed after the verb had ended."""
    if not problems:
        return
    short = result.shortfall()
    how = "succeeded" if short is None else f"failed ({short.what})"
    failed = HookFailedAfterwards(
        f"The {verb} {how}, and commands after it failed.",
        where="[hooks]",
        why="; ".join(problems),
        fix=f"Run what they should have done by hand: the EDMS may be stopped. The {verb} need not be repeated for that.",
    )
    note_failure(run, "hooks", failed)  # the verb's own entry says that it succeeded, and its signal too
    tell_refused(run, verb, failed)
    raise failed


def _add(error: BaseException, problems: Sequence[str]) -> None:
    """Add what failed afterwards to an error, which stays the reason."""
    if not problems:
        return
    text = f"Besides, commands after it failed, and the EDMS may be stopped: {'; '.join(problems)}"
    if isinstance(error, EdmsBackupError):
        error.why = f"{error.why} {text}".strip()
    else:
        error.add_note(text)


def _is_stop(error: BaseException) -> bool:
    return isinstance(error, Interrupted) or not isinstance(
        error, Exception
    )  # Prefect's cancellation is one of its own


def _what(error: BaseException) -> str:
    if isinstance(error, EdmsBackupError):
        return error.what
    return "It was stopped." if _is_stop(error) else error_text(error)
