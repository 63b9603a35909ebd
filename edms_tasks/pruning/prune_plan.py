"""Decide which snapshots of an EDMS go. Nothing is removed here.

Some are kept whatever the rules say: the newest, the last proved one, those that are held or tagged, and those that are being read. A
snapshot with missing or damaged objects, or whose time is in doubt, is kept and takes no other's place: the rules are applied to the rest.
One that was converted from an old backup goes only if somebody names it.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from edms_tasks.errors import CommandError, PruneRefused
from edms_tasks.findings import REGISTRY
from edms_tasks.lineage.owner import CONVERTED, KnownEdms
from edms_tasks.lineage.snapshot_history import SnapshotHistory, converted_histories, histories, history_of
from edms_tasks.lineage.snapshot_tags import BEFORE_MERGE
from edms_tasks.manifest import Manifest, ObjectRef
from edms_tasks.repository import Repository, Survey
from edms_tasks.repository.proved_snapshots import read_proved
from edms_tasks.repository.reader_leases import readers
from edms_tasks.repository.records import NamedSnapshot
from edms_tasks.repository.retention_rules import Rules, kept

_BINDING = frozenset({"newest", "held", "proved", "being read"})
"""What keeps a snapshot that somebody asks to remove."""

_LEEWAY = timedelta(hours=1)
"""By how much clocks may differ before a time is in doubt."""


@dataclass(frozen=True)
class Fate:
    """What becomes of a snapshot."""

    id: str
    edms: str  # key of its EDMS
    number: int | None
    created: datetime
    tags: tuple[str, ...]
    keeps: tuple[str, ...]  # what keeps it, e.g. "newest", "daily"; empty: it goes
    frees: int = 0  # bytes that go with it: objects that no kept snapshot and no later one that goes names

    @property
    def goes(self) -> bool:
        """Whether it is removed."""
        return not self.keeps

    def as_json(self) -> dict[str, object]:
        """The decision for `--json`."""
        return {
            "id": self.id,
            "edms": self.edms,
            "number": self.number,
            "created": self.created.isoformat(),
            "tags": list(self.tags),
            "keeps": list(self.keeps),
            "goes": self.goes,
            "frees": self.frees,
        }


@dataclass(frozen=True)
class PrunePlan:
    """What becomes of each snapshot, in their order, and what is freed."""

    fates: tuple[Fate, ...]
    survey: Survey
    given_up: tuple[NamedSnapshot, ...] = ()  # lost ones, which are recorded as removed
    frees: int = 0
    unneeded: int = 0  # bytes of objects that no snapshot names, as a killed run leaves them
    notes: tuple[str, ...] = ()

    @property
    def going(self) -> tuple[NamedSnapshot, ...]:
        """The snapshots that go, the oldest first."""
        return tuple(_named(fate.id, self.survey.intact[fate.id], fate.edms) for fate in self.fates if fate.goes)


@dataclass(frozen=True)
class Wishes:
    """What is asked of a prune.

    Args:
        rules: what is kept.
        keep_tags: snapshots with a tag that matches one of these patterns are kept.
        every_edms: apply the rules to each EDMS of the repository, not only to this one.
        remove: ids of snapshots to remove in any case.
        known_records: records that this working folder has seen.
        damaged: names of stored objects that a verification found damaged.
    """

    rules: Rules
    keep_tags: tuple[str, ...] = ("*",)
    every_edms: bool = False
    remove: tuple[str, ...] = ()
    known_records: tuple[str, ...] = ()
    damaged: Collection[str] = field(default=frozenset())


def plan_prune(repository: Repository, this_edms: KnownEdms, wishes: Wishes, now: datetime | None = None) -> PrunePlan:
    """Decide about every snapshot of the EDMS, or of all.

    Raises:
        CommandError: there is no rule, or it is not known which EDMS is meant.
        PruneRefused: something in the repository is missing or cannot be read, so it is not certain what may be removed.
    """
    if wishes.rules.empty and not wishes.remove:
        raise CommandError(
            "There is no rule that says what to keep, so nothing is removed.",
            where="[retention] of the settings",
            fix="Name what to keep, e.g. `--keep-daily 7 --keep-weekly 4 --keep-monthly 12`, or set it in [retention].",
        )
    own = history_of(repository, this_edms)
    given_up = _given_up(own.survey, wishes.remove)
    _require_certainty(repository, own.survey, wishes, {one.id for one in given_up})
    if own.key is None and not wishes.every_edms and not given_up and own.survey.intact:
        raise CommandError(
            "It is not known which EDMS this is, so no snapshot of it can be removed.",
            where=repository.display,
            why="[edms] id is not set, no backup was made from here, and the snapshots are of several EDMSs or of one with other names.",
            fix="Set [edms] id (`edms-backup list --all` shows the ids), or use `--all-edms`.",
        )
    proved = read_proved(repository)
    if proved.unreadable:
        raise _refused(repository, proved.problems[0], _REMOVE_IT)
    protected = dict.fromkeys(own.survey.records.holds, "held")
    protected |= {one.snapshot: "proved" for one in proved.by_edms.values() if one.snapshot not in protected}
    read = dict.fromkeys(readers(repository.backend), "being read")
    stored = dict(repository.backend.names("objects"))
    needs = {
        name: {repository.stored_name(ref): ref for ref in manifest.objects().values()}
        for name, manifest in own.survey.intact.items()
    }
    incomplete = {
        name
        for name, objects in needs.items()
        if any(
            one not in stored or not repository.may_be(ref, stored[one]) or one in wishes.damaged
            for one, ref in objects.items()
        )
    }
    others = [one for one in (*histories(own), *converted_histories(own)) if one.key != own.key]
    chosen = [own, *(one for one in others if wishes.every_edms or one.key == f"{CONVERTED}{own.key}")]
    fates = [
        fate
        for history in chosen
        for fate in _fates(history, wishes, {**read, **protected}, incomplete, now or datetime.now(UTC))
    ]
    done = {*(one.id for one in given_up), *own.survey.pruned}  # a prune that is repeated asks for what is gone
    _require_removable(fates, [one for one in wishes.remove if one not in done])
    plan = _with_bytes(fates, own.survey, given_up, needs, stored)
    return replace(plan, notes=(*proved.problems, *proved.notes, *plan.notes))


def _fates(
    history: SnapshotHistory, wishes: Wishes, protected: Mapping[str, str], incomplete: Collection[str], now: datetime
) -> list[Fate]:
    """The decisions about one EDMS's snapshots, in their order."""
    survey, order = history.survey, history.chain.order
    times, doubtful = _times(history, now)
    usable = [(name, times[name]) for name in order if name not in incomplete and name not in doubtful]
    by_rule = kept(usable, wishes.rules)
    newest = {*history.chain.heads, *([history.newest] if history.newest else [])}
    found = []
    for name in order:
        tags, manifest = survey.tags_of(name), survey.intact[name]
        reasons = [
            *(["newest"] if name in newest else []),
            *([protected[name]] if name in protected else []),
            *(["tagged"] if _is_kept_by_tag(tags, wishes.keep_tags) else []),
            *(["incomplete"] if name in incomplete else []),
            *(["time in doubt"] if name in doubtful else []),
            *by_rule.get(name, ()),
        ]
        if manifest.converted is not None:
            # Of another time and another tool: no rule is about it, and it is not the newest of anything.
            reasons = ["converted", *(one for one in reasons if one in _BINDING and one != "newest")]
        if wishes.rules.empty:
            reasons = reasons or ["no rule"]
        if name in wishes.remove:
            reasons = [one for one in reasons if one in _BINDING]
        found.append(Fate(name, history.key or "", manifest.number, manifest.created, tags, tuple(reasons)))
    return found


def _times(history: SnapshotHistory, now: datetime) -> tuple[dict[str, datetime], set[str]]:
    """The time of each snapshot, and those whose time is in doubt: in the future, or against the order of the snapshots.

    A clock that was set back by less than `_LEEWAY` between two snapshots leaves them in their order.
    """
    intact = history.survey.intact
    times: dict[str, datetime] = {}
    doubtful = {name for name in history.chain.order if intact[name].created > now + _LEEWAY}
    before: datetime | None = None
    for name in history.chain.order:
        times[name] = intact[name].created
        if name in doubtful:
            continue
        if before is not None and timedelta(0) < before - times[name] <= _LEEWAY:
            times[name] = before
        before = times[name]
    for later, earlier in history.chain.backwards:
        if intact[earlier].created - intact[later].created > _LEEWAY and earlier not in doubtful:
            doubtful |= {later, earlier}
    return times, doubtful


def _is_kept_by_tag(tags: Sequence[str], patterns: Sequence[str]) -> bool:
    """Whether a tag keeps a snapshot. A safety snapshot of a merge is tagged by no person: its tag must be named."""
    return any(
        fnmatch.fnmatchcase(tag, pattern) and not (pattern == "*" and tag.startswith(BEFORE_MERGE))
        for tag in tags
        for pattern in patterns
    )


def _require_certainty(repository: Repository, found: Survey, wishes: Wishes, given_up: Collection[str]) -> None:
    """Raise PruneRefused if something is missing or cannot be read."""
    if doubt := found.doubt(given_up):
        raise _refused(
            repository,
            f"{doubt[0].upper()}{doubt[1:]}, so it is not known which objects are needed.",
            "Put it back from a copy of the repository; `edms-backup verify --structure` says all that is wrong. If it is lost for good, "
            "give it up: `edms-backup prune --remove ID --reason TEXT`.",
        )
    if found.unreadable_heads:
        why = f"{found.unreadable_heads[0]}, the record of an EDMS's newest snapshot, cannot be read."
        raise _refused(repository, why, "Make a backup of that EDMS: it writes the record again.")
    if doubts := found.records.doubts(wishes.known_records):
        raise _refused(
            repository,
            f"{doubts[0]} It may be a hold." + (f" There are {len(doubts) - 1} more." if len(doubts) > 1 else ""),
            REGISTRY["record-damaged"].fix,
        )


def _given_up(found: Survey, asked: Collection[str]) -> tuple[NamedSnapshot, ...]:
    """The snapshots to be removed whose manifest is missing or damaged, with what others say of them."""
    newest = {mark.snapshot for mark in found.heads.values()}
    if early := [name for name in asked if name in newest and name not in found.intact]:
        raise CommandError(
            "The newest snapshot cannot be given up.",
            where=early[0][:12],
            why="The repository's own record names it as the newest.",
            fix="Make a backup first. It becomes the newest, and records that this one is missing.",
        )
    number_of = {link.previous: link.number - 1 for link in found.links.values() if link.number and link.number > 1}
    return tuple(
        NamedSnapshot(id=name, number=number_of.get(name), edms=_edms_after(found, name))
        for name in asked
        if name not in found.intact and name in (*found.missing, *found.damaged)
    )


def _edms_after(found: Survey, name: str) -> str:
    """The EDMS of the snapshot that names this one as its predecessor."""
    for manifest in found.intact.values():
        if manifest.previous == name and manifest.identity is not None:
            return manifest.identity.id
    return ""


def _require_removable(fates: Sequence[Fate], asked: Sequence[str]) -> None:
    """Raise CommandError if a snapshot that should be removed cannot be."""
    known = {fate.id: fate for fate in fates}
    for name in asked:
        if name not in known:
            raise CommandError(
                "This snapshot cannot be removed.",
                where=name[:12],
                why="It is not one of this EDMS's snapshots.",
                fix="See `edms-backup list`; `--all-edms` includes those of other EDMSs.",
            )
        if known[name].keeps:
            raise CommandError(
                "This snapshot cannot be removed.",
                where=name[:12],
                why=f"It is {' and '.join(known[name].keeps)}.",
                fix="A held one must be released first. The newest and the last proved one are never removed.",
            )


def _with_bytes(
    fates: Sequence[Fate],
    found: Survey,
    given_up: tuple[NamedSnapshot, ...],
    needs: Mapping[str, Mapping[str, ObjectRef]],
    stored: Mapping[str, int],
) -> PrunePlan:
    """The plan with the bytes that each snapshot frees: an object goes with the last snapshot that names it."""
    going = [fate for fate in fates if fate.goes]
    gone = {fate.id for fate in going}
    taken = {one for name, objects in needs.items() if name not in gone for one in objects}
    named = {one for objects in needs.values() for one in objects}
    unneeded = sum(size for name, size in stored.items() if name not in named)
    frees: dict[str, int] = {}
    for fate in reversed(going):
        own = needs[fate.id].keys() - taken
        frees[fate.id] = sum(stored.get(one, 0) for one in own)
        taken |= own
    with_bytes = [replace(one, frees=frees.get(one.id, 0)) for one in fates]
    return PrunePlan(tuple(with_bytes), found, given_up, sum(frees.values()), unneeded, _notes(with_bytes))


def _notes(fates: Sequence[Fate]) -> tuple[str, ...]:
    incomplete = [fate.id[:12] for fate in fates if "incomplete" in fate.keeps]
    doubtful = [fate.id[:12] for fate in fates if "time in doubt" in fate.keeps]
    return (
        *(
            [
                f"Objects of {', '.join(incomplete)} are missing or damaged: no other snapshot goes on its account. `edms-backup verify` "
                "says which."
            ]
            if incomplete
            else []
        ),
        *(
            [
                f"The time of {', '.join(doubtful)} contradicts the order of the snapshots, or is in the future: the rules leave it out. "
                "`--remove` removes it."
            ]
            if doubtful
            else []
        ),
    )


def _named(snapshot_id: str, manifest: Manifest, edms: str) -> NamedSnapshot:
    return NamedSnapshot(
        id=snapshot_id,
        edms=edms,
        created=manifest.created,
        previous=manifest.previous,
        number=manifest.number,
        aside=manifest.aside,
    )


_REMOVE_IT = "Remove that file: the next restore that proves a snapshot writes it again. Hold the snapshot that was proved before."


def _refused(repository: Repository, why: str, fix: str) -> PruneRefused:
    return PruneRefused("Nothing was removed from the repository.", where=repository.display, why=why, fix=fix)
