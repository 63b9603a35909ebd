"""List: the snapshots of the repository, read from the manifests only."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from edms_tasks.lineage.find_snapshot import state_of
from edms_tasks.lineage.owner import names_of
from edms_tasks.lineage.snapshot_history import description_of
from edms_tasks.repository import Repository, Survey
from edms_tasks.repository.seen_whole import Ages, SeenWhole
from edms_tasks.settings import Settings
from flows.evidence.repository_artifacts import leave_listing
from flows.requests import ListRequest
from flows.running.flow_decorators import Shortfall, flow
from flows.running.run import Run


@dataclass(frozen=True)
class ListedSnapshot:
    """A snapshot in one line."""

    id: str
    created: datetime
    tag: str | None
    tags: tuple[str, ...]  # with those that it was given since
    holds: tuple[str, ...]  # by whom and why
    engine: str
    tables: int
    rows: int
    files: int
    bytes: int
    findings: int
    number: int | None  # among the EDMS's snapshots; None: made by a release that did not number them
    edms: str  # the EDMS it belongs to, in words
    converted: str | None  # the old backup that it was converted from; None: a backup of the EDMS
    earlier_than_the_one_before: bool  # its time is earlier than its predecessor's, so one of them is wrong

    def as_json(self) -> dict[str, Any]:
        """The result for `--json`."""
        return {**self.__dict__, "created": self.created.isoformat()}


@dataclass(frozen=True)
class Listing:
    """The snapshots of this EDMS, or of all, oldest first; a damaged manifest does not hide the others."""

    snapshots: tuple[ListedSnapshot, ...]
    damaged: tuple[str, ...]
    problems: tuple[str, ...] = ()  # snapshots that are missing, or more than one that is the newest
    notes: tuple[str, ...] = ()
    expected: int = 0  # of this EDMS: how many there should be
    pruned: int = 0  # of this EDMS: how many more there were
    others: tuple[str, ...] = ()  # the other EDMSs of the repository in words
    all: bool = False
    ages: Ages = field(default_factory=Ages)  # when the objects of these snapshots were last read, from here

    @property
    def success(self) -> bool:
        """Whether no snapshot is damaged, missing or uncertain."""
        return not self.damaged and not self.problems

    def shortfall(self) -> Shortfall | None:
        """What is wrong; None if nothing is."""
        damaged = tuple(f"The manifest {one[:12]} is damaged." for one in self.damaged)
        return None if self.success else Shortfall("Snapshots are damaged or missing.", (*self.problems, *damaged))

    def as_json(self) -> dict[str, Any]:
        """The result for `--json`."""
        return {
            "snapshots": [found.as_json() for found in self.snapshots],
            "damaged": list(self.damaged),
            "problems": list(self.problems),
            "notes": list(self.notes),
            "expected": self.expected,
            "pruned": self.pruned,
            "others": list(self.others),
            "last_read": self.ages.as_json(),
        }


@flow(name="edms-list", description="Lists the snapshots of the repository. Writes nothing.", repeatable=True)
def list_(run: Run, request: ListRequest) -> Listing:
    """List the snapshots of this EDMS; the run fails where one is damaged or missing.

    Raises:
        RepositoryUnreachable: it cannot be read.
    """
    found = list_snapshots(run.settings, everyone=request.all_edms)
    leave_listing(run, found)
    return found


def list_snapshots(settings: Settings, *, everyone: bool = False) -> Listing:
    """Read every manifest; `everyone`: list the snapshots of other EDMSs too.

    Where it is not known which EDMS asks (the settings have no id, and none was backed up from here) all are listed.
    """
    repository = Repository.open(settings.repository)
    state = state_of(settings, repository)
    own, notes = state.own, state.notes
    if own.key is None and own.others:
        everyone = True
        notes = (
            "[edms] id is not set and no backup was made from here, so the snapshots of all EDMSs are listed.",
            *notes,
        )
    wrong = {later for later, _ in own.chain.backwards}
    order = state.survey.order if everyone else (*own.chain.order, *own.converted)
    listed = [name for name in order if name not in state.survey.sealed]  # a note names them
    objects = {repository.stored_name(ref) for name in listed for ref in state.survey.intact[name].objects().values()}
    return Listing(
        snapshots=tuple(_listed(name, state.survey, backwards=name in wrong) for name in listed),
        ages=SeenWhole(settings.workdir, repository.place).ages(objects),
        damaged=state.survey.damaged,
        problems=state.problems,
        notes=notes,
        expected=own.chain.expected,
        pruned=own.chain.pruned,
        others=tuple(description_of(own, key) for key in own.others),
        all=everyone,
    )


def _listed(snapshot_id: str, found: Survey, *, backwards: bool) -> ListedSnapshot:
    manifest = found.intact[snapshot_id]
    return ListedSnapshot(
        id=snapshot_id,
        created=manifest.created,
        tag=manifest.tag,
        tags=found.tags_of(snapshot_id),
        holds=tuple(f"{one.by}: {one.reason}" for one in found.records.holds.get(snapshot_id, ())),
        engine=manifest.engine,
        tables=len(manifest.tables),
        rows=manifest.rows,
        files=sum(index.files for index in manifest.files),
        bytes=sum(ref.size for ref in manifest.objects().values()),
        findings=len(manifest.findings),
        number=manifest.number,
        edms=names_of(manifest),
        converted=manifest.converted.name if manifest.converted else None,
        earlier_than_the_one_before=backwards,
    )
