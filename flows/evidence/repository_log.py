"""Let a verb leave its evidence: an entry in the repository's log, and the report that this names."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol, TypeVar

from edms_tasks.errors import AlreadyPromoted, EdmsBackupError, Interrupted
from edms_tasks.evidence.log_facts import LogFacts as LogFacts
from edms_tasks.package import versions
from edms_tasks.repository import Repository
from edms_tasks.repository.audit_log import Outcome, Witness
from edms_tasks.settings import Settings
from flows.evidence.killed_promotion import note_killed_promotion
from flows.evidence.killed_runs import note_killed_runs, owing_an_entry
from flows.evidence.run_end import conclude
from flows.evidence.run_signals import tell_refused, tell_start
from flows.running.hidden_values import with_hidden_values
from flows.running.run import Run
from flows.running.stopping import sentence_when_stopped

_WRONGLY_USED = 2


class LoggedResult(Protocol):
    """The result of a verb that is logged."""

    def log_facts(self) -> LogFacts | None:
        """What the log says of it; None if nothing was done, as by a plan."""


Request = TypeVar("Request")
Result = TypeVar("Result", bound=LoggedResult)


def logged(event: str) -> Callable[[Callable[[Run, Request], Result]], Callable[[Run, Request], Result]]:
    """Let a verb leave an entry in the repository's log and a report, also if it fails.

    What a role may not write is said in a line. Any other failure to write it raises EvidenceNotWritten, after all is done.
    """

    def decorate(verb: Callable[[Run, Request], Result]) -> Callable[[Run, Request], Result]:
        silent = with_hidden_values(verb)  # the report on a failed run quotes its error

        @functools.wraps(verb)
        def run_and_record(run: Run, request: Request) -> Result:
            run = _with_origin(run, request)
            if getattr(request, "dry_run", False):
                return _recorded(run, event, request, lambda: silent(run, request))

            def do() -> Result:
                result = silent(run, request)
                note_killed_runs(run)  # it may have finished the promotion of one
                return result

            note_killed_runs(run)
            tell_start(run, event)
            with owing_an_entry(run, event, request):
                return _recorded(run, event, request, do)

        return run_and_record

    return decorate


def _recorded(run: Run, event: str, request: object, do: Callable[[], Result]) -> Result:
    try:
        result = do()
    except AlreadyPromoted as done:
        note_killed_promotion(run, event, done)
        raise
    except EdmsBackupError as error:
        if error.exit_code != _WRONGLY_USED:
            record_failure(run, event, error, request)
        else:  # nothing was begun
            tell_refused(run, event, error)
        raise
    except Exception as error:
        # Its text may hold anything, also values of rows.
        bug = EdmsBackupError("Unexpected error.", why=type(error).__name__)
        record_failure(run, event, bug, request)
        raise
    except BaseException:  # Ctrl-C, a kill; Prefect has a class of its own for it
        stopped = Interrupted(f"The {event} was stopped.", why=sentence_when_stopped())
        record_failure(run, event, stopped, request)
        raise
    if (said := result.log_facts()) is not None:
        witness = record(run, event, said)
        if (with_witness := getattr(result, "with_witness", None)) is not None:
            told: Result = with_witness(witness)
            return told
    return result


def record(run: Run, event: str, said: LogFacts) -> Witness | None:
    """Leave an entry and a report; None if this role may not write them, which is said.

    Raises:
        EvidenceNotWritten: they could not be written for another reason.
    """
    end = conclude(run, event, "success" if said.success else "failed", said)
    return end.require_evidence()


def record_failure(run: Run, event: str, error: EdmsBackupError, request: object) -> None:
    """Leave an entry and a report on a run that an error ended; what cannot be written is said."""
    outcome: Outcome = "stopped" if isinstance(error, Interrupted) else "failed"
    facts = {"error": error.code, "what": error.what}
    if named := getattr(request, "snapshot", None):
        facts["asked_for"] = str(named)
    conclude(_with_origin(run, request), event, outcome, LogFacts(False, facts=facts), error)


def note_failure(run: Run, event: str, error: EdmsBackupError) -> None:
    """Add an entry, without a report, on something around a run that failed; what cannot be written is said."""
    facts = {"error": error.code, "what": error.what, **run.origin.facts()}
    try:
        append_entry(
            Repository.open(run.settings.repository), run.settings, event, "failed", LogFacts(False, facts=facts)
        )
    except EdmsBackupError as failure:
        run.say(f"! That is not in the repository's log: {failure.what} {failure.why}".rstrip())


def _with_origin(run: Run, request: object) -> Run:
    """The run with Prefect's id, what started it there, and the reason in the request."""
    reason = " ".join(str(getattr(request, "reason", "")).split())
    known = run.origin
    return replace(
        run,
        origin=replace(
            known,
            run=run.runner.run_id or known.run,
            through=known.through or run.runner.started_by,
            reason=known.reason or reason,
            approvals=run.approved.approvals if run.approved is not None else (),
            plan=run.approved.plan if run.approved is not None else (),
        ),
    )


def append_entry(repository: Repository, settings: Settings, event: str, outcome: Outcome, said: LogFacts) -> Witness:
    """Add an entry to the log of an open repository, without a report."""
    return repository.log.append(
        event,
        outcome,
        version=versions()["edms-backup"],
        edms=said.edms or settings.edms.id,
        snapshot=said.snapshot,
        facts=said.facts,
    )
