"""Rollback: make live again what a restore set aside; and list the states that can be rolled back to."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edms_tasks import promotion
from edms_tasks.databases import Database, open_database
from edms_tasks.errors import CommandError, EdmsBackupError
from edms_tasks.promotion import Choice, Journal, LiveTarget, Patience, Promotion, store_swap
from edms_tasks.promotion.journal import FolderSwap
from edms_tasks.promotion.swap import describe_live
from edms_tasks.repository import Repository
from edms_tasks.settings import Settings
from flows.approval.approving import after_approval
from flows.approval.proposal import Proposal
from flows.evidence.repository_log import LogFacts, logged
from flows.hooks.with_hooks import with_hooks
from flows.live.live_target import finish_interrupted_promotions, journal_of, live_target
from flows.requests import RollbackRequest
from flows.restoring.target import address_of, ask_edms
from flows.running.flow_decorators import Shortfall, flow, task
from flows.running.run import Run


@dataclass(frozen=True)
class WayBack:
    """A state that can be rolled back to, described for people."""

    stamp: str
    what: str  # would go live
    database: str  # its name now
    folders: tuple[tuple[str, str], ...]  # (live folder, the one that would take its place; "" for none)
    default: bool

    def as_json(self) -> dict[str, Any]:
        """The result for `--json`."""
        return {
            "stamp": self.stamp,
            "what": self.what,
            "database": self.database,
            "folders": dict(self.folders),
            "default": self.default,
        }


@dataclass(frozen=True)
class WaysBack:
    """All states that can be rolled back to, the latest first."""

    live: str  # the database, for people
    now: str  # what is live
    ways: tuple[WayBack, ...]

    def as_json(self) -> dict[str, Any]:
        """The result for `--json`."""
        return {"database": self.live, "now": self.now, "ways": [way.as_json() for way in self.ways]}


@dataclass(frozen=True)
class RollbackResult:
    """The result of a rollback: what is live again, and where the replaced system is kept."""

    database: str
    snapshot_id: str
    set_aside: str
    stamp: str  # under which this rollback can be undone
    what: str  # is live now
    notes: tuple[str, ...]

    def shortfall(self) -> Shortfall | None:
        """Always None: a rollback is done, or raises an error."""
        return None

    def log_facts(self) -> LogFacts:
        """What the repository's log says of it."""
        return LogFacts(
            True, snapshot=self.snapshot_id or None, facts={"now_live": self.what, "set_aside": self.set_aside}
        )

    def as_json(self) -> dict[str, Any]:
        """The result for `--json`."""
        return {
            "database": self.database,
            "snapshot": self.snapshot_id,
            "set_aside": self.set_aside,
            "stamp": self.stamp,
            "what": self.what,
            "notes": list(self.notes),
        }


def list_ways_back(settings: Settings) -> WaysBack:
    """List the states that can be rolled back to. Nothing is changed."""
    database, journal, _ = _open(Run(settings))
    return WaysBack(
        database.address.display,
        describe_live(database, journal),
        tuple(_way(choice, journal) for choice in promotion.choices(database, journal)),
    )


def find_way_back(settings: Settings, stamp: str | None) -> tuple[WaysBack, WayBack]:
    """Describe what a rollback would do. Raises NothingToRollBack."""
    database, journal, _ = _open(Run(settings))
    chosen = promotion.choose(database, journal, stamp)
    return WaysBack(database.address.display, describe_live(database, journal), ()), _way(chosen, journal)


@task(name="swap back", tags=["promote"])
def swap_back(
    choice: Choice, database: Database, journal: Journal, confirm: Callable[[], None], disconnect: bool, run: str
) -> Promotion:
    """Swap the live system with what was set aside; `confirm` is called last, before the swap."""
    return promotion.roll_back(choice, database, journal, confirm=confirm, disconnect=disconnect, run=run)


def _propose(run: Run, request: RollbackRequest) -> Proposal | None:
    """What a rollback would swap, for its approval."""
    if not request.confirm:
        return None
    now, way = find_way_back(run.settings, request.stamp)
    return Proposal(
        subject=way.stamp,
        pinned={"stamp": way.stamp},
        title=f"The live system would be swapped with what was set aside at {way.stamp}.",
        facts=[("Live now", f"{now.live}: {now.now}"), ("Would be live", f"{way.database}: {way.what}")],
        changes=[f"{live}: from {previous}" if previous else f"{live}: stays" for live, previous in way.folders],
    )


@flow(
    name="edms-rollback",
    flow_run_name="rollback {stamp}",
    description="Swaps the live system with the previous one that a restore or rollback set aside.",
    approve=after_approval("rollback", _propose),
)
@with_hooks("rollback")
@logged("rollback")
def rollback(run: Run, request: RollbackRequest) -> RollbackResult:
    """Swap the last promoted restore back, or the one that is named.

    Raises:
        NothingToRollBack, TargetLocked, TargetInUse, TargetChanged, LockLost: nothing was changed.
        PromotionHalted: the database was swapped, but the files could not be.
    """
    if not request.confirm:
        raise CommandError(
            "This rollback would replace the EDMS's database and files, and was not confirmed.",
            where=request.stamp or "the last restore",
            fix="Turn `Confirm` on.",
        )
    patience = Patience(run.say, waits=request.wait)
    with run.stage("rollback"), ExitStack() as locks:
        database, journal, target = _open(run)
        held = locks.enter_context(target.working("rollback"))
        notes = finish_interrupted_promotions(target, journal, patience)
        choice = promotion.choose(database, journal, request.stamp)
        if run.approved is not None:
            run.approved.require(choice.stamp)
        still = locks.enter_context(target.still("rollback", patience))

        def confirm() -> None:
            held.require_held()
            still.require_held()

        done = run.call(swap_back, choice, database, journal, confirm, run.settings.restore.disconnect, run.origin.run)
    return RollbackResult(
        database=done.database,
        snapshot_id=done.snapshot_id,
        set_aside=done.previous,
        stamp=done.stamp,
        what=choice.what,
        notes=(*notes, *_erased_since(run, choice)),
    )


def _erased_since(run: Run, choice: Choice) -> tuple[str, ...]:
    """A note on erasures that were recorded after the system which is live again was set aside; it holds what was erased."""
    aside = promotion.time_of_stamp(choice.stamp)
    try:
        records = Repository.open(run.settings.repository).records.read().erasures.values()
    except EdmsBackupError as error:
        return (f"Whether erasures were recorded since it was set aside is not known: {error.what}",)
    since = sorted(one.reason for one in records if aside is None or one.at > aside)
    if not since:
        return ()
    count = f"{len(since)} {'erasure' if len(since) == 1 else 'erasures'}"
    return (
        f"! {count} recorded since this system was set aside ({', '.join(since)}): it may hold what was erased. A rollback applies no "
        "ledger; erase it in the EDMS again.",
    )


def _open(run: Run) -> tuple[Database, Journal, LiveTarget]:
    settings = run.settings
    report = ask_edms(run, [])
    database = open_database(address_of(settings, report))
    return database, journal_of(settings), live_target(settings, database, report)


def _way(choice: Choice, journal: Journal) -> WayBack:
    made = choice.promotion
    return WayBack(
        stamp=choice.stamp,
        what=choice.what,
        database=made.previous,
        folders=tuple((swap.live, swap.previous if _is_kept(swap, journal) else "") for swap in made.folders),
        default=choice.default,
    )


def _is_kept(swap: FolderSwap, journal: Journal) -> bool:
    """Whether something is kept of what was live; objects of a store are compared before they go live again."""
    if not swap.in_store:
        return Path(swap.previous).exists()
    return store_swap.exists(journal.stores, swap.previous, swap.live)
