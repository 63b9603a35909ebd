"""What the dashboard shows, from the log and the manifests of a repository. Nothing is written, and no row or file is read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from edms_tasks.errors import EdmsBackupError
from edms_tasks.lineage.find_snapshot import RepositoryState, state_of
from edms_tasks.lineage.owner import names_of
from edms_tasks.manifest import Manifest
from edms_tasks.periods import seconds_of
from edms_tasks.repository import Repository, is_encrypted
from edms_tasks.repository.audit_log import CheckedLog, LogEntry
from edms_tasks.repository.growth import Growth, added_bytes, free_bytes, growth_of
from edms_tasks.repository.stored_reports import ReportRefs, report_of
from edms_tasks.settings import Settings
from flows.auditing.runs import approvers_of, what_it_touched, whose_run
from flows.status import Status, limits_of, status_of

_COMMENT = 300
_TOUCHED = {"live": "changed the live system", "copy": "made a copy", "": ""}


@dataclass(frozen=True)
class SystemFigures:
    """An EDMS and whether its backups are well."""

    id: str
    name: str
    repository: str
    status: Status | None  # None: it cannot be said
    problem: str  # why it cannot be said
    rto_target: float | None  # seconds
    rpo_target: float | None


@dataclass(frozen=True)
class RunFigures:
    """A run, as the log has it."""

    repository: str
    number: int
    at: datetime
    event: str
    outcome: str
    edms: str
    snapshot: str
    seconds: float | None
    rows: int | None
    files: int | None
    findings: int | None
    rto: float | None
    rpo: float | None
    by: str
    why: str
    what: str
    approved: str
    report: str  # SHA-256 of its page; "" if there is none


@dataclass(frozen=True)
class SnapshotFigures:
    """A snapshot that is there."""

    repository: str
    id: str
    edms: str
    at: datetime
    rows: int
    files: int
    bytes: int  # of all its objects
    new: int  # of those that no earlier snapshot has
    total: int  # of all objects of the repository's snapshots so far
    tags: tuple[str, ...]
    held: bool
    findings: dict[str, int]  # severity -> number


@dataclass(frozen=True)
class RepositoryFigures:
    """A repository as a whole."""

    id: str
    place: str
    encrypted: bool
    snapshots: int
    stored: int  # bytes of all objects of its snapshots
    together: int  # bytes of all snapshots if each had its own objects
    free: int | None  # on its disk; None if it is no folder
    growth: Growth | None
    problems: tuple[str, ...]


@dataclass(frozen=True)
class OpenFinding:
    """A finding of the newest snapshot of an EDMS."""

    edms: str
    severity: str
    code: str
    subject: str
    message: str
    count: int


@dataclass(frozen=True)
class Dashboard:
    """Everything that the site shows."""

    made: datetime
    systems: tuple[SystemFigures, ...]
    repositories: tuple[RepositoryFigures, ...]
    runs: tuple[RunFigures, ...]
    snapshots: tuple[SnapshotFigures, ...]
    findings: tuple[OpenFinding, ...]

    def as_json(self) -> dict[str, Any]:
        """For the site's script."""
        return {
            "made": self.made,
            "systems": [
                {
                    **_plain(one),
                    "ok": bool(one.status and one.status.success),
                    "status": one.status and one.status.as_json(),
                }
                for one in self.systems
            ],
            "repositories": [asdict(one) for one in self.repositories],
            "runs": [asdict(one) for one in self.runs],
            "snapshots": [asdict(one) for one in self.snapshots],
            "findings": [asdict(one) for one in self.findings],
        }


@dataclass(frozen=True)
class Collected:
    """A dashboard, and the reports that its runs name."""

    dashboard: Dashboard
    reports: Mapping[str, tuple[Repository, ReportRefs]]  # SHA-256 of the page -> where it is


@dataclass(frozen=True)
class _Read:
    """A repository and what was read of it."""

    repository: Repository
    state: RepositoryState
    settings: Settings  # of the first EDMS that named it
    checked: CheckedLog

    @property
    def log(self) -> tuple[LogEntry, ...]:
        """The entries that can be read, newest first."""
        return self.checked.entries[::-1]


def collect(all_settings: Sequence[Settings], now: datetime | None = None) -> Collected:
    """The dashboard of these EDMSs. The log and the manifests of a repository are read once, however many EDMSs share it.

    Of an EDMS whose repository cannot be read, it says that, and shows the others.

    Raises:
        RepositoryUnreachable, …: no repository can be read.
    """
    now = now or datetime.now(UTC)
    opened: dict[str, _Read] = {}
    systems = []
    failures: list[EdmsBackupError] = []
    for settings in all_settings:
        try:
            read = _read_repository(settings, opened)
        except EdmsBackupError as error:
            failures.append(error)
            systems.append(_unread_system(settings, error))
            continue
        opened.setdefault(read.repository.identity, read)
        systems.append(_system(settings, read.repository, read.state, read.log, now))
    if failures and not opened:
        raise failures[0]
    runs: list[RunFigures] = []
    snapshots: list[SnapshotFigures] = []
    findings: list[OpenFinding] = []
    reports: dict[str, tuple[Repository, ReportRefs]] = {}
    repositories = []
    for one in opened.values():
        whose = whose_run(one.log[::-1], {name: _edms_of(its) for name, its in one.state.survey.intact.items()})
        for entry in reversed(one.log):
            refs = report_of(entry)
            if refs is not None:
                reports[refs.page.sha256] = (one.repository, refs)
            runs.append(_run(one.repository, entry, refs, whose(entry)))
        listed = _snapshots(one.repository, one.state)
        snapshots += listed
        findings += _findings(one.state)
        repositories.append(_repository(one, listed))
    dashboard = Dashboard(
        made=now,
        systems=tuple(systems),
        repositories=tuple(repositories),
        runs=tuple(sorted(runs, key=lambda one: one.at)),
        snapshots=tuple(sorted(snapshots, key=lambda one: one.at)),
        findings=tuple(findings),
    )
    return Collected(dashboard, reports)


def _read_repository(settings: Settings, opened: Mapping[str, _Read]) -> _Read:
    """Read an EDMS's repository, or take what was read of it for another EDMS."""
    repository = Repository.open(settings.repository)
    known = opened.get(repository.identity)
    if known is not None and known.settings.repository == settings.repository:  # the same place, and the same keys
        survey, checked = known.state.survey, known.checked
    else:
        survey, checked = repository.survey(), repository.log.check()
    state = state_of(settings, repository, survey)  # whose snapshots are its own, the settings say
    return _Read(repository, state, settings, checked)


def _unread_system(settings: Settings, error: EdmsBackupError) -> SystemFigures:
    return SystemFigures(
        id=settings.edms.id or "",
        name=settings.edms.id or settings.repository.url,
        repository="",
        status=None,
        problem=f"{error.what} {error.why}".rstrip(),
        rto_target=_target(settings.drill.rto),
        rpo_target=_target(settings.drill.rpo),
    )


def _system(
    settings: Settings, repository: Repository, state: RepositoryState, log: Sequence[LogEntry], now: datetime
) -> SystemFigures:
    status, problem = None, ""
    try:
        status = status_of(settings, repository, state, log, limits_of(settings), now)
    except EdmsBackupError as error:
        problem = f"{error.what} {error.why}".rstrip()
    newest = state.survey.intact.get(state.own.newest or "")
    return SystemFigures(
        id=state.own.key or settings.edms.id or "",
        name=settings.edms.id or (names_of(newest) if newest else "") or "this EDMS",
        repository=repository.identity,
        status=status,
        problem=problem,
        rto_target=_target(settings.drill.rto),
        rpo_target=_target(settings.drill.rpo),
    )


def _target(period: str | None) -> float | None:
    return seconds_of(period) if period else None


def _run(repository: Repository, entry: LogEntry, refs: ReportRefs | None, whose: str | None) -> RunFigures:
    facts = entry.facts
    return RunFigures(
        repository=repository.identity,
        number=entry.number,
        at=entry.at,
        event=entry.event,
        outcome=entry.outcome,
        edms=whose or "",
        snapshot=entry.snapshot or "",
        seconds=_number(facts.get("seconds")),
        rows=_whole(facts.get("rows")),
        files=_whole(facts.get("files")),
        findings=_whole(facts.get("findings")),
        rto=_number(facts.get("rto_seconds")),
        rpo=_number(facts.get("rpo_seconds")),
        by=f"{entry.user} on {entry.machine}",
        why=_text(facts.get("reason")),
        what=", ".join(
            filter(
                None,
                (
                    _text(facts.get("what") or facts.get("verdict")),
                    _TOUCHED[what_it_touched(entry)],
                    "" if repository.log.proves(entry) else "without a signature that counts",
                ),
            )
        ),
        approved=", ".join(approvers_of(entry)),
        report=refs.page.sha256 if refs is not None else "",
    )


def _snapshots(repository: Repository, state: RepositoryState) -> list[SnapshotFigures]:
    survey = state.survey
    # Without those that no key here reads, and those that are no backups of the live system.
    backups = {
        name: survey.intact[name]
        for name in survey.order
        if name in survey.intact and survey.intact[name].converted is None
    }
    total = 0
    found = []
    for (name, manifest), new in zip(backups.items(), added_bytes(backups.values()), strict=True):
        total += new
        found.append(
            SnapshotFigures(
                repository=repository.identity,
                id=name,
                edms=_edms_of(manifest),
                at=manifest.created,
                rows=manifest.rows,
                files=sum(index.files for index in manifest.files),
                bytes=sum(ref.size for ref in manifest.objects().values()),
                new=new,
                total=total,
                tags=survey.tags_of(name),
                held=bool(survey.records.holds.get(name)),
                findings=dict(Counter(one.severity for one in manifest.findings)),
            )
        )
    return found


def _findings(state: RepositoryState) -> list[OpenFinding]:
    """Those of the newest snapshot of each EDMS that are more than a remark."""
    newest: dict[str, Manifest] = {}
    for name in state.survey.order:
        manifest = state.survey.intact.get(name)
        if manifest is not None and manifest.converted is None:
            newest[_edms_of(manifest)] = manifest
    order = {"error": 0, "warning": 1}
    return [
        OpenFinding(edms, one.severity, one.code, one.subject, one.message, one.count)
        for edms, manifest in newest.items()
        for one in sorted(manifest.findings, key=lambda one: (order.get(one.severity, 2), -one.count))
        if one.severity in order
    ]


def _repository(read: _Read, listed: Sequence[SnapshotFigures]) -> RepositoryFigures:
    repository, state, settings = read.repository, read.state, read.settings
    free = free_bytes(settings.repository.url)
    damaged = tuple(f"The manifest {one[:12]} is damaged." for one in state.survey.damaged)
    return RepositoryFigures(
        id=repository.identity,
        place=repository.display,
        encrypted=is_encrypted(settings.repository),
        snapshots=len(state.survey.order),
        stored=listed[-1].total if listed else 0,
        together=sum(one.bytes for one in listed),
        free=free,
        growth=growth_of([(one.at, one.total) for one in listed], free),
        problems=tuple(dict.fromkeys((*state.problems, *read.checked.problems, *damaged))),
    )


def _edms_of(manifest: Manifest) -> str:
    return manifest.identity.id if manifest.identity is not None else names_of(manifest)


def _plain(system: SystemFigures) -> dict[str, Any]:
    return {name: value for name, value in vars(system).items() if name != "status"}


def _number(value: object) -> float | None:
    """A number of the log; entries are what others wrote."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _text(value: object) -> str:
    return str(value)[:_COMMENT] if value not in (None, "") else ""
