"""Roll back: swap the live system with what a restore or a rollback set aside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edms_tasks.databases import Database
from edms_tasks.errors import NothingToRollBack, TargetChanged
from edms_tasks.promotion.journal import Journal, Promotion
from edms_tasks.promotion.staged_folders import identity
from edms_tasks.promotion.swap import SetAside, carry_out, describe_live, folder_swap, new_stamp


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
    choice: Choice, database: Database, journal: Journal, *, confirm: Callable[[], None], disconnect: bool
) -> Promotion:
    """Swap the live system with what was set aside. The caller holds the locks and has finished interrupted promotions.

    Raises:
        NothingToRollBack: a folder that was set aside is missing.
        TargetInUse, TargetChanged, LockLost: nothing was changed.
        PromotionHalted: the database was swapped, but the folders could not be.
    """
    undone = choice.promotion
    for swap in undone.folders:
        if swap.replaces and not Path(swap.previous).is_dir():
            raise NothingToRollBack(
                "The previous files are gone.",
                where=swap.previous,
                fix="Bring back the folder with that name, or restore a snapshot instead: `edms-backup list`.",
            )

    def names(stamp: str) -> SetAside:
        folders = tuple(f"{swap.live}.undone-{stamp}" for swap in undone.folders)
        return SetAside(database.previous_name(f"undone_{stamp}"), folders)

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
        folders=tuple(
            folder_swap(database, Path(swap.live), Path(swap.previous), previous)
            for swap, previous in zip(undone.folders, aside.folders, strict=True)
        ),
        state="started",
        identity=database.identity(undone.previous),
        previous_identity=database.identity(live),
        set_aside=describe_live(database, journal),
        undoes=undone.stamp,
    )
    expected = {swap.incoming: swap.identity for swap in back.folders}

    def unchanged() -> None:
        for folder, there in expected.items():
            if identity(Path(folder)) != there:
                raise TargetChanged("A folder to be promoted was replaced.", where=folder, fix="Run it again.")
        confirm()

    return carry_out(
        back, database, journal, fingerprint=undone.previous_identity, confirm=unchanged, disconnect=disconnect
    )


def _is_there(promotion: Promotion, database: Database) -> bool:
    found = database.identity(promotion.previous)
    return bool(found) and found == (promotion.previous_identity or found)


def _why_nothing(database: Database, journal: Journal) -> str:
    done = [one for one in journal.read() if one.state == "done" and one.live == database.address.name]
    if not done:
        return "No restore of this database is on record."
    return f"The previous database is gone, or another one has its name: {done[-1].previous}"
