"""The end of a run: its report into the repository, and the entry in the log that names it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from edms_tasks.durable import private_folder, write_durably
from edms_tasks.errors import (
    EdmsBackupError,
    EvidenceNotWritten,
    RepositoryForbidden,
    RepositorySealed,
    SettingsError,
)
from edms_tasks.evidence.log_facts import LogFacts
from edms_tasks.evidence.run_report import Place, RunOutcome, make_report
from edms_tasks.json_text import indented_json, parsed_json
from edms_tasks.package import versions
from edms_tasks.repository import Repository
from edms_tasks.repository.audit_log import Outcome, Witness
from edms_tasks.repository.stored_reports import ReportRefs
from flows.evidence.reports import reports
from flows.evidence.run_signals import tell_end
from flows.running.printable import error_text
from flows.running.run import Run

_ROLES = (RepositoryForbidden, RepositorySealed, SettingsError)
"""This user, machine or place may not write there; a restore from a package has no repository at all."""


@dataclass(frozen=True)
class RunEnd:
    """What a run left.

    Args:
        event: the verb.
        report: the report itself.
        refs: where it is in the repository; None if it is not there.
        witness: its entry in the log; None if there is none.
        files: the report on this machine; None if it could not be written there.
        problem: why report or entry are not in the repository; "" if they are.
        excused: whether that is because this role may not write there.
    """

    event: str
    report: Mapping[str, Any]
    refs: ReportRefs | None = None
    witness: Witness | None = None
    files: Path | None = None
    problem: str = ""
    excused: bool = False

    @property
    def is_complete(self) -> bool:
        """Whether evidence is where it should be, or this role may not write it there and it is kept here."""
        return not self.problem or (self.excused and self.files is not None)

    def require_evidence(self) -> Witness | None:
        """The entry in the log. Raises EvidenceNotWritten if evidence is missing although it could have been written."""
        if self.is_complete:
            return self.witness
        raise EvidenceNotWritten(
            f"The {self.event} is done ({self.report.get('verdict', 'done')}), but its evidence is not in the repository.",
            where=str(self.report["repository"]["place"]),
            why=self.problem,
            fix="You need not run it again. "
            + (
                f"The report is kept in {self.files} on this machine until the next {self.event}: keep a copy. "
                if self.files
                else ""
            )
            + "Fix what is said above, so that the next run can leave its evidence.",
        )


def conclude(
    run: Run,
    event: str,
    outcome: Outcome,
    said: LogFacts,
    error: EdmsBackupError | None = None,
    repository: Repository | None = None,
) -> RunEnd:
    """Leave the report and the entry of a run that has ended. It raises nothing; what could not be written is said.

    Args:
        run: the run.
        event: the verb.
        outcome: how it ended.
        said: what the log says of it.
        error: what it failed with.
        repository: if it is open already, as after a change of its keys.
    """
    told = {"what": error.what, "where": error.where, "why": error.why, "fix": error.fix} if error else None
    ended = RunOutcome(event, outcome, datetime.now(UTC), run.seconds, told)
    try:
        end = _leave(run, ended, said, repository)
    except Exception as failure:  # whatever it is, what was done is done
        end = RunEnd(event, _without_repository(run, ended, said, None), problem=error_text(failure))
    if end.problem:
        run.say(f"! The report of this {event} is not in the repository, or not in its log: {end.problem}")
    missing = "" if end.is_complete else f"Its evidence is not in the repository: {end.problem}"
    entry = end.witness.number if end.witness else None
    tell_end(run, end.report, said.facts, entry, missing, _taken(run, ended))
    return end


def _leave(run: Run, ended: RunOutcome, said: LogFacts, opened: Repository | None) -> RunEnd:
    folder, previous = _latest(run, ended.event)
    try:
        repository = opened or Repository.open(run.settings.repository)
        last = repository.log.last()
    except EdmsBackupError as error:
        report = _without_repository(run, ended, said, previous)
        files = _keep(run, folder, ended.event, *_parts(run, report))
        return RunEnd(ended.event, report, None, None, files, _said(error), isinstance(error, _ROLES))
    place = Place(
        repository.identity, repository.display, said.edms or run.settings.edms.id, said.snapshot, str(last or "")
    )
    report = _report(run, ended, place, said, previous)
    data, page = _parts(run, report)
    files = _keep(run, folder, ended.event, data, page)
    refs, problem, excused = None, "", False
    try:
        refs = repository.reports.write(data, page)
    except EdmsBackupError as error:
        problem, excused = _said(error), isinstance(error, _ROLES)
    named = {"report": refs.as_facts()} if refs is not None else {"report_missing": problem[:500]}
    try:
        witness = repository.log.append(
            ended.event,
            ended.outcome,
            version=versions()["edms-backup"],
            edms=place.edms,
            snapshot=said.snapshot,
            facts={**said.facts, **run.origin.facts(), "seconds": _taken(run, ended), **named},
            after=last,
        )
    except EdmsBackupError as error:
        return RunEnd(ended.event, report, refs, None, files, _said(error), isinstance(error, _ROLES))
    return RunEnd(ended.event, report, refs, witness, files, problem, excused)


def _without_repository(
    run: Run, ended: RunOutcome, said: LogFacts, previous: Mapping[str, Any] | None
) -> dict[str, Any]:
    place = Place("", "the repository of the settings", said.edms or run.settings.edms.id, said.snapshot, "")
    return _report(run, ended, place, said, previous)


def _report(
    run: Run, ended: RunOutcome, place: Place, said: LogFacts, previous: Mapping[str, Any] | None
) -> dict[str, Any]:
    return make_report(run.origin, ended, place, run.evidence, versions(), said.facts, previous)


def _parts(run: Run, report: dict[str, Any]) -> tuple[bytes, bytes]:
    """The report as JSON, and its page. The JSON names the page by its SHA-256, so one of them stands for both."""
    from edms_tasks.report.page import render

    own = run.evidence.page
    page = own.read_bytes() if own is not None else _encoded(render("run.html.j2", report=report))
    report["page"] = {"sha256": hashlib.sha256(page).hexdigest(), "size": len(page)}
    return indented_json(report) + b"\n", page


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")  # names of files may hold anything


def _latest(run: Run, event: str) -> tuple[Path, Mapping[str, Any] | None]:
    """The folder with the last report of each verb on this machine, and that of this one; None if there is none to compare with."""
    folder = run.settings.workdir / "reports" / "latest"
    try:
        found = parsed_json((folder / f"{event}.json").read_bytes())
    except FileNotFoundError:
        return folder, None
    except (OSError, ValueError) as error:
        run.say(f"! Findings are not compared with those of the last {event}: {folder / event}.json: {error}")
        return folder, None
    return folder, found if isinstance(found, dict) else None


def _keep(run: Run, folder: Path, event: str, data: bytes, page: bytes) -> Path | None:
    """Keep the report on this machine until the next run of the verb; None if that fails, which is said.

    One of a run that came to no result is kept apart: the next one's findings are compared with those of the last that did.
    """
    name = event if run.evidence.body is not None else f"{event}-without-result"
    try:
        reports(run.settings)
        private_folder(folder)
        write_durably(folder / f"{name}.html", page)
        write_durably(folder / f"{name}.json", data)
    except OSError as error:
        run.say(f"! The report of this {event} is not kept on this machine: {folder}: {error.strerror or error}")
        return None
    return folder / f"{name}.html"


def _taken(run: Run, ended: RunOutcome) -> float:
    return round((ended.at - run.origin.started).total_seconds(), 3)


def _said(error: EdmsBackupError) -> str:
    return f"{error.what} {error.why}".rstrip()
