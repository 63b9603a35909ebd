"""The repository's log as an audit trail: what was done, by whom, and whether it and the snapshots agree."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from edms_tasks.errors import CommandError, DamagedRepository
from edms_tasks.findings import REGISTRY
from edms_tasks.lineage.find_snapshot import state_of
from edms_tasks.lineage.logged_records import logged_records
from edms_tasks.lineage.logged_snapshots import missing_by_log, notes_on_snapshots, said_of
from edms_tasks.pruning.unsigned_prunes import notes_on_unsigned_prunes
from edms_tasks.repository import Repository
from edms_tasks.repository.audit_log import LogEntry, Witness
from edms_tasks.repository.stored_reports import report_of
from edms_tasks.settings import Settings

_RECORD_FIX = REGISTRY["record-damaged"].fix


@dataclass(frozen=True)
class AuditTrail:
    """The entries of the log, oldest first, and what is wrong with them or with the snapshots that they name."""

    display: str
    repository: str
    entries: tuple[LogEntry, ...]
    problems: tuple[str, ...]
    notes: tuple[str, ...]
    last: Witness | None
    compared: tuple[Witness, ...]  # the witnesses from outside the repository that it was compared with
    signed: frozenset[int] = (
        frozenset()
    )  # numbers of the entries whose signature is right, and of a machine that counts

    @property
    def success(self) -> bool:
        """Whether nothing is missing, changed or forged."""
        return not self.problems

    def as_json(self) -> dict[str, Any]:
        """The result for `--json`."""
        return {
            "success": self.success,
            "repository": self.repository,
            "entries": [entry.model_dump(mode="json") for entry in self.entries],
            "problems": list(self.problems),
            "notes": list(self.notes),
            "witness": str(self.last) if self.last else None,
            "compared_with": [str(one) for one in self.compared],
        }


def read_audit_trail(settings: Settings, witness: str | None = None) -> AuditTrail:
    """Check the whole log, the order and signatures of the snapshots, and both against each other.

    Args:
        settings: the settings.
        witness: a line `NUMBER:SHA-256` from a report or another machine, which the log must still contain.

    Raises:
        CommandError: `witness` is no such line.
    """
    repository = Repository.open(settings.repository)
    given = _parsed(witness)
    checked = repository.log.check(given)
    state = state_of(settings, repository)
    seen = repository.log.remembered()
    notes = list(state.notes)
    if given is None and seen is None:
        notes.append(
            "Nothing outside the repository was compared: whether the last entries were removed cannot be told here. "
            "Give a line from a report: --witness NUMBER:SHA-256."
        )
    notes += notes_on_snapshots(state.survey, checked.entries)
    if not repository.keys.signers.required:
        notes += notes_on_unsigned_prunes(state.survey.records, checked.entries)
    missing = {entry.snapshot: entry for entry in missing_by_log(repository, state.survey, checked.entries)}
    problems = [*checked.problems, *map(said_of, missing.values())]
    problems += missing_reports(repository, checked.entries)
    problems += [problem for problem in state.problems if problem not in problems]
    records = state.survey.records
    lost = records.doubts(logged_records(repository, records, checked.entries))
    problems += [f"{one} {_RECORD_FIX}" for one in lost if not any(problem.startswith(one) for problem in problems)]
    problems += [f"The manifest of snapshot {one[:12]} is damaged." for one in state.survey.damaged]
    if checked.last is not None and not checked.problems:
        repository.log.remember(checked.last)
    return AuditTrail(
        display=repository.display,
        repository=repository.identity,
        entries=checked.entries,
        problems=tuple(problems),
        notes=tuple(notes),
        last=checked.last,
        compared=tuple(dict.fromkeys(one for one in (seen, given) if one is not None)),
        signed=frozenset(one.number for one in checked.entries if not repository.log.why_unsigned(one, must=True)),
    )


def missing_reports(
    repository: Repository, entries: tuple[LogEntry, ...], of: Callable[[LogEntry], bool] = lambda entry: True
) -> list[str]:
    """Reports that entries name and that are not there with their size, although no prune said that it removed them.

    `entries` is the whole log, because a later prune may have removed a report; `of` selects those whose reports are looked for.
    """
    reports = repository.reports
    there = reports.names()
    oldest = max(
        (cut for one in entries if one.event == "prune" and repository.log.proves(one) and (cut := _cut(one))),
        default=None,
    )
    found = []
    for entry in entries:
        refs = report_of(entry)
        if refs is None or (oldest is not None and entry.at < oldest) or not of(entry):
            continue
        for ref, name in zip((refs.json, refs.page), reports.stored_names(refs), strict=True):
            if name not in there or not repository.may_be(ref, there[name]):
                found.append(
                    f"The report of entry {entry.number} ({entry.event}, {entry.at:%Y-%m-%d %H:%M} UTC) is missing, or is of another "
                    f"size: {name}."
                )
    return found


def damaged_reports(repository: Repository) -> list[str]:
    """Reports that are there and are not what their entries name. Every one is read."""
    reports = repository.reports
    there, found = reports.names(), []
    for entry in repository.log.backwards():
        refs = report_of(entry)
        for ref, name in zip((refs.json, refs.page), reports.stored_names(refs), strict=True) if refs else ():
            try:
                if name in there:
                    reports.read(ref)
            except DamagedRepository as damage:
                found.append(f"The report of entry {entry.number} ({entry.event}) is damaged: {name}: {damage.why}")
    return found


def _cut(prune: LogEntry) -> datetime | None:
    """The time before which a prune removed reports; None if it removed none. It cannot be after the prune."""
    try:
        cut = datetime.fromisoformat(str(prune.facts["reports_before"]))
    except (KeyError, ValueError):
        return None
    return min(cut, prune.at) if cut.tzinfo is not None else None


def _parsed(witness: str | None) -> Witness | None:
    if witness is None:
        return None
    try:
        return Witness.parsed(witness)
    except ValueError as error:
        raise CommandError(
            "This is not a line from a report.",
            where=witness[:80],
            why=str(error),
            fix="For example --witness 17:3f2a…",
        ) from error
