"""Record in the repository's log what a verb did, and how it ended."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

from edms_tasks.errors import EdmsBackupError, Interrupted
from edms_tasks.package import versions
from edms_tasks.repository import Repository
from edms_tasks.repository.audit_log import Outcome, Witness
from edms_tasks.settings import Settings
from flows.running.run import Run

_WRONGLY_USED = 2


@dataclass(frozen=True)
class LogFacts:
    """What the log says of a run. `facts` are short: an auditor reads them, and they are not encrypted."""

    success: bool
    edms: str | None = None
    snapshot: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


class LoggedResult(Protocol):
    """The result of a verb that is logged."""

    def log_facts(self) -> LogFacts | None:
        """What the log says of it; None if nothing was done, as by a plan."""


Request = TypeVar("Request")
Result = TypeVar("Result", bound=LoggedResult)


def logged(event: str) -> Callable[[Callable[[Run, Request], Result]], Callable[[Run, Request], Result]]:
    """Let a verb leave an entry in the repository's log, also if it fails. Where that cannot be written, a line says so."""

    def decorate(verb: Callable[[Run, Request], Result]) -> Callable[[Run, Request], Result]:
        @functools.wraps(verb)
        def run_and_record(run: Run, request: Request) -> Result:
            try:
                result = verb(run, request)
            except EdmsBackupError as error:
                if error.exit_code != _WRONGLY_USED:  # nothing was begun
                    record_failure(run, event, error, request)
                raise
            if (said := result.log_facts()) is not None:
                record(run, event, said)
            return result

        return run_and_record

    return decorate


def record(run: Run, event: str, said: LogFacts) -> Witness | None:
    """Leave an entry; None if it could not be written, which is said."""
    return _append(run, event, "success" if said.success else "failed", said)


def record_failure(run: Run, event: str, error: EdmsBackupError, request: object) -> None:
    """Leave an entry on a run that an error ended."""
    outcome: Outcome = "stopped" if isinstance(error, Interrupted) else "failed"
    facts = {"error": error.code, "what": error.what}
    if named := getattr(request, "snapshot", None):
        facts["asked_for"] = str(named)
    _append(run, event, outcome, LogFacts(False, facts=facts))


def _append(run: Run, event: str, outcome: Outcome, said: LogFacts) -> Witness | None:
    if run.approved is not None:
        said = replace(said, facts={**said.facts, "approved_by": [one.as_json() for one in run.approved.approvals]})
    try:
        return append_entry(Repository.open(run.settings.repository), run.settings, event, outcome, said)
    except EdmsBackupError as error:
        why = f"{error.what} {error.why}".rstrip()
    except OSError as error:  # of the working folder, which keeps the witness
        why = f"{error.filename or run.settings.workdir}: {error.strerror or error}."
    run.say(f"! This {event} is not in the repository's log: {why}")
    return None


def append_entry(repository: Repository, settings: Settings, event: str, outcome: Outcome, said: LogFacts) -> Witness:
    """Add an entry to the log of an open repository."""
    return repository.log.append(
        event,
        outcome,
        version=versions()["edms-backup"],
        edms=said.edms or settings.edms.id,
        snapshot=said.snapshot,
        facts=said.facts,
    )
