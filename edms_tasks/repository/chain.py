"""The order of an EDMS's snapshots: each names the previous one, independent of clocks.

The names were given under the repository's lock, so they say what came after what; times only order what nothing else
does, and where they contradict the names that is told. Pure values: nothing here reads anything.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Link:
    """The keys of a manifest that give its place in the order."""

    id: str
    created: datetime
    previous: str | None = None
    number: int | None = None  # None: of a release that did not count
    aside: tuple[str, ...] = ()


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
    heads: tuple[str, ...]  # those that none follows, oldest first; one, unless the chain has forked
    missing: tuple[Missing, ...]
    backwards: tuple[tuple[str, str], ...]  # (snapshot, the one before it), where the later one has the earlier time
    forks: tuple[tuple[str, ...], ...]  # snapshots that all name the same one before them
    expected: int  # how many there should be


def chain_of(
    links: Mapping[str, Link],
    own: Collection[str],
    unreadable: Collection[str] = (),
    *,
    head: Mark | None = None,
    here: Mark | None = None,
) -> Chain:
    """Put the snapshots `own` into their order.

    Args:
        links: of all readable snapshots in the repository; earlier releases linked across EDMSs.
        own: the ids of one EDMS's.
        unreadable: ids of snapshots that are there and cannot be read, or lie there under a wrong name.
        head: what the repository's own record says is the newest.
        here: what the working folder says.
    """
    mine = {name: links[name] for name in own}
    before: dict[str, str | None] = {}
    gaps: dict[str, str] = {}
    for name in mine:
        before[name], gap = _before(name, mine, links)
        if gap is not None:
            gaps[name] = gap
    for name in sorted(gaps, key=lambda name: (mine[name].number or 0, mine[name].created)):
        before[name] = _across_the_gap(name, mine, before)
    forks = _forks(before, gaps)
    followed = {one for one in before.values() if one is not None}
    settled = {one for link in mine.values() for one in link.aside}
    order = _sorted(mine, before)
    missing = _missing(mine, gaps, links, set(unreadable), head, here)
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
        expected=max(len(mine) + sum(one.count for one in missing), *(mark.number for mark in (head, here) if mark), 0),
    )


def in_order(links: Mapping[str, Link]) -> tuple[str, ...]:
    """All snapshots of a repository, each after the one it names; otherwise by time."""
    return _sorted(links, {name: link.previous if link.previous in links else None for name, link in links.items()})


def _before(name: str, mine: Mapping[str, Link], links: Mapping[str, Link]) -> tuple[str | None, str | None]:
    """The nearest previous snapshot of the same EDMS; or None, with the missing snapshot that interrupts the chain."""
    seen = {name}
    earlier = mine[name].previous
    while earlier is not None and earlier not in mine:
        if earlier not in links:
            return None, earlier
        if earlier in seen:
            return None, None  # a circle: no manifest can name itself by its own hash, so these are forged
        seen.add(earlier)
        earlier = links[earlier].previous
    return (earlier, None) if earlier != name else (None, None)


def _across_the_gap(name: str, mine: Mapping[str, Link], before: Mapping[str, str | None]) -> str | None:
    """If the previous one is missing: the last snapshot that certainly came earlier, by number, or else by time."""
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
    """A snapshot, and all that come after it."""
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
    left = set(links) - set(order)  # a circle
    return (*order, *sorted(left, key=lambda name: (links[name].created, name)))


def _missing(
    mine: Mapping[str, Link],
    gaps: Mapping[str, str],
    links: Mapping[str, Link],
    unreadable: set[str],
    head: Mark | None,
    here: Mark | None,
) -> tuple[Missing, ...]:
    found: dict[str, Missing] = {}
    for name, gap in gaps.items():
        number = mine[name].number
        found.setdefault(gap, Missing(gap, name, number - 1 if number and number > 1 else None))
    marks = [(mark, said_by) for mark, said_by in ((head, "head"), (here, "here")) if mark is not None]
    for mark, said_by in marks:
        if mark.snapshot not in links:
            found.setdefault(mark.snapshot, Missing(mark.snapshot, said_by, mark.number))
    named = [one for one in found.values() if one.id not in unreadable]
    # Names tell of the one before only: where several in a row are gone, the numbers say how many.
    numbers = {link.number for link in mine.values() if link.number is not None}
    highest = max((*numbers, *(mark.number for mark, _ in marks)), default=0)
    counted = len(numbers) + sum(1 for link in mine.values() if link.number is None) if numbers or marks else 0
    unnamed = highest - counted - len(found) if highest else 0
    return (*named, *((Missing("", "count", count=unnamed),) if unnamed > 0 else ()))


def descends(name: str, ancestor: str, links: Mapping[str, Link]) -> bool:
    """Whether a snapshot is another, or comes after it by the names alone."""
    seen: set[str] = set()
    here: str | None = name
    while here is not None and here in links and here not in seen:
        if here == ancestor:
            return True
        seen.add(here)
        here = links[here].previous
    return here == ancestor


def ancestors_of(names: Iterable[str], links: Mapping[str, Link]) -> set[str]:
    """All ids that these snapshots and their ancestors name as the previous one, without themselves."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        link = links.get(waiting.pop())
        if link is not None and link.previous is not None and link.previous not in found:
            found.add(link.previous)
            waiting.append(link.previous)
    return found
