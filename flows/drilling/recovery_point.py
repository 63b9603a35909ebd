"""Measure what a disaster would have cost: the age of the newest snapshot, and the longest time between two."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from edms_tasks.lineage.find_snapshot import state_of
from edms_tasks.repository import Repository
from edms_tasks.settings import Settings

_LOOKS_BACK = timedelta(days=30)
_MOST_ENTRIES = 2_000


@dataclass(frozen=True)
class RecoveryPoint:
    """Seconds; None where there are no snapshots to measure."""

    age: float | None
    widest_gap: float | None


def recovery_point(settings: Settings, now: datetime) -> RecoveryPoint:
    """What this EDMS's backups would have lost, now and since the last drill, 30 days at most.

    Backups are counted by the repository's log, which also knows those that a prune has removed since.
    """
    repository = Repository.open(settings.repository)
    own = state_of(settings, repository).own
    created = {name: link.created for name, link in own.survey.links.items() if name in own.chain.order}
    newest = own.survey.links[own.newest].created if own.newest is not None else None
    since, times = now - _LOOKS_BACK, []
    for number, entry in enumerate(repository.log.backwards()):
        ours = entry.edms in (own.key, settings.edms.id, None) and repository.log.proves(entry)
        if ours and entry.event == "backup" and entry.snapshot:
            times.append(created.get(entry.snapshot, entry.at))
            if times[-1] < since:
                break  # a gap may have begun with this one
        elif ours and entry.event == "drill" and "rpo_seconds" in entry.facts:  # one that came so far as to measure it
            since = max(since, entry.at)
        if number >= _MOST_ENTRIES:
            break
    earlier = [*times, *created.values()]
    first = max((one for one in earlier if one < since), default=since)
    ordered = sorted({one for one in earlier if one >= first})
    gaps = [(later - before).total_seconds() for before, later in pairwise(ordered)]
    age = (now - newest).total_seconds() if newest is not None else None
    return RecoveryPoint(age, max(gaps, default=None))
