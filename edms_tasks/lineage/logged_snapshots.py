"""Snapshots that the log says were made, and that are not there although no prune removed them.

Heads and manifests can be set back together, by a storage that lost its last hours as well as by an intruder. The log is one more witness.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence

from edms_tasks.count_text import count_text
from edms_tasks.repository import Repository, Survey
from edms_tasks.repository.audit_log import LogEntry

_MOST_ENTRIES = 100
_MAKING = ("backup", "convert")


def missing_by_log(repository: Repository, survey: Survey, entries: Iterable[LogEntry]) -> Iterator[LogEntry]:
    """The entries of backups whose snapshots are missing; an entry that nobody signed where machines sign says nothing."""
    there = {*survey.links, *survey.unreadable, *survey.pruned}
    for entry in entries:
        if entry.event == "backup" and entry.snapshot and entry.snapshot not in there and repository.log.proves(entry):
            yield entry


def later_than(
    repository: Repository, survey: Survey, edms: str | None, log: Iterable[LogEntry] | None = None
) -> LogEntry | None:
    """The log's entry of a missing snapshot of this EDMS that was made after all that are there; None if there is none.

    Only the entry of a backup settles what came before it: others name the older snapshot too, such as that of a drill. No more than a
    hundred entries are read: a snapshot of an earlier release has no entry. `log`: its entries, newest first.
    """
    recent = itertools.islice(log if log is not None else repository.log.backwards(), _MOST_ENTRIES)
    since = itertools.takewhile(lambda entry: not _is_there(repository, survey, edms, entry), recent)
    lost = [*missing_by_log(repository, survey, (entry for entry in since if entry.edms in (edms, None)))]
    # A backup may have ended between the survey and the log.
    return next(missing_by_log(repository, repository.survey(), lost), None) if lost else None


def _is_there(repository: Repository, survey: Survey, edms: str | None, entry: LogEntry) -> bool:
    """Whether this EDMS made the snapshot that an entry names, which is there."""
    made = entry.event in _MAKING and entry.snapshot in survey.links and entry.edms in (edms, None)
    return made and repository.log.proves(entry)


def said_of(entry: LogEntry) -> str:
    """What is wrong, as a sentence."""
    return (
        f"Snapshot {(entry.snapshot or '')[:12]} is missing: the log says that it was made on {entry.at:%Y-%m-%d %H:%M} UTC by "
        f"{entry.machine}, and no record that a prune removed it."
    )


def notes_on_snapshots(survey: Survey, entries: Sequence[LogEntry]) -> tuple[str, ...]:
    """What an auditor should ask about: snapshots that no entry names, and pruned ones that are there again."""
    named = {text for entry in entries for text in (entry.snapshot, *_texts(entry.facts.values())) if text}
    unnamed = [name for name in survey.order if name in survey.intact and name not in named]
    notes = []
    if unnamed:
        newest = unnamed[-1]
        notes.append(
            f"The log does not name {count_text(len(unnamed), 'snapshot')} of {len(survey.intact):,}, the newest {newest[:12]} of "
            f"{survey.intact[newest].created:%Y-%m-%d %H:%M} UTC: their runs were killed before they wrote to it, they were made by an "
            "early release or elsewhere, or entries were removed."
        )
    notes += [
        f"Snapshot {name[:12]} is there, although a prune removed it on {survey.records.by_id[record].at:%Y-%m-%d %H:%M} UTC: it was "
        "imported or copied back, or somebody put it there."
        for name, (record, _) in survey.records.pruned.items()
        if name in survey.intact and survey.records.by_id[record].kind == "pruned"
    ]
    return tuple(notes)


def _texts(values: Iterable[object]) -> Iterator[str]:
    for value in values:
        if isinstance(value, str):
            yield value
        elif isinstance(value, list):
            yield from (one for one in value if isinstance(one, str))
