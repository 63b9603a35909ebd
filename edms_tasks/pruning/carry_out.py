"""Carry out a prune: record what goes, remove manifests, record what went, remove objects. Killed anywhere, the next prune finishes it.

A snapshot whose manifest is gone is known to be pruned by the first record, so it is never taken for a lost one. Objects go last, when
no manifest names them any more. A manifest that the store refuses to remove (object lock) stays, and so does all it names.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from edms_tasks.errors import RepositoryForbidden
from edms_tasks.lineage.known_records import remember_records
from edms_tasks.pruning.prune_plan import PrunePlan
from edms_tasks.repository import Repository, Swept
from edms_tasks.repository.reader_leases import readers
from edms_tasks.repository.records import NamedSnapshot
from edms_tasks.repository.stored_reports import RemovedReports


@dataclass(frozen=True)
class Pruned:
    """The result of a prune."""

    plan: PrunePlan
    removed: tuple[str, ...]  # ids of snapshots
    refused: tuple[str, ...]  # ids of snapshots that the store did not let go
    spared: tuple[str, ...]  # ids of snapshots that somebody began to read or to hold meanwhile
    swept: Swept
    records: tuple[str, ...] = ()  # ids of the records that say what was removed
    notes: tuple[str, ...] = ()
    reports: RemovedReports = field(default_factory=RemovedReports)


def prune(
    repository: Repository,
    plan: Callable[[], PrunePlan],
    *,
    by: str,
    reason: str,
    grace: timedelta,
    workdir: Path,
    reports_before: datetime | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> Pruned:
    """Remove what the plan says. `plan` is called under the repository's lock.

    Raises:
        RepositoryLocked: a backup or another prune is running, or the lock was lost.
    """
    with repository.lock("prune"):
        notes, records = _finish_unfinished(repository)
        made = plan()
        going = (*made.given_up, *made.going)
        removed: list[NamedSnapshot] = []
        refused: list[str] = []
        spared: list[str] = []
        if going:
            begun = repository.records.write("prune", by=by, reason=reason, snapshots=going)
            for snapshot in going:
                if _is_wanted(repository, snapshot.id):
                    spared.append(snapshot.id)
                    continue
                try:
                    repository.remove_snapshot(snapshot.id)
                except RepositoryForbidden as error:
                    refused.append(snapshot.id)
                    why = error.why or error.what
                    notes.append(f"The store refuses to remove snapshot {snapshot.id[:12]}: {why}.")
                    continue
                removed.append(snapshot)
                tell(f"removed snapshot {snapshot.id[:12]}")
            records.append(repository.records.write("pruned", by=by, reason=reason, snapshots=removed, of=[begun]))
        swept = repository.sweep(grace)
        reports = _remove_reports(repository, made, reports_before) if reports_before is not None else RemovedReports()
        remember_records(workdir, repository.place, repository.records.read())
    return Pruned(
        made,
        tuple(one.id for one in removed),
        tuple(refused),
        tuple(spared),
        swept,
        tuple(records),
        (*notes, *_notes_of(swept)),
        reports,
    )


def _remove_reports(repository: Repository, made: PrunePlan, before: datetime) -> RemovedReports:
    repository.require_lock()
    return repository.reports.remove(old_reports(repository, made, before))


def old_reports(repository: Repository, made: PrunePlan, before: datetime) -> list[str]:
    """The files of reports of runs before a time, of the EDMSs of this prune and of the repository as a whole; the log stays."""
    edms = {None, *(fate.edms for fate in made.fates)}
    entries = (entry for entry in repository.log.backwards() if entry.edms in edms or entry.at >= before)
    return repository.reports.of_before(entries, before)


def _is_wanted(repository: Repository, snapshot_id: str) -> bool:
    """Whether somebody reads or holds a snapshot since the plan was made."""
    return snapshot_id in readers(repository.backend) or snapshot_id in repository.records.read().holds


def _finish_unfinished(repository: Repository) -> tuple[list[str], list[str]]:
    """Record what killed prunes had removed; returns notes, and the records. What they had not removed is decided anew."""
    notes, records = list[str](), list[str]()
    found = repository.survey()
    there = {*found.intact, *found.unreadable}
    for name, begun in found.records.unfinished_prunes.items():
        gone = [one for one in begun.snapshots if one.id not in there]
        records.append(
            repository.records.write("pruned", by=begun.by, reason="found unfinished", snapshots=gone, of=[name])
        )
        notes.append(
            f"The prune of {begun.at:%Y-%m-%d %H:%M} UTC was interrupted after it had removed {len(gone)} of {len(begun.snapshots)} "
            "snapshots. It is finished now."
        )
    return notes, records


def _notes_of(swept: Swept) -> list[str]:
    notes = []
    if swept.skipped:
        notes.append(f"No object was removed: {swept.skipped}. The next prune removes them.")
    if swept.refused:
        notes.append(
            f"The store refuses to remove {swept.refused} objects: {swept.why_refused}. They stay until it allows it; the next prune tries "
            "again."
        )
    if swept.marked:
        notes.append(
            f"{swept.marked} objects are marked. A prune after the grace period removes them, because this place has no lock that a killed "
            "run gives back."
        )
    return notes
