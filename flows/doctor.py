"""Doctor: judge an EDMS before its first backup, on its real rows. Changes and stores nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from edms_tasks.databases import DatabaseAddress, open_database
from edms_tasks.databases.protocol import View
from edms_tasks.doctor import Diagnosis, Group, Subject, WalkedRoot, examine, grouped, settings_text, walk_root
from edms_tasks.errors import DatabaseRefused, TerminalError
from edms_tasks.inventory.build import build_inventory, excluded_tables
from edms_tasks.inventory.inspect import run_probe
from edms_tasks.inventory.model import FileRoot, Finding, ProbeReport
from edms_tasks.keys.checked_keys import check_keys
from edms_tasks.report.page import render
from edms_tasks.scratch.run_folder import run_folder
from edms_tasks.scratch.workspace import open_workspace
from edms_tasks.settings import Settings
from flows.backing_up.foresee_restore import foresee_restore
from flows.evidence.artifacts import leave_diagnosis
from flows.live.folder_checks import immovable, overlapping
from flows.running.runner import Steps
from flows.tasks.extract_tables import read_tables


@dataclass(frozen=True)
class Examined:
    """What the doctor says, and of whom."""

    diagnosis: Diagnosis
    database: str
    edms: str
    excluded: tuple[str, ...]  # models or tables the settings leave out: nothing is said of their rows
    files: int
    settings: str  # TOML with the remedies that settings can be
    seconds: dict[str, float]

    @property
    def groups(self) -> tuple[Group, ...]:
        """The findings, what is said of many in the same words said once."""
        return grouped(self.diagnosis.assessments)

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "healthy": self.diagnosis.healthy,
            "database": self.database,
            "edms": self.edms,
            "rows": sum(verdict.rows for verdict in self.diagnosis.keys),
            "files": self.files,
            "excluded": list(self.excluded),
            "keys": [verdict.model_dump(mode="json") for verdict in self.diagnosis.keys],
            "findings": [assessment.model_dump(mode="json") for assessment in self.diagnosis.assessments],
            "settings": self.settings,
            "seconds": self.seconds,
        }


def compose_doctor(settings: Settings, steps: Steps) -> Examined:
    """Read what a backup would read, and judge it.

    Raises:
        EdmsNotImportable, DatabaseRefused, SettingsError: there is nothing to judge.
    """
    with steps.stage("inspect"):
        report = steps.run("inspect the EDMS", lambda: run_probe(settings, lookups=True))
        address = DatabaseAddress.from_probe(report.databases[0])
        database = open_database(address)
        facts = steps.run("check the database", database.check, retries=2)
        if facts.programs:
            steps.say(f"With {', '.join(facts.programs)}.")
        if report.database_error:
            raise DatabaseRefused(
                "The EDMS cannot reach its database.",
                where=address.display,
                why=report.database_error,
                fix="Mend DATABASES in the EDMS's settings, or [edms] env.",
            )
    with run_folder(settings.workdir, "doctor") as folder, database.view(folder, settings.jobs) as view:
        captured = steps.run("capture the schema", lambda: view.capture_schema(folder / "schema"))
        ahead = (
            *foresee_restore(settings, steps, database, captured, folder),
            *overlapping(settings, report),
            *immovable(settings, report),
        )
        result = _consult(settings, steps, report, address, view, folder, ahead)
    leave_diagnosis(steps, result)
    return result


def write_page(examined: Examined, path: Path) -> None:
    """Write the diagnosis as one HTML page that needs nothing else; raises TerminalError where it cannot be written."""
    page = render("doctor.html.j2", examined=examined, diagnosis=examined.diagnosis, made=datetime.now(UTC))
    try:
        path.write_text(page, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise TerminalError(
            "The page cannot be written.",
            where=str(path),
            why=error.strerror or str(error),
            fix="Name another --html FILE.",
        ) from error


def _consult(
    settings: Settings,
    steps: Steps,
    report: ProbeReport,
    address: DatabaseAddress,
    view: View,
    folder: Path,
    ahead: tuple[Finding, ...],
) -> Examined:
    with steps.stage("read"):
        inventory = steps.run(
            "read the catalogue", lambda: build_inventory(report, view.tables(), settings, address.engine)
        )
        excluded = excluded_tables(inventory, settings)
        kept = [table for table in inventory.tables if table.id not in excluded]
        raws = read_tables(settings, steps, view, kept, folder / "raw", "read")
    with steps.stage("files"):
        walked, names = _walk(settings, steps, inventory.file_roots, folder)
    with open_workspace(
        folder / "workspace", memory_limit_mb=settings.memory_limit_mb, threads=settings.jobs
    ) as workspace:
        with steps.stage("keys"):
            keys = steps.run("prove the natural keys", lambda: check_keys(inventory.tables, raws, workspace))
        with steps.stage("judge"):
            subject = Subject(
                report=report,
                inventory=inventory,
                findings=(*inventory.findings, *view.findings(), *ahead),
                keys=keys,
                roots=walked,
                names=names,
            )
            diagnosis = steps.run("judge what was read", lambda: examine(subject, settings))
    present = {("exclude", "tables"): settings.exclude.tables}
    return Examined(
        diagnosis=diagnosis,
        database=address.display,
        edms=f"{report.settings_module}, Django {report.django}, Python {report.python}",
        excluded=tuple(inventory.table(table_id).label for table_id in sorted(excluded)),
        files=sum(root.files for root in walked),
        settings=settings_text(diagnosis.assessments, present),
        seconds=dict(steps.seconds),
    )


def _walk(
    settings: Settings, steps: Steps, roots: tuple[FileRoot, ...], folder: Path
) -> tuple[tuple[WalkedRoot, ...], tuple[Path, ...]]:
    ours = [settings.workdir, Path(settings.repository.url)]  # what is no local folder is in no root either
    names = tuple(folder / f"names-{number:02d}.parquet" for number in range(len(roots)))
    walked = [
        steps.run(
            f"walk the files of {root.name}",
            lambda root=root, into=into: walk_root(root, settings.exclude.files, ours, into),
        )
        for root, into in zip(roots, names, strict=True)
    ]
    return tuple(walked), names
