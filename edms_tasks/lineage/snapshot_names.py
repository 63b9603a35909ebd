"""Resolve the name of a snapshot: `latest` and tags mean this EDMS's; a snapshot of another EDMS is named by its id."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

from edms_tasks.errors import DamagedRepository, UndeterminedSnapshot, UnknownSnapshot
from edms_tasks.lineage.logged_snapshots import later_than, said_of
from edms_tasks.lineage.owner import KnownEdms, changed_names, describe_edms, names_of
from edms_tasks.lineage.snapshot_history import SnapshotHistory, description_of, history_of
from edms_tasks.manifest import Manifest
from edms_tasks.repository import Repository
from edms_tasks.repository.chain import Mark, ancestors_of
from edms_tasks.repository.stored_manifests import snapshot_name

_PREFIX = re.compile(r"[0-9a-f]{4,64}")
_SHOWN = 5
_LOSSES = frozenset({"snapshot-missing", "snapshot-misnamed"})


@dataclass(frozen=True)
class Chosen:
    """The snapshot that a name means, and notes on the choice."""

    snapshot_id: str
    manifest: Manifest
    notes: tuple[str, ...] = ()


def choose(
    repository: Repository, name: str, this_edms: KnownEdms, here: Mark | None = None, *, passing_over: str = ""
) -> Chosen:
    """The snapshot that a name means: `latest`, an id or its first digits (at least 4), or a tag (its newest snapshot).

    Args:
        repository: the repository to search.
        name: `latest`, an id, a beginning of one, or a tag.
        this_edms: the EDMS whose snapshot is wanted.
        here: the newest snapshot by the record in the working folder.
        passing_over: `latest` skips snapshots whose tag begins with this; "" skips none.

    Raises:
        UnknownSnapshot: no snapshot, or more than one, matches the name.
        RepositorySealed: there are snapshots that cannot be read without the recovery key.
        UndeterminedSnapshot: the latest cannot be determined, or the name is the tag of another EDMS's snapshot.
        DamagedRepository: the snapshot's manifest is damaged, or a damaged one may be the latest.
    """
    history = history_of(repository, this_edms, here)
    if history.survey.sealed:
        repository.require_readable()
    if name == "latest":
        snapshot_id = _latest(repository, history, passing_over)
        notes = (*_order_notes(history, snapshot_id), *_owner_notes(history, snapshot_id))
        return Chosen(snapshot_id, history.survey.intact[snapshot_id], notes)
    snapshot_id = _by_name(repository, history, name)
    manifest = history.survey.intact.get(snapshot_id)
    if manifest is None:  # damaged: reading it raises the error that says how
        manifest = repository.read_manifest(snapshot_id)
    return Chosen(snapshot_id, manifest, _owner_notes(history, snapshot_id))


def _latest(repository: Repository, history: SnapshotHistory, passing_over: str) -> str:
    own = history.chain.order
    if not own and not history.survey.unreadable and not _lost(history):
        raise _none_of_its_own(repository, history)
    by_id = "No readable snapshot of this EDMS is left."
    if own:
        by_id = f"Name a snapshot by its id, e.g. {own[-1][:12]}; `edms-backup list` shows all."
    if history.may_be_newest:
        # An older snapshot instead would lose data without a word.
        first = history.may_be_newest[0]
        raise DamagedRepository(
            "Cannot determine the latest snapshot: a manifest is damaged.",
            where=f"{repository.display}: {snapshot_name(first)}",
            why=f"{len(history.may_be_newest)} manifests cannot be read, and no other snapshot follows them.",
            fix=by_id,
        )
    if lost := _lost(history):
        raise UndeterminedSnapshot(
            f"The newest snapshot, {lost.snapshot[:12]} (number {lost.number}), is missing. `latest` would be an older one.",
            where=repository.display,
            why="; ".join(one.message for one in history.findings() if one.code in _LOSSES),
            fix=f"Put its manifest back from a copy of the repository. Or use an older snapshot: {by_id}",
        )
    if len(history.chain.heads) != 1:
        raise UndeterminedSnapshot(
            f"Cannot determine the latest snapshot: {len(history.chain.heads)} are the newest.",
            where=repository.display,
            why="; ".join(one.message for one in history.findings() if one.code == "snapshots-forked"),
            fix=by_id,
        )
    if unsaid := later_than(repository, history.survey, history.key):
        raise UndeterminedSnapshot(
            f"A newer snapshot, {(unsaid.snapshot or '')[:12]}, is missing. `latest` would be an older one.",
            where=repository.display,
            why=said_of(unsaid),
            fix=f"Put its manifest back from a copy of the repository. Or use an older snapshot: {by_id}",
        )
    if passing_over:
        kept = [one for one in own if not (history.survey.intact[one].tag or "").startswith(passing_over)]
        if kept and history.chain.heads[0] not in kept:
            return kept[-1]
    return history.chain.heads[0]


def _lost(history: SnapshotHistory) -> Mark | None:
    """The newest snapshot by the records, if it is missing and no existing snapshot is its successor; else None."""
    followed = ancestors_of(history.chain.order, history.survey.known_links)
    marks = [mark for mark in (history.head, history.here) if mark is not None]
    there = history.survey.known_links
    gone = [mark for mark in marks if mark.snapshot not in there and mark.snapshot not in followed]
    return max(gone, key=lambda mark: mark.number) if gone else None


def _none_of_its_own(repository: Repository, history: SnapshotHistory) -> UnknownSnapshot:
    others = history.others
    if not others:
        return UnknownSnapshot(
            "The repository has no snapshot yet.",
            where=repository.display,
            fix="Make one with `edms-backup backup`.",
        )
    this_edms = history.this_edms
    now = "not known: the EDMS was not inspected, and [edms] id is not set"
    if this_edms.id is not None:
        now = describe_edms(this_edms.identity) if this_edms.identity else f"id {this_edms.id}"
    there = "\n         ".join(description_of(history, key) for key in list(others)[:_SHOWN])
    return UndeterminedSnapshot(
        "The repository has no snapshot of this EDMS.",
        where=repository.display,
        why=f"This EDMS is {now}.\n         There are snapshots of:\n         {there}",
        fix="Name the snapshot by its id (`edms-backup list --all`). If one of these is this EDMS with earlier names,"
        ' put its id into the settings: [edms] id = "…".',
    )


def _by_name(repository: Repository, history: SnapshotHistory, name: str) -> str:
    survey = history.survey
    there = (*survey.intact, *survey.damaged)
    if name in there:
        return name
    tagged = [one for one in (*history.converted, *history.chain.order) if name in survey.tags_of(one)]
    matching = [one for one in there if _PREFIX.fullmatch(name) and one.startswith(name)]
    found = {*tagged[-1:], *matching}
    if len(found) == 1:
        return found.pop()
    if found:
        raise UnknownSnapshot(
            f"{len(found)} snapshots match `{name}`.",
            where=repository.display,
            why=", ".join(sorted(one[: len(name) + 6] for one in found)[:_SHOWN]),
            fix="Give more digits of the id.",
        )
    elsewhere = [one for one in survey.order if name in survey.tags_of(one)]
    if elsewhere:
        raise UndeterminedSnapshot(
            f"`{name}` is the tag of another EDMS's snapshot.",
            where=f"{repository.display}: {elsewhere[-1][:12]}",
            why=names_of(survey.intact[elsewhere[-1]]),
            fix=f"If you mean that one, name it by its id: {elsewhere[-1][:12]}.",
        )
    own = (*history.converted, *history.chain.order)
    tags = {tag: tag for one in own for tag in survey.tags_of(one)}
    known = {one[: max(len(name), 12)]: one[:12] for one in own} | tags
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    raise UnknownSnapshot(
        f"No snapshot matches `{name}`.",
        where=repository.display,
        why="It is not a tag of this EDMS, and no snapshot id begins with it (four digits or more).",
        fix=f"Did you mean `{known[close[0]]}`?" if close else "See `edms-backup list`.",
    )


def _order_notes(history: SnapshotHistory, snapshot_id: str) -> tuple[str, ...]:
    notes = [one.message for one in history.findings() if one.code in _LOSSES | {"head-behind"}]
    intact = history.survey.intact
    by_time = max(history.chain.order, key=lambda one: (intact[one].created, one))
    if intact[by_time].created > intact[snapshot_id].created and not (intact[by_time].tag or "").startswith(
        "before-merge-of-"
    ):
        notes.append(
            f"`latest` is {snapshot_id[:12]} ({intact[snapshot_id].created:%Y-%m-%d %H:%M:%S} UTC), the last in the order of the "
            f"snapshots. {by_time[:12]} has a later time ({intact[by_time].created:%Y-%m-%d %H:%M:%S} UTC): a clock was wrong."
        )
    return tuple(notes)


def _owner_notes(history: SnapshotHistory, snapshot_id: str) -> tuple[str, ...]:
    manifest = history.survey.intact.get(snapshot_id)
    if manifest is None:
        return ()
    this_edms = history.this_edms
    if manifest.converted is not None:
        old, of = manifest.converted, "" if snapshot_id in history.converted else f" It is of {names_of(manifest)}."
        lost = f" {old.losses} findings are losses." if old.losses else ""
        return (f"The snapshot was converted from the old backup {old.name}.{lost}{of}",)
    if this_edms.id is None:
        return (f"The EDMS could not be identified. The snapshot is of {names_of(manifest)}.",)
    if history.owner[snapshot_id] != this_edms.id:
        now = describe_edms(this_edms.identity) if this_edms.identity else f"id {this_edms.id}"
        if manifest.identity is None:
            return (
                f"THE SNAPSHOT MAY BE ANOTHER EDMS'S: the release that made it did not record its EDMS, and it looks different."
                f" It is of {names_of(manifest)}. This EDMS is {now}.",
            )
        return (f"THE SNAPSHOT IS ANOTHER EDMS'S. It is of {names_of(manifest)}. This EDMS is {now}.",)
    if (
        manifest.identity is not None
        and this_edms.identity is not None
        and (changes := changed_names(manifest.identity, this_edms.identity))
    ):
        return (f"This EDMS has other names than at the backup: {changes}.",)
    return ()
