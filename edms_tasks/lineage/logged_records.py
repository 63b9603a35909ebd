"""The records that the log names: a hold that is deleted is missed by the log too, not only by the machine that made it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from edms_tasks.repository import Repository
from edms_tasks.repository.audit_log import LogEntry
from edms_tasks.repository.records import Records, record_name

NAMED = "records"
"""The fact of an entry that names records."""


def logged_records(repository: Repository, records: Records, entries: Iterable[LogEntry]) -> tuple[str, ...]:
    """Ids of records that entries name; an entry that nobody signed where machines sign names none.

    Records that are there and do not count are left out: these are said to be that.
    """
    doubtful = set(records.unreadable)
    named = {name: None for entry in entries if repository.log.proves(entry) for name in _named(entry)}
    return tuple(name for name in named if record_name(name) not in doubtful)


def since_last_prune(repository: Repository) -> Iterator[LogEntry]:
    """The entries since the last prune that succeeded: at that one no record was missing."""
    for entry in repository.log.backwards():
        yield entry
        if entry.event == "prune" and entry.outcome == "success" and repository.log.proves(entry):
            return


def _named(entry: LogEntry) -> list[str]:
    said = entry.facts.get(NAMED)
    return [name for name in said if isinstance(name, str)] if isinstance(said, list) else []
