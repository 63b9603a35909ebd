"""Find folders of files for a new settings file: those with files that rows name, and that no storage of the EDMS has."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from edms_tasks.databases import DatabaseAddress, open_database
from edms_tasks.doctor import walk_root, walked_files
from edms_tasks.files import Examination, examine_named_files
from edms_tasks.files.exclusions import LeaveOut
from edms_tasks.files.file_sources import source_of
from edms_tasks.inventory.build_inventory import excluded_tables
from edms_tasks.inventory.model import Finding
from edms_tasks.inventory.probe_report import ProbeReport
from edms_tasks.scratch.run_folder import run_folder
from edms_tasks.settings import Settings
from flows.live.folder_checks import our_folders
from flows.running.run import Run
from flows.tasks.extract_tasks import extract_tables
from flows.tasks.inspect_tasks import read_catalogue


@dataclass(frozen=True)
class FoundRoots:
    """The folders of an EDMS's files."""

    known: Mapping[str, int]  # the EDMS's own roots, with the number of files in each
    added: Mapping[str, str]  # name -> folder: further folders with files that rows name
    rows: int  # that name files there
    incomplete: tuple[str, ...]  # why there may be further ones


def find_roots(settings: Settings, report: ProbeReport) -> FoundRoots:
    """Read the rows, and look for the files that they name; nothing is written but scratch files."""
    if settings.workdir.exists():
        return _look(settings, report)
    try:
        return _look(settings, report)
    finally:
        with suppress(OSError):  # another run has put something into it
            settings.workdir.rmdir()


def _look(settings: Settings, report: ProbeReport) -> FoundRoots:
    run = Run(settings)
    address = DatabaseAddress.from_probe(report.databases[0])
    ours = (*our_folders(settings), *address.files)
    with (
        run_folder(settings.workdir, "init") as folder,
        open_database(address).view(folder, settings.jobs) as view,
        run.workspace(folder / "workspace") as workspace,
        workspace.cursor() as cursor,
    ):
        inventory = run.call(read_catalogue, report, view, settings, address.engine)
        excluded = excluded_tables(inventory, settings)
        raws = extract_tables(
            run, view, [table for table in inventory.tables if table.id not in excluded], folder / "raw"
        )
        names = [folder / f"names-{number:02d}.parquet" for number, _ in enumerate(inventory.file_roots)]
        walked = [
            walk_root(root, LeaveOut.of(settings), ours, into, source_of(root, settings.files.options))
            for root, into in zip(inventory.file_roots, names, strict=True)
        ]
        examination = Examination(
            tables=inventory.tables,
            raws=raws,
            roots=inventory.file_roots,
            declared=inventory.file_names,
            surroundings=report.surroundings,
            ours=ours,
            excluded=settings.exclude.folders,
        )
        outside = examine_named_files(examination, walked_files(names), cursor, folder).outside
    return FoundRoots(
        known={one.root.name: one.files for one in walked},
        added={name: str(path) for path, name in outside.names.items()},
        rows=sum(one.count for one in outside.columns),
        incomplete=tuple(_sentence(finding) for finding in outside.others()),
    )


def _sentence(finding: Finding) -> str:
    """The finding for one line; a folder is named, and what is said of all folders speaks for itself."""
    return f"{finding.subject}: {finding.message}" if finding.code == "files-in-no-root" else finding.message
