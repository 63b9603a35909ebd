"""Choose the snapshot of a drill: as named, or at random among those that no drill has restored yet."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from random import Random

from edms_tasks.errors import CommandError, UnknownSnapshot
from edms_tasks.lineage.find_snapshot import state_of
from edms_tasks.repository import Repository
from edms_tasks.repository.audit_log import LogEntry
from edms_tasks.settings import Settings
from flows.requests import DrillRequest

_SEEDS = 1 << 32


@dataclass(frozen=True)
class ChosenForDrill:
    """The name of the snapshot to restore, and how it was chosen, for people."""

    name: str
    how: str


def choose_for_drill(settings: Settings, request: DrillRequest) -> ChosenForDrill:
    """The snapshot of a drill.

    Raises:
        CommandError: a name and `random` contradict each other, or a seed is given without it.
        UnknownSnapshot: `random`, and the EDMS has no snapshot that can be read.
    """
    if not request.random:
        if request.seed is not None:
            raise CommandError("A seed is for a random choice.", where="--seed", fix="Add --random, or omit --seed.")
        return ChosenForDrill(request.snapshot, f"as named: {request.snapshot}")
    if request.snapshot != "latest":
        raise CommandError(
            "A drill is of a named snapshot or of a random one, not of both.",
            where=f"{request.snapshot} and --random",
            fix="Omit one of them.",
        )
    repository = Repository.open(settings.repository)
    own = state_of(settings, repository).own
    known = [one for one in own.chain.order if one in own.survey.intact]
    if not known:
        raise UnknownSnapshot(
            "There is no snapshot of this EDMS to choose from.",
            where=repository.display,
            fix="Make one: edms-backup backup",
        )
    log = repository.log
    drilled = {entry.snapshot for entry in log.backwards() if is_proving_drill(entry) and log.proves(entry)}
    untried = [one for one in known if one not in drilled]
    seed = request.seed if request.seed is not None else secrets.randbelow(_SEEDS)
    chosen = Random(seed).choice(sorted(untried or known))  # noqa: S311 - it must be repeatable, and guards nothing
    drawn = len(untried or known)
    among = (
        f"{drawn} snapshot{'' if drawn == 1 else 's'} that {'no drill' if untried else 'drills'} had restored before"
    )
    return ChosenForDrill(chosen, f"at random among {among}, seed {seed}")


def is_proving_drill(entry: LogEntry) -> bool:
    """Whether an entry of the log is about a drill that restored a snapshot and proved it equal."""
    return entry.event == "drill" and entry.snapshot is not None and entry.facts.get("verdict") == "proved"
