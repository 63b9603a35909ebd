"""Find a snapshot for an EDMS: the inspected one, or the one that the working folder has a record of."""

from __future__ import annotations

from dataclasses import dataclass

from edms_tasks.findings import make_finding
from edms_tasks.inventory.model import Finding
from edms_tasks.inventory.probe_report import ProbeReport
from edms_tasks.lineage.known_records import known_records
from edms_tasks.lineage.last_backup_record import known_edms_uninspected, remembered
from edms_tasks.lineage.owner import KnownEdms, known_edms
from edms_tasks.lineage.snapshot_history import PROBLEMS, SnapshotHistory, histories, history_of
from edms_tasks.lineage.snapshot_names import Chosen, choose
from edms_tasks.repository import Repository, Survey
from edms_tasks.repository.chain import Mark
from edms_tasks.repository.proved_snapshots import ProvedSnapshots, read_proved
from edms_tasks.settings import Settings


def chosen_snapshot(
    settings: Settings, repository: Repository, name: str, report: ProbeReport | None = None, *, passing_over: str = ""
) -> Chosen:
    """The snapshot that a name means; see `choose`. `report` is the probe's report if the EDMS was inspected."""
    this_edms = this_edms_of(settings, repository, report)
    return choose(repository, name, this_edms, _here(settings, repository, this_edms), passing_over=passing_over)


def own_history(
    settings: Settings, repository: Repository, report: ProbeReport | None = None, *, survey: Survey | None = None
) -> SnapshotHistory:
    """The snapshots of the EDMS that the settings describe. `survey`: the repository's, if there is one already."""
    this_edms = this_edms_of(settings, repository, report)
    return history_of(repository, this_edms, _here(settings, repository, this_edms), survey)


@dataclass(frozen=True)
class RepositoryState:
    """The snapshots of a repository, of every EDMS, and the problems among them."""

    survey: Survey
    own: SnapshotHistory
    problems: tuple[str, ...]  # losses, and doubts about which snapshot is the newest
    notes: tuple[str, ...]  # wrong clocks, head records that are behind
    proofs: ProvedSnapshots


def state_of(settings: Settings, repository: Repository, survey: Survey | None = None) -> RepositoryState:
    """Check the order and completeness of all snapshots in a repository. `survey`: its own, if there is one already."""
    own = own_history(settings, repository, survey=survey)
    found: dict[tuple[str, str, str], Finding] = {}
    for history in (own, *histories(own)):
        for one in history.findings():
            found.setdefault((one.code, one.subject, one.message), one)
    for doubt in own.survey.records.doubts(known_records(settings.workdir, repository.place)):
        one = make_finding("record-damaged", doubt.split()[2], doubt)
        found.setdefault((one.code, one.subject, one.message), one)
    problems = tuple(f"{one.message} {one.fix}" for one in found.values() if one.code in PROBLEMS)
    copies = settings.repository.copies
    own_keys = copies / repository.identity / "keys" if copies is not None else None
    for problem in (repository.log.witness_problem(), repository.keyring.problem(own_keys)):
        problems += (problem,) if problem else ()
    notes = tuple(f"{one.message} {one.fix}" for one in found.values() if one.code not in PROBLEMS)
    proofs = read_proved(repository)
    said = (
        (repository.keys.note,) if repository.keys.note else ()
    )  # a key that does not open it, or is of before a rotation
    return RepositoryState(own.survey, own, (*problems, *proofs.problems), (*said, *notes, *proofs.notes), proofs)


def this_edms_of(settings: Settings, repository: Repository, report: ProbeReport | None = None) -> KnownEdms:
    """The EDMS that the settings describe. `report` is the probe's report if it was inspected."""
    return known_edms(settings, report) if report is not None else known_edms_uninspected(settings, repository.identity)


def _here(settings: Settings, repository: Repository, this_edms: KnownEdms) -> Mark | None:
    witness = remembered(settings.workdir).of(this_edms.id, repository.identity)
    return witness.mark if witness is not None else None
