"""Doctor: assess an EDMS before its first backup, on its real rows. Changes and stores nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from edms_tasks.databases import DatabaseAddress, open_database
from edms_tasks.databases.protocol import View
from edms_tasks.doctor import (
    Assessment,
    Diagnosis,
    Fix,
    Group,
    Subject,
    Suggestion,
    WalkedRoot,
    examine,
    grouped,
    settings_text,
    suggested,
    walk_root,
)
from edms_tasks.doctor.profile_answers import answers
from edms_tasks.files.exclusions import LeaveOut
from edms_tasks.files.file_sources import source_of
from edms_tasks.inventory.build_inventory import excluded_tables
from edms_tasks.inventory.model import FileRoot, Finding, Inventory
from edms_tasks.inventory.probe_report import ProbeReport
from edms_tasks.inventory.run_probe import run_probe
from edms_tasks.keys.checked_keys import CheckedKeys
from edms_tasks.owners_suites import findings_of
from edms_tasks.report import page
from edms_tasks.scratch.run_folder import run_folder
from edms_tasks.settings import Settings
from flows.backing_up.preflight_restore import preflight_restore
from flows.evidence.artifacts import leave_diagnosis
from flows.initialising.profiles import Profile, all_profiles, detect_profile
from flows.live.folder_checks import our_folders, overlapping, torn_databases, unswappable_folders
from flows.live.key_safety import key_findings
from flows.live.life_cycle import life_cycle_findings
from flows.live.object_lock import object_lock_findings
from flows.live.usable_workers import worker_findings
from flows.requests import DoctorRequest
from flows.running.flow_decorators import Shortfall, flow, task
from flows.running.run import Run
from flows.tasks.extract_tasks import capture_schema, extract_tables
from flows.tasks.inspect_tasks import check_database, read_catalogue, require_reachable
from flows.tasks.serialize_tasks import check_natural_keys
from flows.tasks.validate_tasks import find_unusable_suites


@dataclass(frozen=True)
class Examined:
    """The doctor's diagnosis of an EDMS."""

    diagnosis: Diagnosis
    database: str
    edms: str
    excluded: tuple[str, ...]  # models or tables that the settings exclude; their rows are not examined
    files: int
    suggestions: tuple[Suggestion, ...]  # for the settings, the costliest to miss first
    settings: str  # the same as TOML
    seconds: dict[str, float]
    profile: Profile | None  # the shipped profile that fits this EDMS

    @property
    def answered(self) -> tuple[Assessment, ...]:
        """The findings whose fix is in that profile."""
        return tuple(one for one in self.diagnosis.assessments if self._answers(one.settings_fix))

    def _answers(self, fix: Fix | None) -> bool:
        return self.profile is not None and answers(self.profile.values, fix)

    @property
    def groups(self) -> tuple[Group, ...]:
        """The findings; those with the same text as one group."""
        return grouped(self.diagnosis.assessments)

    def shortfall(self) -> Shortfall | None:
        """A check that failed, if a finding is an error; otherwise None."""
        if self.diagnosis.healthy:
            return None
        errors = (one for one in self.diagnosis.assessments if one.severity == "error")
        return Shortfall("The EDMS is not healthy.", tuple(f"{one.subject}: {one.message}" for one in errors))

    def as_json(self) -> dict[str, Any]:
        """The result for `--json`."""
        answered = {id(one) for one in self.answered}
        fits = self.profile and {"name": self.profile.name, "title": self.profile.title, "answers": len(answered)}
        return {
            "healthy": self.diagnosis.healthy,
            "database": self.database,
            "edms": self.edms,
            "rows": sum(verdict.rows for verdict in self.diagnosis.keys),
            "files": self.files,
            "excluded": list(self.excluded),
            "keys": [verdict.model_dump(mode="json") for verdict in self.diagnosis.keys],
            "profile": fits,
            "findings": [
                {**one.as_json(), "answered_by_profile": id(one) in answered} for one in self.diagnosis.assessments
            ],
            "suggestions": [
                {
                    "name": one.name,
                    "subject": one.subject,
                    "settings": settings_text([one.settings_fix]),
                    "answered_by_profile": self._answers(one.settings_fix),
                }
                for one in self.suggestions
            ],
            "settings": self.settings,
            "seconds": self.seconds,
        }


@flow(name="edms-doctor", description="Examines natural keys, references, files and secrets on the real rows.")
def doctor(run: Run, request: DoctorRequest) -> Examined:
    """Read what a backup would read, and assess it.

    Raises:
        EdmsNotImportable, DatabaseRefused, SettingsError: the EDMS cannot be read.
    """
    settings = run.settings
    with run.stage("inspect"):
        report = run.call(inspect_with_lookups, settings)
        address = DatabaseAddress.from_probe(report.databases[0])
        database = open_database(address)
        facts = run.call(check_database, database)
        if facts.programs:
            run.say(f"With {', '.join(facts.programs)}.")
        require_reachable(report, address)
    with run_folder(settings.workdir, "doctor") as folder, database.view(folder, settings.jobs) as view:
        captured = run.call(capture_schema, view, folder / "schema")
        ahead = (
            *preflight_restore(run, database, captured, folder),
            *overlapping(settings, report),
            *unswappable_folders(settings, report),
            *torn_databases(settings, report),
            *key_findings(settings, report),
            *object_lock_findings(settings),
            *life_cycle_findings(settings),
            *worker_findings(run, address.engine),
        )
        result = _examined(run, report, address, view, folder, ahead)
    leave_diagnosis(run, result)
    return result


@task(name="inspect EDMS", tags=["inspect"])
def inspect_with_lookups(settings: Settings) -> ProbeReport:
    """Inspect the EDMS, and try its lookups by natural key."""
    return run_probe(settings, lookups=True)


@task(name="walk files", tags=["files"], task_run_name="walk the files of {root.name}")
def walk_files(root: FileRoot, settings: Settings, databases: Sequence[Path], into: Path) -> WalkedRoot:
    """List the files of a root."""
    return walk_root(
        root, LeaveOut.of(settings), [*our_folders(settings), *databases], into, source_of(root, settings.files.options)
    )


assess = task(name="assess", tags=["assess"], task_run_name="assess what was read")(examine)


@dataclass(frozen=True)
class RowsRead:
    """An EDMS whose rows were read, whose files were listed, and whose keys were checked."""

    inventory: Inventory
    excluded: frozenset[str]  # ids of tables that the settings leave out
    keys: CheckedKeys
    roots: tuple[WalkedRoot, ...]
    names: tuple[Path, ...]  # the result of `walk_root` for each root
    suites: tuple[Finding, ...]  # about the owner's suites


@contextmanager
def rows_read(run: Run, report: ProbeReport, address: DatabaseAddress, view: View, folder: Path) -> Iterator[RowsRead]:
    """Read what a backup would read; the workspace with the rows is open inside."""
    settings = run.settings
    with run.stage("read"):
        inventory = run.call(read_catalogue, report, view, settings, address.engine)
        excluded = excluded_tables(inventory, settings)
        kept = [table for table in inventory.tables if table.id not in excluded]
        raws = extract_tables(run, view, kept, folder / "raw")
        suites: list[Finding] = []
        if settings.validate_.suites is not None:
            suites = findings_of(run.call(find_unusable_suites, settings.validate_.suites, inventory.tables))
    with run.stage("files"):
        names = tuple(folder / f"names-{number:02d}.parquet" for number in range(len(inventory.file_roots)))
        pairs = zip(inventory.file_roots, names, strict=True)
        walked = tuple(run.call(walk_files, root, settings, address.files, into) for root, into in pairs)
    with run.workspace(folder / "workspace", rows=sum(raw.rows for raw in raws.values())) as workspace:
        with run.stage("keys"):
            keys = run.call(check_natural_keys, inventory.tables, raws, workspace)
        yield RowsRead(inventory, excluded, keys, walked, names, tuple(suites))


def _examined(
    run: Run, report: ProbeReport, address: DatabaseAddress, view: View, folder: Path, ahead: tuple[Finding, ...]
) -> Examined:
    settings = run.settings
    with rows_read(run, report, address, view, folder) as read, run.stage("assess"):
        subject = Subject(
            report=report,
            inventory=read.inventory,
            findings=(*read.inventory.findings, *view.findings(), *view.violated_constraints(), *ahead, *read.suites),
            keys=read.keys,
            roots=read.roots,
            names=read.names,
            ours=(*our_folders(settings), *address.files),
            scratch=folder,
        )
        diagnosis = run.call(assess, subject, settings)
    suggestions = suggested(diagnosis.assessments)
    return Examined(
        diagnosis=diagnosis,
        database=address.display,
        edms=f"{report.settings_module}, Django {report.django}, Python {report.python}",
        excluded=tuple(read.inventory.table(table_id).label for table_id in sorted(read.excluded)),
        files=sum(root.files for root in read.roots),
        suggestions=suggestions,
        settings=settings_text(
            [one.settings_fix for one in suggestions],
            {("exclude", "tables"): settings.exclude.tables},
            {
                "files.roots": {name: str(path) for name, path in settings.files.roots.items()},
                "files.stores": settings.files.stores,
            },
        ),
        seconds=run.seconds,
        profile=detect_profile(report, all_profiles()),
    )


def write_page(examined: Examined, path: Path) -> None:
    """Write the diagnosis as one self-contained HTML page; raises TerminalError if it cannot be written."""
    text = page.render("doctor.html.j2", examined=examined, diagnosis=examined.diagnosis, made=datetime.now(UTC))
    page.write_page(text, path)
