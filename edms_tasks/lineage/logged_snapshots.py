"""Snapshots that the log says were made, and that are not there although no prune removed them.

Heads and manifests can be set back together, by a storage that lost its last hours as well as by an intruder. The log is one more witness.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

from edms_tasks.repository import Repository, Survey
from edms_tasks.repository.audit_log import LogEntry

_MOST_ENTRIES = 100


def missing_by_log(repository: Repository, survey: Survey, entries: Iterable[LogEntry]) -> Iterator[LogEntry]:
    """The entries of backups whose snapshots are missing; an entry that nobody signed where machines sign says nothing."""
    there = {*survey.links, *survey.unreadable, *survey.pruned}
    for entry in entries:
        if entry.event == "backup" and entry.snapshot and entry.snapshot not in there and repository.log.proves(entry):
            yield entry


def later_than(
    repository: Repository,
    survey: Survey,
    newest: str | None,
    edms: str | None,
    log: Iterable[LogEntry] | None = None,
) -> LogEntry | None:
    """The log's entry of a missing snapshot of this EDMS that was made after the newest one that is there; None if there is none.

    No more than a hundred entries are read: a snapshot of an earlier release has no entry. `log`: its entries, newest first.
    """
    recent = itertools.islice(log if log is not None else repository.log.backwards(), _MOST_ENTRIES)
    since = itertools.takewhile(lambda entry: newest is None or entry.snapshot != newest, recent)
    lost = missing_by_log(repository, survey, (entry for entry in since if entry.edms in (edms, None)))
    return next(lost, None)


def said_of(entry: LogEntry) -> str:
    """What is wrong, as a sentence."""
    return (
        f"Snapshot {(entry.snapshot or '')[:12]} is missing: the log says that it was made on {entry.at:%Y-%m-%d %H:%M} UTC by "
        f"{entry.machine}, and no record that a prune removed it."
    )
