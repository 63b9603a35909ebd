"""The names that a promotion gives to what was live: none that anything has already."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from edms_tasks.databases import Database
from edms_tasks.inventory.file_stores import is_store
from edms_tasks.promotion import store_swap
from edms_tasks.promotion.journal import Journal


@dataclass(frozen=True)
class SetAside:
    """The names that the live database gets, and the live folders and places of stores."""

    database: str
    places: Mapping[str, str]  # by what is live

    def any_exists(self, database: Database, journal: Journal) -> bool:
        """Whether something has one of these names already."""
        return database.exists(self.database) or any(
            store_swap.exists(journal.stores, place, live) if is_store(live) else os.path.lexists(place)
            for live, place in self.places.items()
        )


def beside_the_live(lives: Iterable[str], journal: Journal, suffix: str) -> dict[str, str]:
    """The paths of live folders, and the addresses of live stores, with a suffix; by what is live."""
    return {live: f"{journal.stores.beside(live) if is_store(live) else live}.{suffix}" for live in lives}


def new_stamp(journal: Journal, database: Database, names: Callable[[str], SetAside]) -> str:
    """A UTC time stamp, precise to the second, that is neither in this journal nor in the name of anything that was set aside.

    A run with another work folder has another journal; what it set aside in this second must not be overwritten.
    """
    taken = {entry.stamp for entry in journal.read()}
    base = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    stamp, number = base, 1
    while stamp in taken or names(stamp).any_exists(database, journal):
        number += 1
        stamp = f"{base}n{number}"
    return stamp
