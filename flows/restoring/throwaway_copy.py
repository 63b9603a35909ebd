"""A restored copy that is tried and then removed: its database and folders, under their own names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from edms_tasks.databases import DatabaseAddress
from edms_tasks.inventory.address_mapping import named_folders
from edms_tasks.inventory.probe_report import ProbeReport
from edms_tasks.manifest import Manifest
from edms_tasks.report.drill_facts import DrillFacts
from edms_tasks.settings import Settings
from flows.restoring.open_restore import Opened
from flows.restoring.staging_area import StagingArea
from flows.restoring.target import Target


@dataclass(frozen=True)
class CopiedFolder:
    """A folder of files: the live one as the EDMS sees it, and the restored one."""

    live: str
    copy: Path


@dataclass(frozen=True)
class ThrowawayCopy:
    """A restored and proved copy that is removed when the restore ends."""

    snapshot_id: str
    manifest: Manifest
    report: ProbeReport | None  # None: the EDMS's code does not run
    database: DatabaseAddress
    folders: tuple[CopiedFolder, ...]


class Trial(Protocol):
    """What is done with a throwaway copy."""

    def run(self, copy: ThrowawayCopy, notes: list[str]) -> DrillFacts:
        """Try the copy; adds to `notes`."""


def copy_of(settings: Settings, opened: Opened, target: Target, staged: StagingArea) -> ThrowawayCopy:
    """The copy that was restored."""
    live = {name: str(folder) for name, folder in named_folders(settings, target.report).items()}
    if target.report is not None:
        live |= {root.name: root.path_there for root in target.report.file_roots if root.path_there}
    return ThrowawayCopy(
        opened.snapshot_id,
        opened.manifest,
        target.report,
        staged.database.address,
        tuple(CopiedFolder(live[i.root.name], final) for i, final, _ in target.folders if i.root.name in live),
    )
