"""The order of an EDMS's snapshots: each names the previous one, independent of clocks.

A snapshot is linked to its predecessor under the repository's lock, so the links are reliable. Times order only snapshots
without links; where times contradict the links, `Chain.backwards` says so. A pruned snapshot keeps its position by the record of its
prune; it is neither there nor missing. Pure values: nothing here reads anything.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType


@dataclass(frozen=True)
class Link:
    """The keys of a manifest that determine its position in the order."""

    id: str
    created: datetime
    previous: str | None = None
    number: int | None = None  # None: made by a release that did not number snapshots
    aside: tuple[str, ...] = ()
    is_certain: bool = True  # not of a pruned snapshot whose manifest could not be read
    is_first_here: bool = False  # it was imported, and the snapshots before it were never here; `previous` is None then


@dataclass(frozen=True)
class Mark:
    """A record of the newest snapshot: in the repository's head record, or in the working folder."""

    snapshot: str
    number: int


@dataclass(frozen=True)
class Missing:
    """A missing snapshot that something names. `id` is "" if only the numbers show that it is missing."""

    id: str
    said_by: str  # id of the snapshot that names it; "head", "here" (the working folder) or "count"
    number: int | None = None
    count: int = 1


@dataclass(frozen=True)
class Chain:
    """The snapshots of one EDMS."""

    order: tuple[str, ...]  # oldest first
    heads: tuple[str, ...]  # snapshots without a successor, oldest first; one, unless the chain has forked
    missing: tuple[Missing, ...]
    backwards: tuple[tuple[str, str], ...]  # (snapshot, predecessor), where the snapshot has the earlier time
    forks: tuple[tuple[str, ...], ...]  # snapshots with the same predecessor
    expected: int  # how many snapshots there should be
    pruned: int = 0  # how many more there were


def chain_of(
    links: Mapping[str, Link],
    own: Collection[str],
    unreadable: Collection[str] = (),
    *,
    pruned: Mapping[str, Link] = MappingProxyType({}),
    own_pruned: Collection[str] = (),
    head: Mark | None = None,
    here: Mark | None = None,
) -> Chain:
    """Order the snapshots of one EDMS.

    Args:
        links: all readable snapshots in the repository, by id; earlier releases linked across EDMSs.
        own: ids of the EDMS's snapshots.
        unreadable: ids of snapshots that exist but cannot be read, or have a wrong file name.
        pruned: the snapshots that prunes removed, as their records have them, by id.
        own_pruned: ids of those of the EDMS.
        head: the newest snapshot by the repository's head record.
        here: the newest snapshot by the record in the working folder.
    """
    mine = {name: links[name] for name in own}
    known = {**pruned, **links}
    before: dict[str, str | None] = {}
    gaps: dict[str, Missing] = {}  # of each snapshot whose predecessors are interrupted: the missing one
    for name in mine:
        before[name], gap = _before(name, mine, known)
        if gap is not None:
            gaps[name] = gap
    for name in sorted(gaps, key=lambda name: (mine[name].number or 0, mine[name].created)):
        before[name] = _across_the_gap(name, mine, before)
    forks = _forks(before, gaps)
    gone = {name: pruned[name] for name in own_pruned}
    followed = {one for one in (*before.values(), *(_before(name, mine, known)[0] for name in gone)) if one is not None}
    settled = {one for link in (*mine.values(), *gone.values()) for one in link.aside}
    order = _sorted(mine, before)
    missing = _missing([*mine.values(), *gone.values()], gaps.values(), known, set(unreadable), head, here)
    elsewhere = _elsewhere([*mine.values(), *gone.values()])
    ever = max(
        len(mine) + len(gone) + sum(one.count for one in missing),
        *(mark.number - elsewhere for mark in (head, here) if mark),
        0,
    )
    return Chain(
        order=order,
        heads=tuple(name for name in order if name not in followed and name not in settled),
        missing=missing,
        backwards=tuple(
            (name, earlier)
            for name in order
            if (earlier := before[name]) is not None and mine[name].created < mine[earlier].created
        ),
        forks=forks,
        expected=ever - len(gone),
        pruned=len(gone),
    )


def in_order(links: Mapping[str, Link]) -> tuple[str, ...]:
    """All snapshots of a repository, each after its predecessor; otherwise by time."""
    return _sorted(links, {name: link.previous if link.previous in links else None for name, link in links.items()})


def _before(name: str, mine: Mapping[str, Link], known: Mapping[str, Link]) -> tuple[str | None, Missing | None]:
    """The nearest earlier snapshot of the same EDMS, or None; and the missing snapshot that interrupts the chain, or None."""
    seen = {name}
    last, earlier = known[name], known[name].previous
    while earlier is not None and earlier not in mine:
        if earlier not in known or not known[earlier].is_certain:
            return None, Missing(earlier, last.id, last.number - 1 if last.number and last.number > 1 else None)
        if earlier in seen:
            return None, None  # a cycle: a manifest cannot contain its own hash, so these are forged
        seen.add(earlier)
        last, earlier = known[earlier], known[earlier].previous
    return (earlier, None) if earlier != name else (None, None)


def _across_the_gap(name: str, mine: Mapping[str, Link], before: Mapping[str, str | None]) -> str | None:
    """The predecessor of a snapshot whose recorded one is missing: the last certainly earlier one, by number or else by time."""
    link, later = mine[name], _followers(name, before)
    others = [one for one in mine.values() if one.id not in later]
    if link.number is not None:
        numbered = [one for one in others if one.number is not None and one.number < link.number]
        if numbered:
            return max(numbered, key=lambda one: (one.number or 0, one.created)).id
        others = [one for one in others if one.number is None]
    else:
        others = [one for one in others if one.number is None]
        earlier = [one for one in others if one.created < link.created]
        others = earlier or (others if len(others) == 1 else [])
    followed = {one for one in before.values() if one is not None}
    ends = [one for one in others if one.id not in followed] or others
    return max(ends, key=lambda one: one.created).id if ends else None


def _followers(name: str, before: Mapping[str, str | None]) -> set[str]:
    """A snapshot and all its successors."""
    found = {name}
    grows = True
    while grows:
        more = {one for one, earlier in before.items() if earlier in found} - found
        found |= more
        grows = bool(more)
    return found


def _forks(before: Mapping[str, str | None], gaps: Collection[str]) -> tuple[tuple[str, ...], ...]:
    followers: dict[str | None, list[str]] = {}
    for name, earlier in before.items():
        if not (earlier is None and name in gaps):
            followers.setdefault(earlier, []).append(name)
    return tuple(tuple(sorted(names)) for names in followers.values() if len(names) > 1)


def _sorted(links: Mapping[str, Link], before: Mapping[str, str | None]) -> tuple[str, ...]:
    waiting: dict[str, list[str]] = {}
    ready: list[tuple[datetime, str]] = []
    for name, link in links.items():
        earlier = before[name]
        if earlier is None:
            heapq.heappush(ready, (link.created, name))
        else:
            waiting.setdefault(earlier, []).append(name)
    order: list[str] = []
    while ready:
        _, name = heapq.heappop(ready)
        order.append(name)
        for follower in waiting.pop(name, ()):
            heapq.heappush(ready, (links[follower].created, follower))
    left = set(links) - set(order)  # cycles
    return (*order, *sorted(left, key=lambda name: (links[name].created, name)))


def _missing(
    ever: Collection[Link],
    gaps: Iterable[Missing],
    known: Mapping[str, Link],
    unreadable: set[str],
    head: Mark | None,
    here: Mark | None,
) -> tuple[Missing, ...]:
    """The missing snapshots. `ever`: the EDMS's snapshots that are there or were pruned."""
    found: dict[str, Missing] = {}
    for gap in gaps:
        if gap.id not in known:
            found.setdefault(gap.id, gap)
    marks = [(mark, said_by) for mark, said_by in ((head, "head"), (here, "here")) if mark is not None]
    for mark, said_by in marks:
        if mark.snapshot not in known:
            found.setdefault(mark.snapshot, Missing(mark.snapshot, said_by, mark.number))
    named = [one for one in found.values() if one.id not in unreadable]
    # A link names only the direct predecessor: if several in a row are missing, the numbers show how many.
    numbers = {link.number for link in ever if link.number is not None}
    highest = max((*numbers, *(mark.number for mark, _ in marks)), default=0)
    counted = len(numbers) + sum(1 for link in ever if link.number is None) if numbers or marks else 0
    unnamed = highest - counted - len(found) - _elsewhere(ever) if highest else 0
    return (*named, *((Missing("", "count", count=unnamed),) if unnamed > 0 else ()))


def _elsewhere(ever: Collection[Link]) -> int:
    """How many snapshots before an imported one were never here, by the numbers."""
    first = max((link.number or 0 for link in ever if link.is_first_here), default=0)
    return max(0, first - 1) - len({link.number for link in ever if link.number is not None and link.number < first})


def ancestors_of(names: Iterable[str], links: Mapping[str, Link]) -> set[str]:
    """The ids of all recorded predecessors of these snapshots, direct and indirect."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        link = links.get(waiting.pop())
        if link is not None and link.previous is not None and link.previous not in found:
            found.add(link.previous)
            waiting.append(link.previous)
    return found
