"""Remove what restores and rollbacks set aside long ago: databases and folders; or say what would be removed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from edms_tasks import promotion
from edms_tasks.databases import open_database
from edms_tasks.errors import EdmsBackupError
from edms_tasks.periods import earlier
from edms_tasks.promotion import FormerSystem
from flows.live.live_target import journal_of, live_target
from flows.restoring.target import address_of, ask_edms
from flows.running.flow_decorators import task
from flows.running.run import Run


@dataclass(frozen=True)
class ForgottenState:
    """What was set aside, and whether it was removed."""

    stamp: str
    since: datetime
    what: str
    database: str
    folders: tuple[str, ...]
    removed: bool
    why_not: str = ""  # it could not be removed

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {**self.__dict__, "since": self.since.isoformat(), "folders": list(self.folders)}


@dataclass(frozen=True)
class Forgotten:
    """What was removed, or would be, and notes."""

    states: tuple[ForgottenState, ...] = ()
    notes: tuple[str, ...] = ()


@task(name="forget what was set aside", tags=["prune"])
def forget_what_was_set_aside(run: Run, keep: str, dry_run: bool) -> Forgotten:
    """Remove what was set aside longer ago than `keep` says. If the EDMS cannot be asked or is being restored, a note says so."""
    if not journal_of(run.settings).path.exists():
        return Forgotten()
    try:
        return _forget(run, earlier(datetime.now(UTC), keep), dry_run=dry_run)
    except EdmsBackupError as error:
        why = " ".join(part for part in (error.what, error.where, error.why) if part)
        return Forgotten(notes=(f"What restores have set aside was left as it is: {why}",))


def _forget(run: Run, older_than: datetime, *, dry_run: bool) -> Forgotten:
    notes: list[str] = []
    report = ask_edms(run, notes)
    database = open_database(address_of(run.settings, report))
    journal, target = journal_of(run.settings), live_target(run.settings, database, report)
    if dry_run:
        found = promotion.find_set_aside(database, journal, older_than)
        return Forgotten(tuple(_state(one, removed=False) for one in found))
    with target.working("prune") as held:
        if promotion.pending(database, journal, target.folders):
            return Forgotten(
                notes=(
                    "What restores have set aside was left as it is: a restore was interrupted. Run `edms-backup rollback`.",
                )
            )
        states = []
        for one in promotion.find_set_aside(database, journal, older_than):
            why = promotion.forget_set_aside(database, journal, one, held.require_held)
            states.append(_state(one, removed=not why, why_not=why))
            run.say(why or f"removed what was set aside at {one.promotion.stamp}")
    return Forgotten(tuple(states))


def _state(one: FormerSystem, *, removed: bool, why_not: str = "") -> ForgottenState:
    return ForgottenState(one.promotion.stamp, one.since, one.what, one.database, one.folders, removed, why_not)
