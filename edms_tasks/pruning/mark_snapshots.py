"""Hold snapshots so that no prune removes them, release them, and give and take tags. Each is a record in the repository."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edms_tasks.errors import CommandError, PruneRefused, UnknownSnapshot
from edms_tasks.lineage.known_records import known_records, remember_records, remember_written
from edms_tasks.lineage.logged_records import logged_records
from edms_tasks.lineage.snapshot_tags import check_tag
from edms_tasks.repository import Repository, Survey
from edms_tasks.repository.records import Hold, Kind, NamedSnapshot

LONGEST_REASON = 1000


@dataclass(frozen=True)
class Marked:
    """What is in force for a snapshot now."""

    snapshot_id: str
    holds: tuple[Hold, ...]
    tags: tuple[str, ...]
    done: str  # in a sentence
    records: tuple[str, ...] = ()  # ids of those that say so


def hold(repository: Repository, workdir: Path, snapshot_id: str, *, reason: str, by: str) -> Marked:
    """Hold a snapshot: no prune removes it until it is released.

    Raises:
        CommandError: no reason is given.
        UnknownSnapshot: a prune has removed it meanwhile.
    """
    reason, by = _text(reason, "reason"), _text(by, "name")
    made = _write(repository, workdir, "hold", snapshot_id, by=by, reason=reason)
    # A prune looks for holds before it removes a manifest; so a manifest that is there now stays.
    if snapshot_id not in repository.survey().intact:
        repository.records.write("release", by=by, reason="it was removed meanwhile", of=[made])
        raise UnknownSnapshot(
            "The snapshot was removed by a prune before it could be held.",
            where=f"{repository.display}: {snapshot_id[:12]}",
            fix="Hold another one: `edms-backup list`.",
        )
    return _marked(repository, snapshot_id, f"held by {by}: {reason}", made)


def release(repository: Repository, workdir: Path, snapshot_id: str, *, reason: str, by: str) -> Marked:
    """End all holds of a snapshot.

    Raises:
        CommandError: it is not held, or no reason is given.
    """
    reason, by = _text(reason, "reason"), _text(by, "name")
    holds = repository.records.read().holds.get(snapshot_id, ())
    if not holds:
        raise CommandError("The snapshot is not held.", where=snapshot_id[:12], fix="See `edms-backup list`.")
    made = _write(repository, workdir, "release", snapshot_id, by=by, reason=reason, of=tuple(one.id for one in holds))
    ended = "; ".join(f"of {one.by} since {one.at:%Y-%m-%d}: {one.reason}" for one in holds)
    return _marked(repository, snapshot_id, f"released by {by}; {len(holds)} holds ended ({ended})", made)


def give_tag(repository: Repository, workdir: Path, snapshot_id: str, tag: str, *, by: str) -> Marked:
    """Give a snapshot a tag. Raises CommandError if it has it, or if it cannot be one."""
    check_tag(tag)
    if tag in repository.survey().tags_of(snapshot_id):
        raise CommandError(f"The snapshot has the tag {tag} already.", where=snapshot_id[:12])
    made = _write(repository, workdir, "tag", snapshot_id, by=_text(by, "name"), tag=tag)
    return _marked(repository, snapshot_id, f"tagged {tag}", made)


def take_tag(repository: Repository, workdir: Path, snapshot_id: str, tag: str, *, by: str) -> Marked:
    """Take a tag off a snapshot. Raises CommandError if it does not have it."""
    found = repository.survey()
    if tag not in found.tags_of(snapshot_id):
        raise CommandError(
            f"The snapshot does not have the tag {tag}.", where=snapshot_id[:12], fix="See `edms-backup list`."
        )
    made = []
    if given := found.records.tagged(snapshot_id, tag):
        made.append(_write(repository, workdir, "untag", snapshot_id, by=_text(by, "name"), tag=tag, of=given))
    if found.intact[snapshot_id].tag == tag:
        made.append(_write(repository, workdir, "untag", snapshot_id, by=_text(by, "name"), tag=tag))
    return _marked(repository, snapshot_id, f"no longer tagged {tag}", *made)


def give_up_lost_records(repository: Repository, workdir: Path, *, reason: str, by: str) -> tuple[str, ...]:
    """Record that the missing records are lost for good, so that prunes are possible again; returns their ids.

    Raises:
        CommandError: none is missing.
        PruneRefused: a record is there and cannot be read.
    """
    reason, by = _text(reason, "reason"), _text(by, "name")
    records = repository.records.read()
    if records.unreadable:
        raise PruneRefused(
            "A record cannot be read.",
            where=f"{repository.display}: {records.unreadable[0]}",
            fix="Put it back from a copy of the repository; or move the file away, and run this again.",
        )
    logged = logged_records(repository, records, repository.log.backwards())
    lost = records.lost((*known_records(workdir, repository.place), *logged))
    if not lost:
        raise CommandError("No record is missing.", where=repository.display)
    repository.records.write("lost", by=by, reason=reason, of=lost)
    remember_records(workdir, repository.place, repository.records.read())
    return lost


def _write(
    repository: Repository,
    workdir: Path,
    kind: Kind,
    snapshot_id: str,
    *,
    by: str,
    reason: str = "",
    tag: str = "",
    of: tuple[str, ...] = (),
) -> str:
    """Write a record, and remember outside the repository that there is one."""
    named = [_named(repository.survey(), snapshot_id)]
    made = repository.records.write(kind, by=by, reason=reason, tag=tag, of=of, snapshots=named)
    remember_written(workdir, repository)
    return made


def _named(found: Survey, snapshot_id: str) -> NamedSnapshot:
    manifest = found.intact.get(snapshot_id)
    if manifest is None:
        return NamedSnapshot(id=snapshot_id)
    return NamedSnapshot(id=snapshot_id, created=manifest.created, number=manifest.number)


def _marked(repository: Repository, snapshot_id: str, done: str, *made: str) -> Marked:
    found = repository.survey()
    return Marked(snapshot_id, found.records.holds.get(snapshot_id, ()), found.tags_of(snapshot_id), done, made)


def _text(text: str, what: str) -> str:
    text = " ".join(text.split())
    if not text:
        raise CommandError(f"The {what} is empty.", fix="Say it in a few words, for whoever reads it in years.")
    if len(text) > LONGEST_REASON:
        raise CommandError(f"The {what} has {len(text)} characters; the maximum is {LONGEST_REASON}.")
    return text
