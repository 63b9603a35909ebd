"""Swap the objects of a root in a store, which cannot rename: they are copied and removed, one by one, by the store itself.

Before the database is swapped, the live objects are copied to the place where they are kept (`set_aside`); nothing live changes. After
it, the incoming objects are copied over the live ones, and what the snapshot lacks is removed (`bring_in`). Each step looks at what is
there and does what is missing, so it can be interrupted at any request and done again, by any machine. No live object is overwritten or
removed that is not kept, where it was set aside or, if somebody wrote it since then, beside that.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from edms_tasks.errors import TargetChanged, TerminalError
from edms_tasks.files.live_stores import LiveStores
from edms_tasks.files.store_copying import ComparedPlaces, Held, compared, listed, on_threads, remove_all
from edms_tasks.promotion.journal import FolderSwap, Promotion

if TYPE_CHECKING:
    from edms_tasks.files.store_place import StorePlace  # botocore is an extra

_NAMED = 5


def identity(stores: LiveStores, url: str, live: str, scratch: Path) -> str:
    """What tells the objects of a place from others: a hash of their keys, sizes, ETags and times."""
    return listed(stores.place(url, live), scratch).identity


def set_aside(promotion: Promotion, stores: LiveStores, scratch: Path) -> Promotion:
    """Copy the live objects to where they are kept; returns the promotion with hashes of what is there. Nothing live changes.

    Raises:
        TargetChanged: live objects were written meanwhile.
        TerminalError: the copies are not equal to the live objects.
    """
    swaps = [_set_aside(swap, stores, scratch) if swap.in_store else swap for swap in promotion.folders]
    return promotion.model_copy(update={"folders": tuple(swaps)})


def require_unchanged(promotion: Promotion, stores: LiveStores, scratch: Path) -> None:
    """Check just before the swap that the incoming objects are those that were validated; raises TargetChanged."""
    for swap in promotion.folders:
        if swap.in_store and swap.identity != identity(stores, swap.incoming, swap.live, scratch):
            raise TargetChanged(
                "Objects to be promoted are not those that were validated.",
                where=swap.incoming,
                why="Some were written or removed meanwhile.",
                fix="Nothing was changed. Find out what writes beside the live objects, and run the restore again.",
            )


def bring_in(swap: FolderSwap, stores: LiveStores, scratch: Path) -> None:
    """Make the live objects those of the incoming place.

    Raises:
        TerminalError: incoming objects are gone, or the live ones are not equal to them afterwards.
        RepositoryUnreachable, RepositoryForbidden, NoSpace: it is half done, and can be done again.
    """
    live, incoming, previous = (stores.place(url, swap.live) for url in (swap.live, swap.incoming, swap.previous))
    if listed(incoming, scratch).contents != swap.contents:
        raise _not_done(swap.incoming, "Objects that were to be promoted are gone, or were written again.")
    later = stores.place(written_later(swap.previous), swap.live)
    with compared(live, incoming, scratch) as there, compared(live, previous, scratch) as keeping:
        for _ in on_threads(lambda both: _settle(*both, there, keeping, later), _side_by_side(there, keeping)):
            pass
    with compared(live, incoming, scratch) as there:
        _require_none(there.differences(), swap.live, "These objects are not those of the snapshot: ")


def written_later(previous: str) -> str:
    """Where live objects are kept that somebody wrote after the others were set aside at `previous`."""
    return f"{previous}.later"


def take_away(swap: FolderSwap, stores: LiveStores) -> None:
    """Remove the incoming objects, which are live now."""
    remove_all(stores.place(swap.incoming, swap.live))


def forget_set_aside(swap: FolderSwap, stores: LiveStores) -> None:
    """Remove what a promotion has set aside, or copied before it was given up."""
    if stores.is_set_aside(swap.previous, swap.live):
        for url in (swap.previous, written_later(swap.previous)):
            remove_all(stores.place(url, swap.live))


def exists(stores: LiveStores, url: str, live: str) -> bool:
    """Whether there is an object at a place."""
    return not stores.place(url, live).is_empty()


def is_whole(stores: LiveStores, swap: FolderSwap, scratch: Path) -> bool:
    """Whether the objects that a swap set aside are all there, as they were."""
    return listed(stores.place(swap.previous, swap.live), scratch).contents == swap.previous_contents


def _set_aside(swap: FolderSwap, stores: LiveStores, scratch: Path) -> FolderSwap:
    live, previous = stores.place(swap.live, swap.live), stores.place(swap.previous, swap.live)
    with compared(live, previous, scratch) as there:
        for _ in on_threads(lambda held: previous.copy_from(live, held.key, held.size or 0), there.pairs()):
            pass
        before = there.listed
    with compared(live, previous, scratch) as there:
        if there.listed.identity != before.identity:
            raise TargetChanged(
                "Objects of the EDMS were written while they were set aside.",
                where=swap.live,
                fix="Nothing was changed. Stop the EDMS, and run it again.",
            )
        _require_none(there.differences(), swap.previous, "These copies are not equal to the live objects: ")
        kept = there.other_listed.contents
    incoming = listed(stores.place(swap.incoming, swap.live), scratch)
    return swap.model_copy(update={"previous_contents": kept, "contents": incoming.contents})


def _settle(held: Held, kept: Held | None, there: ComparedPlaces, keeping: ComparedPlaces, later: StorePlace) -> None:
    """Bring one object in, or remove one that the incoming place lacks; what nobody kept yet is kept first."""
    if there.equal(held) and there.has_same_headers(held):
        return  # by an interrupted run, or both had it
    if held.size is not None and (kept is None or not keeping.equal(kept)):
        later.copy_from(there.place, held.key, held.size)
    if held.other_size is None:
        there.place.remove(held.key)
    else:
        there.place.copy_from(there.other, held.key, held.other_size)


def _side_by_side(there: ComparedPlaces, kept: ComparedPlaces) -> Iterator[tuple[Held, Held | None]]:
    """Each key of the first comparison, with what the other one says of it; both are in the order of keys."""
    others = kept.pairs()
    other = next(others, None)
    for held in there.pairs():
        while other is not None and other.key < held.key:
            other = next(others, None)
        yield held, other if other is not None and other.key == held.key else None


def _require_none(keys: Iterable[str], where: str, why: str) -> None:
    found = list(itertools.islice(keys, _NAMED + 1))
    if found:
        raise _not_done(where, why + ", ".join(found[:_NAMED]) + (" and others" if len(found) > _NAMED else ""))


def _not_done(where: str, why: str) -> TerminalError:
    return TerminalError(
        "Objects could not be swapped.",
        where=where,
        why=why,
        fix="Find out what else writes there, and run it again.",
    )
