"""Hold, release and tag snapshots: a record in the repository, and an entry in its log, which misses the record if it is deleted."""

from __future__ import annotations

from collections.abc import Callable

from edms_tasks.errors import EdmsBackupError, EvidenceNotWritten
from edms_tasks.lineage.find_snapshot import chosen_snapshot
from edms_tasks.lineage.logged_records import NAMED
from edms_tasks.pruning import mark_snapshots
from edms_tasks.pruning.mark_snapshots import Marked
from edms_tasks.repository import Repository
from edms_tasks.repository.records import whoever_runs_this
from edms_tasks.settings import Settings
from flows.evidence.repository_log import LogFacts, append_entry


def hold(settings: Settings, snapshot: str, *, reason: str, by: str | None = None) -> Marked:
    """Hold a snapshot: no prune removes it until it is released. Raises CommandError if no reason is given."""
    return _mark(
        settings,
        "hold",
        snapshot,
        by,
        lambda repository, name, who: mark_snapshots.hold(repository, settings.workdir, name, reason=reason, by=who),
    )


def release(settings: Settings, snapshot: str, *, reason: str, by: str | None = None) -> Marked:
    """End all holds of a snapshot. Raises CommandError if it is not held, or no reason is given."""
    return _mark(
        settings,
        "release",
        snapshot,
        by,
        lambda repository, name, who: mark_snapshots.release(repository, settings.workdir, name, reason=reason, by=who),
    )


def tag(settings: Settings, snapshot: str, name: str, *, remove: bool = False, by: str | None = None) -> Marked:
    """Give a snapshot a tag, or take it off."""
    change = mark_snapshots.take_tag if remove else mark_snapshots.give_tag
    return _mark(
        settings,
        "untag" if remove else "tag",
        snapshot,
        by,
        lambda repository, chosen, who: change(repository, settings.workdir, chosen, name, by=who),
    )


def give_up_lost_records(settings: Settings, *, reason: str, by: str | None = None) -> tuple[str, ...]:
    """Record that the missing records are lost for good, so that prunes are possible again; returns their ids."""
    repository = Repository.open(settings.repository)
    lost = mark_snapshots.give_up_lost_records(
        repository, settings.workdir, reason=reason, by=whoever_runs_this() if by is None else by
    )
    said = LogFacts(True, facts={"given_up": list(lost)})
    _append(repository, settings, "release", said, f"{len(lost)} lost records are given up")
    return lost


def _mark(
    settings: Settings, event: str, snapshot: str, by: str | None, mark: Callable[[Repository, str, str], Marked]
) -> Marked:
    repository = Repository.open(settings.repository)
    chosen = chosen_snapshot(settings, repository, snapshot).snapshot_id
    who = whoever_runs_this() if by is None else by
    marked = mark(repository, chosen, who)
    said = LogFacts(True, snapshot=chosen, facts={NAMED: list(marked.records), "by": who, "what": marked.done})
    _append(repository, settings, event, said, f"Snapshot {chosen[:12]} is {marked.done}")
    return marked


def _append(repository: Repository, settings: Settings, event: str, said: LogFacts, done: str) -> None:
    """Add the entry on what is in force by now; raises EvidenceNotWritten if it cannot be added."""
    try:
        append_entry(repository, settings, event, "success", said)
    except EdmsBackupError as error:
        raise EvidenceNotWritten(
            f"{done}. This is in force, but it is not in the repository's log.",
            where=error.where or repository.display,
            why=f"{error.what} {error.why}".strip(),
            fix="You need not repeat it. Until the log can be written again, keep this message with your records. "
            f"{error.fix}".strip(),
        ) from error
