"""Roll back: swap the live system with what a restore or a rollback set aside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edms_tasks.databases import Database
from edms_tasks.errors import NothingToRollBack, TargetChanged
from edms_tasks.promotion import store_swap
from edms_tasks.promotion.journal import FolderSwap, Journal, Promotion
from edms_tasks.promotion.set_aside_names import SetAside, beside_the_live, new_stamp
from edms_tasks.promotion.staged_folders import identity
from edms_tasks.promotion.swap import carry_out, describe_live, folder_swap, store_place_swap
from edms_tasks.scratch.run_folder import run_folder


@dataclass(frozen=True)
class Choice:
    """A state that can be rolled back to: the database and folders that were set aside at `stamp`."""

    promotion: Promotion
    default: bool  # chosen without a stamp: it undoes the last restore

    @property
    def stamp(self) -> str:
        """The stamp that identifies the choice."""
        return self.promotion.stamp

    @property
    def what(self) -> str:
        """A sentence that says what would go live."""
        return self.promotion.set_aside or f"the system from before {self.promotion.stamp}"


def choices(database: Database, journal: Journal) -> tuple[Choice, ...]:
    """All states that can be rolled back to, the latest first."""
    done = [one for one in journal.read() if one.state == "done" and one.live == database.address.name]
    possible = [one for one in reversed(done) if _is_there(one, database)]
    if not possible:
        return ()
    latest = [one for one in journal.read() if one.state != "started" and one.live == database.address.name][-1]
    now = database.identity(database.address.name)
    # After a rollback, or if something else went live since, there is no default.
    default = latest.stamp if latest.kind == "restore" and latest.identity in ("", now) else ""
    return tuple(Choice(one, one.stamp == default) for one in possible)


def choose(database: Database, journal: Journal, stamp: str | None) -> Choice:
    """Choose what to roll back to: the named state, or the one before the last restore.

    Raises:
        NothingToRollBack: there is no such state, or none at all; or the last swap was a rollback, so a stamp is required.
    """
    found = choices(database, journal)
    if stamp is not None:
        for choice in found:
            if choice.stamp == stamp:
                return choice
        raise NothingToRollBack(
            f"There is no previous state {stamp!r} to roll back to.",
            where=str(journal.path),
            why="It was never promoted here, was rolled back already, or its database is gone.",
            fix="`edms-backup rollback --list` shows what there is.",
        )
    if not found:
        raise NothingToRollBack(
            "There is no promoted restore to roll back.",
            where=str(journal.path),
            why=_why_nothing(database, journal),
            fix="`edms-backup list` shows the snapshots.",
        )
    if not found[0].default:
        raise NothingToRollBack(
            "Say what to roll back to: the last change of the live system was not a recorded restore.",
            where=database.address.display,
            why="It was a rollback, or something else replaced the database since then.",
            fix=f"To bring back {found[0].what}: `edms-backup rollback {found[0].stamp}`. "
            "`edms-backup rollback --list` shows all.",
        )
    return found[0]


def roll_back(
    choice: Choice,
    database: Database,
    journal: Journal,
    *,
    confirm: Callable[[], None],
    disconnect: bool,
    run: str = "",
) -> Promotion:
    """Swap the live system with what was set aside. The caller holds the locks and has finished interrupted promotions.

    Raises:
        NothingToRollBack: a folder that was set aside is missing.
        TargetInUse, TargetChanged, LockLost: nothing was changed.
        PromotionHalted: the database was swapped, but the folders could not be.
    """
    undone = choice.promotion
    for swap in undone.folders:
        if swap.replaces and not _is_kept(swap, journal):
            raise NothingToRollBack(
                "The previous files are gone, or some of them.",
                where=swap.previous,
                fix="Bring back what had that name, or restore a snapshot instead: `edms-backup list`.",
            )

    lives = [swap.live for swap in undone.folders]

    def names(stamp: str) -> SetAside:
        places = beside_the_live(lives, journal, f"undone-{stamp}")
        return SetAside(database.previous_name(f"undone_{stamp}"), places)

    stamp = new_stamp(journal, database, names)
    live, aside = database.address.name, names(stamp)
    back = Promotion(
        stamp=stamp,
        kind="rollback",
        snapshot_id=undone.snapshot_id,
        database=undone.database,
        live=live,
        incoming=undone.previous,
        previous=aside.database,
        replaces=database.exists(live),
        folders=tuple(_way_back(swap, aside.places[swap.live], database, journal) for swap in undone.folders),
        state="started",
        identity=database.identity(undone.previous),
        previous_identity=database.identity(live),
        set_aside=describe_live(database, journal),
        undoes=undone.stamp,
        run=run,
    )
    expected = {swap.incoming: swap.identity for swap in back.folders if not swap.in_store}

    def unchanged() -> None:
        for folder, there in expected.items():
            if identity(Path(folder)) != there:
                raise TargetChanged("A folder to be promoted was replaced.", where=folder, fix="Run it again.")
        confirm()

    return carry_out(
        back, database, journal, fingerprint=undone.previous_identity, confirm=unchanged, disconnect=disconnect
    )


def _is_kept(swap: FolderSwap, journal: Journal) -> bool:
    if not swap.in_store:
        return Path(swap.previous).is_dir()
    with run_folder(journal.path.parent, "promotion") as scratch:
        return store_swap.is_whole(journal.stores, swap, scratch)


def _way_back(swap: FolderSwap, previous: str, database: Database, journal: Journal) -> FolderSwap:
    if not swap.in_store:
        return folder_swap(database, Path(swap.live), Path(swap.previous), previous)
    with run_folder(journal.path.parent, "promotion") as scratch:
        its = store_swap.identity(journal.stores, swap.previous, swap.live, scratch)
    return store_place_swap(swap.live, swap.previous, previous, its)


def _is_there(promotion: Promotion, database: Database) -> bool:
    found = database.identity(promotion.previous)
    return bool(found) and found == (promotion.previous_identity or found)


def _why_nothing(database: Database, journal: Journal) -> str:
    done = [one for one in journal.read() if one.state == "done" and one.live == database.address.name]
    if not done:
        return "No restore of this database is on record."
    return f"The previous database is gone, or another one has its name: {done[-1].previous}"
