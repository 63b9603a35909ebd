"""Status: is there a snapshot that is young enough, was read back, and is known to come back? For cron, Nagios and people."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from edms_tasks.errors import CommandError, EdmsBackupError
from edms_tasks.lineage.find_snapshot import RepositoryState, state_of
from edms_tasks.lineage.logged_snapshots import later_than, said_of
from edms_tasks.lineage.snapshot_history import SnapshotHistory
from edms_tasks.manifest import Manifest
from edms_tasks.periods import in_words, period_of
from edms_tasks.repository import Repository
from edms_tasks.repository.audit_log import LogEntry
from edms_tasks.repository.growth import free_bytes, recent_growth
from edms_tasks.repository.proved_snapshots import ProvedSnapshot, ProvedSnapshots
from edms_tasks.repository.seen_whole import SeenWhole
from edms_tasks.settings import Settings
from edms_tasks.signalling.sending import names_of_ways
from edms_tasks.signalling.unsent import unsent
from flows.drilling.drilled_snapshot import is_proving_drill
from flows.evidence.repository_artifacts import leave_status
from flows.hooks.pending_hooks import abandoned
from flows.requests import StatusRequest
from flows.running.event_names import STORAGE_FILLING
from flows.running.flow_decorators import Shortfall, flow
from flows.running.run import Run
from flows.verifying.listed_objects import list_objects, missing_or_cut, named_objects

_MOST_ENTRIES = 100
"""A snapshot of an earlier release has no entry; no more than these are read in search of it."""

_LEEWAY = timedelta(hours=1)  # clocks of two hosts differ


@dataclass(frozen=True)
class Status:
    """The newest snapshot of the EDMS, what is known of it, and why that is not enough."""

    display: str
    snapshot: str | None
    created: datetime | None
    verified: bool | None  # whether its backup read it back, or `verify` did since; None if the log does not say
    proved: ProvedSnapshot | None  # the newest snapshot that a restore proved, and when
    snapshots: int
    problems: tuple[str, ...]
    now: datetime
    drill: datetime | None = None  # when the last drill passed
    filling: str = ""  # why the repository's disk will be full soon

    @property
    def success(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    def shortfall(self) -> Shortfall | None:
        """What is wrong; None if nothing is."""
        return Shortfall("The backups are not well.", self.problems) if self.problems else None

    @property
    def line(self) -> str:
        """All of it in one line, as monitoring shows it."""
        newest = "no snapshot"
        if self.snapshot is not None and self.created is not None:
            read = {True: "read back", False: "NOT read back", None: "not known whether it was read back"}[
                self.verified
            ]
            newest = f"newest snapshot {self.snapshot[:12]}, {in_words(self.now - self.created)} old, {read}"
        proof = "none proved by a restore"
        if self.proved is not None:
            proof = f"last proof {in_words(self.now - self.proved.at)} ago (snapshot {self.proved.snapshot[:12]})"
        drill = f"last drill {in_words(self.now - self.drill)} ago" if self.drill is not None else "no drill has passed"
        wrong = f"; {' '.join(self.problems)}" if self.problems else ""
        return f"{'OK' if self.success else 'NOT OK'}: {newest}; {proof}; {drill}{wrong}"

    def as_json(self) -> dict[str, Any]:
        """The result for `--json`."""
        age = (self.now - self.created).total_seconds() if self.created else None
        proof_age = (self.now - self.proved.at).total_seconds() if self.proved else None
        return {
            "success": self.success,
            "repository": self.display,
            "snapshot": self.snapshot,
            "created": self.created.isoformat() if self.created else None,
            "age_seconds": age,
            "verified": self.verified,
            "proved_snapshot": self.proved.snapshot if self.proved else None,
            "proof_age_seconds": proof_age,
            "drill_age_seconds": (self.now - self.drill).total_seconds() if self.drill else None,
            "snapshots": self.snapshots,
            "problems": list(self.problems),
        }


@flow(
    name="edms-status",
    description="Says whether there is a backup to rely on. Writes nothing.",
    repeatable=True,
)
def status(run: Run, request: StatusRequest) -> Status:
    """Say whether the newest snapshot is young enough, was read back, and has all its objects; the run fails if not.

    Raises:
        RepositoryUnreachable, DamagedRepository: it cannot be said.
    """
    found = read_status(
        run.settings,
        max_age=request.max_age,
        max_proof_age=request.max_proof_age,
        max_drill_age=request.max_drill_age,
    )
    run.say(found.line)
    if found.filling:
        edms = run.settings.edms.id or ""
        run.runner.emit(STORAGE_FILLING, edms, {"verb": "status", "text": found.filling})
    leave_status(run, found)
    return found


def read_status(
    settings: Settings,
    *,
    max_age: str | None = None,
    max_proof_age: str | None = None,
    max_drill_age: str | None = None,
    now: datetime | None = None,
) -> Status:
    """The status of this EDMS's backups.

    Args:
        settings: the settings; `[status]` has the ages that are not given.
        max_age: the newest snapshot that was read back may be so old: 26h, 2d.
        max_proof_age: the last proof by a restore may be so old; "" or not set: it does not matter.
        max_drill_age: the last drill that passed may be so old; "" or not set: it does not matter.
        now: the time; default: the clock's.

    Raises:
        CommandError: an age is no duration.
    """
    limits = limits_of(settings, max_age=max_age, max_proof_age=max_proof_age, max_drill_age=max_drill_age)
    repository = Repository.open(settings.repository)
    state = state_of(settings, repository)
    return status_of(settings, repository, state, repository.log.backwards(), limits, now or datetime.now(UTC))


@dataclass(frozen=True)
class Limits:
    """How old what is newest may be; None: it does not matter."""

    snapshot: timedelta
    proof: timedelta | None
    drill: timedelta | None


def limits_of(
    settings: Settings,
    *,
    max_age: str | None = None,
    max_proof_age: str | None = None,
    max_drill_age: str | None = None,
) -> Limits:
    """The ages that are given, or else those of `[status]`; raises CommandError if one is no duration."""
    proof = max_proof_age if max_proof_age is not None else settings.status.max_proof_age
    drill = max_drill_age if max_drill_age is not None else settings.status.max_drill_age
    return Limits(
        _duration(max_age or settings.status.max_age, "--max-age"),
        _duration(proof, "--max-proof-age") if proof else None,
        _duration(drill, "--max-drill-age") if drill else None,
    )


def status_of(
    settings: Settings,
    repository: Repository,
    state: RepositoryState,
    log: Iterable[LogEntry],
    limits: Limits,
    now: datetime,
) -> Status:
    """The same for a repository that is open, and whose snapshots were read. `log`: its entries, newest first."""
    own = state.own
    newest = own.newest
    # Each entry is read once, however many look for it.
    of_backups, of_verifications, of_proofs, of_drills, of_missing = itertools.tee(log, 5)
    entries = _backups_since(repository, of_backups, newest)
    created = own.survey.links[newest].created if newest is not None else None
    verified = _verified(newest, entries)
    if verified is False:
        verified = _read_since(repository, of_verifications, newest)
    proved = _proved(repository, of_proofs, state.proofs, own.key, now)
    problems = [*state.problems, *(f"The manifest {one[:12]} is damaged." for one in state.survey.damaged)]
    if lost := later_than(repository, own.survey, own.key, of_missing):
        problems.append(said_of(lost))
    problems += _of_age(created, limits, now)
    problems += _of_objects(settings, repository, newest or "", own.survey.intact.get(newest or ""))
    if verified is False:
        problems.append("The newest snapshot was not read back: run `edms-backup verify`.")
    if failed := _failed_since(created, entries, own.key):
        problems.append(
            f"The last backup failed, on {failed.at:%Y-%m-%d %H:%M} UTC: {failed.facts.get('what', failed.outcome)}"
        )
    if limits.proof is not None and (proved is None or now - proved.at > limits.proof):
        problems.append(f"No restore has proved a snapshot for {in_words(limits.proof)}.")
        problems += state.proofs.notes
    problems += _unsent(settings)
    problems += hooks_of_killed_runs(settings)
    drills = _drills(repository, of_drills, own, settings.edms.id, now)
    passed = next((entry.at for entry in drills if entry.outcome == "success"), None)
    if drills and drills[0].outcome != "success":
        why = drills[0].facts.get("what", drills[0].outcome)
        problems.append(f"The last drill failed, on {drills[0].at:%Y-%m-%d %H:%M} UTC: {why}")
    if limits.drill is not None and (passed is None or now - passed > limits.drill):
        problems.append(f"No drill has passed for {in_words(limits.drill)}.")
    problems += repository.log.breaks  # between the entries that were read for all this
    filling = _filling(settings, state, now)
    problems += [filling] if filling else []
    return Status(
        display=repository.display,
        snapshot=newest,
        created=created,
        verified=verified,
        proved=proved,
        snapshots=len(own.chain.order),
        problems=tuple(problems),
        now=now,
        drill=passed,
        filling=filling,
    )


def _of_age(created: datetime | None, limits: Limits, now: datetime) -> list[str]:
    if created is None:
        return ["There is no snapshot of this EDMS."]
    if created - now > _LEEWAY:
        return [
            f"The newest snapshot has the time {created:%Y-%m-%d %H:%M} UTC, which is in the future: this machine's clock is wrong, or "
            "the backup's was. How old it is cannot be said."
        ]
    return (
        [f"The newest snapshot is older than {in_words(limits.snapshot)}."] if now - created > limits.snapshot else []
    )


def _filling(settings: Settings, state: RepositoryState, now: datetime) -> str:
    """A sentence if the repository's disk is expected to be full within `[status] full_within`; else ""."""
    free = free_bytes(settings.repository.url)
    if free is None:
        return ""
    growth = recent_growth(state.survey, free)
    if growth is None or growth.full is None or growth.full - now > period_of(settings.status.full_within):
        return ""
    left = in_words(max(growth.full - now, timedelta(0)))
    return (
        f"The repository's disk has {free / 1e9:,.1f} GB left, and at {growth.bytes_a_day / 1e9:,.3f} GB a day is full in {left}: "
        "make room, or prune."
    )


def _drills(
    repository: Repository, log: Iterable[LogEntry], own: SnapshotHistory, edms: str | None, now: datetime
) -> list[LogEntry]:
    """The log's entries of this EDMS's drills, newest first, up to the last one that passed."""
    found: list[LogEntry] = []
    for number, entry in enumerate(log):
        another = own.owner.get(entry.snapshot or "", own.key) != own.key or entry.edms not in (own.key, edms, None)
        counts = entry.event == "drill" and not another and entry.at <= now + _LEEWAY
        if counts and repository.log.proves(entry):
            found.append(entry)
            if entry.outcome == "success":
                break
        if number >= _MOST_ENTRIES * 10:
            break
    return found


def _backups_since(repository: Repository, log: Iterable[LogEntry], snapshot: str | None) -> list[LogEntry]:
    """The log's entries of backups from that of a snapshot on, oldest first. A failure need not be signed: it may be for want of a key."""
    found: list[LogEntry] = []
    for entry in log:
        is_failure = entry.snapshot is None and entry.outcome != "success"
        if entry.event == "backup" and (is_failure or repository.log.proves(entry)):
            found.insert(0, entry)
            if entry.snapshot == snapshot or len(found) >= _MOST_ENTRIES:
                break
    return found


def _proved(
    repository: Repository, log: Iterable[LogEntry], proofs: ProvedSnapshots, edms: str | None, now: datetime
) -> ProvedSnapshot | None:
    """The record of the last proof, if the log confirms it: the record alone could be written by whoever can write there."""
    found = proofs.by_edms.get(edms or "")
    if found is None or found.at > now + _LEEWAY:
        return None
    for number, entry in enumerate(log):
        counts = (entry.event == "restore" and entry.outcome == "success") or is_proving_drill(entry)
        counts = counts and entry.snapshot == found.snapshot
        if counts and repository.log.proves(entry):
            return found
        if number >= _MOST_ENTRIES * 10:
            break
    return None


def _of_objects(settings: Settings, repository: Repository, snapshot: str, manifest: Manifest | None) -> list[str]:
    """What is wrong with the objects of the newest snapshot, by one listing and by what was found damaged before."""
    if manifest is None:
        return []
    needed = named_objects(repository, {snapshot: manifest})
    missing = [one for kind in missing_or_cut(repository, needed, list_objects.fn(repository)) for one in kind]
    damaged = SeenWhole(settings.workdir, repository.place).damaged() & set(needed)
    return [
        *([f"{len(missing)} objects of the newest snapshot are missing or cut off."] if missing else []),
        *([f"{len(damaged)} objects of the newest snapshot were found damaged: run a backup."] if damaged else []),
    ]


def _verified(snapshot: str | None, entries: list[LogEntry]) -> bool | None:
    found = [entry for entry in entries if entry.snapshot == snapshot and snapshot is not None]
    return bool(found[-1].facts.get("verified")) if found else None


def _read_since(repository: Repository, log: Iterable[LogEntry], snapshot: str | None) -> bool:
    """Whether `verify` read all of a snapshot since its backup, which did not: a machine that may write only cannot."""
    for entry in log:
        if entry.event == "backup" and entry.snapshot == snapshot:
            return False
        newest = entry.facts.get("newest")
        read_all = (entry.event, entry.outcome, entry.facts.get("level")) == ("verify", "success", "all")
        if read_all and isinstance(newest, list) and snapshot in newest and repository.log.proves(entry):
            return True
    return False


def _failed_since(created: datetime | None, entries: list[LogEntry], edms: str | None) -> LogEntry | None:
    """The last backup of this EDMS, if it made no snapshot."""
    ours = [entry for entry in entries if entry.edms in (edms, None)]
    if not ours or ours[-1].snapshot is not None or (created is not None and ours[-1].at < created):
        return None
    return ours[-1]


def _unsent(settings: Settings) -> list[str]:
    """The signals that could not be sent: an alarm that does not come looks like a good night."""
    try:
        found = unsent(settings.workdir)
    except (OSError, ValueError) as error:
        return [f"It is not known whether signals were sent: {error}."]
    known = names_of_ways(settings.notify)  # one that was taken out of the settings since is nobody's alarm
    return [
        f"The last signal by {way} could not be sent, {sentence}" for way, sentence in found.items() if way in known
    ]


def hooks_of_killed_runs(settings: Settings) -> list[str]:
    """The runs that were killed before what they had stopped was started again."""
    try:
        found = [(one.situation.verb, one.began) for one in abandoned(settings)]
    except (OSError, EdmsBackupError) as error:
        return [f"It is not known whether the hooks of a killed run are still to run: {error}"]
    return [
        f"The {verb} of {began} was killed, and its hooks have not run: the EDMS may be stopped. The next run runs them: for example "
        "`edms-backup verify --structure`."
        for verb, began in found
    ]


def _duration(text: str, option: str) -> timedelta:
    try:
        return period_of(text)
    except ValueError as error:
        raise CommandError("This is no age.", where=option, why=str(error), fix=f"For example {option} 26h.") from error
