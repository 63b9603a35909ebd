"""Forget what restores and rollbacks have set aside: drop the databases and remove the folders. After that there is no way back to them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from edms_tasks.databases import Database
from edms_tasks.errors import EdmsBackupError
from edms_tasks.mount_points import is_mount_point
from edms_tasks.promotion import store_swap
from edms_tasks.promotion.journal import FolderSwap, Journal, Promotion


@dataclass(frozen=True)
class FormerSystem:
    """A database and folders that were set aside, and are still there."""

    promotion: Promotion
    since: datetime
    database: str  # its name now; "" if it is gone
    folders: tuple[str, ...]

    @property
    def what(self) -> str:
        """A sentence that says what it is."""
        return self.promotion.set_aside or f"the system from before {self.promotion.stamp}"


def find_set_aside(database: Database, journal: Journal, older_than: datetime) -> tuple[FormerSystem, ...]:
    """What was set aside before that time, the oldest first.

    A database is recognised by its identity; if a record has none, as in early releases, nothing of it is found.
    """
    found = []
    for promotion in journal.read():
        since = time_of_stamp(promotion.stamp)
        if promotion.state != "done" or promotion.live != database.address.name or since is None or since > older_than:
            continue
        if promotion.replaces and not promotion.previous_identity:
            continue
        there = database.identity(promotion.previous) if promotion.replaces else ""
        is_it = there and there == promotion.previous_identity and there != database.identity(promotion.live)
        folders = tuple(swap.previous for swap in promotion.folders if swap.replaces and _is_ours(swap, journal))
        if there and not is_it:
            continue  # another database has that name, so its folders are not certain either
        if is_it or folders:
            found.append(FormerSystem(promotion, since, promotion.previous if is_it else "", folders))
    return tuple(found)


def forget_set_aside(database: Database, journal: Journal, one: FormerSystem, require_held: Callable[[], None]) -> str:
    """Drop the database and remove the folders and objects; returns why that failed, or "". The caller holds the work lock."""
    try:
        require_held()
        if one.database:
            database.drop_set_aside(one.database, one.promotion.previous_identity)
        for swap in one.promotion.folders:
            if swap.previous not in one.folders:
                continue
            require_held()
            if swap.in_store:
                store_swap.forget_set_aside(swap, journal.stores)
            else:
                shutil.rmtree(swap.previous)
    except EdmsBackupError as error:
        return " ".join(part for part in (error.what, error.where, error.why) if part)
    except OSError as error:
        return f"{error.filename}: {error.strerror or error}"
    return ""


def _is_ours(swap: FolderSwap, journal: Journal) -> bool:
    """Whether what was set aside is there and has a name that a swap gives, and nothing is mounted on it."""
    if swap.in_store:
        is_named = journal.stores.is_set_aside(swap.previous, swap.live)
        return is_named and store_swap.exists(journal.stores, swap.previous, swap.live)
    folder, live = Path(swap.previous), Path(swap.live)
    named = folder.parent == live.parent and folder.name.startswith((f"{live.name}.previous-", f"{live.name}.undone-"))
    return named and not folder.is_symlink() and folder.is_dir() and not is_mount_point(folder)


def time_of_stamp(stamp: str) -> datetime | None:
    """The time in a stamp such as 20261122T233000 or 20261122T233000n2; None if it has none."""
    try:
        return datetime.strptime(stamp.partition("n")[0], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None
