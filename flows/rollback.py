"""Rollback: what a restore has set aside becomes live again; what can be rolled back to; composed once for every way of running it."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edms_tasks import promotion
from edms_tasks.databases import Database, open_database
from edms_tasks.promotion import Choice, Journal, LiveTarget, Patience, Promotion
from edms_tasks.promotion.swap import describe_live
from edms_tasks.settings import Settings
from flows.live.live_target import finish_what_was_cut_short, journal_of, live_target
from flows.restoring.target import address_of, ask_edms
from flows.running.runner import Steps


@dataclass(frozen=True)
class WayBack:
    """Something that can be rolled back to, described for people."""

    stamp: str
    what: str  # would go live
    database: str  # its name now
    folders: tuple[tuple[str, str], ...]  # (live folder, the one that would take its place; "" for none)
    default: bool

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "stamp": self.stamp,
            "what": self.what,
            "database": self.database,
            "folders": dict(self.folders),
            "default": self.default,
        }


@dataclass(frozen=True)
class WaysBack:
    """All that can be rolled back to, the latest first."""

    live: str  # the database, for people
    now: str  # what is live
    ways: tuple[WayBack, ...]

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {"database": self.live, "now": self.now, "ways": [way.as_json() for way in self.ways]}


@dataclass(frozen=True)
class RollbackResult:
    """What was swapped back, and where what was live before is kept."""

    database: str
    snapshot_id: str
    set_aside: str
    stamp: str  # under which this rollback can be undone
    what: str  # is live now
    notes: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "database": self.database,
            "snapshot": self.snapshot_id,
            "set_aside": self.set_aside,
            "stamp": self.stamp,
            "what": self.what,
            "notes": list(self.notes),
        }


def compose_ways_back(settings: Settings) -> WaysBack:
    """Say what can be rolled back to. Nothing is changed."""
    database, journal, _ = _open(settings)
    return WaysBack(
        database.address.display,
        describe_live(database, journal),
        tuple(_way(choice) for choice in promotion.choices(database, journal)),
    )


def compose_way_back(settings: Settings, stamp: str | None) -> tuple[WaysBack, WayBack]:
    """Say what `compose_rollback` would do. Raises NothingToRollBack."""
    database, journal, _ = _open(settings)
    chosen = promotion.choose(database, journal, stamp)
    return WaysBack(database.address.display, describe_live(database, journal), ()), _way(chosen)


def compose_rollback(
    settings: Settings, steps: Steps, *, stamp: str | None = None, wait: bool = True
) -> RollbackResult:
    """Swap the live system with what a restore (or a rollback) has set aside.

    Args:
        settings: of this EDMS.
        steps: how to run and tell.
        stamp: which promotion to take back; None: the last restore.
        wait: whether to wait for a running backup.

    Raises:
        NothingToRollBack, TargetLocked, TargetInUse, TargetChanged, LockLost: nothing was changed.
        PromotionHalted: the database was swapped, and the files could not follow.
    """
    patience = Patience(steps.say, waits=wait)
    with steps.stage("rollback"), ExitStack() as locks:
        database, journal, target = _open(settings)
        held = locks.enter_context(target.working("rollback"))
        notes = finish_what_was_cut_short(target, journal, patience)
        choice = promotion.choose(database, journal, stamp)
        still = locks.enter_context(target.still("rollback", patience))

        def confirm() -> None:
            held.require_held()
            still.require_held()

        done: Promotion = steps.run(
            "swap back",
            lambda: promotion.roll_back(
                choice, database, journal, confirm=confirm, disconnect=settings.restore.disconnect
            ),
        )
    return RollbackResult(
        database=done.database,
        snapshot_id=done.snapshot_id,
        set_aside=done.previous,
        stamp=done.stamp,
        what=choice.what,
        notes=notes,
    )


def _open(settings: Settings) -> tuple[Database, Journal, LiveTarget]:
    report = ask_edms(settings, [])
    database = open_database(address_of(settings, report))
    return database, journal_of(settings), live_target(settings, database, report)


def _way(choice: Choice) -> WayBack:
    made = choice.promotion
    return WayBack(
        stamp=choice.stamp,
        what=choice.what,
        database=made.previous,
        folders=tuple((swap.live, swap.previous if Path(swap.previous).exists() else "") for swap in made.folders),
        default=choice.default,
    )
