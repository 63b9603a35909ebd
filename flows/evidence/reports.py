"""The folder that keeps the evidence of runs."""

from __future__ import annotations

import tempfile
from contextlib import AbstractContextManager
from pathlib import Path

from edms_tasks.durable import private_folder
from edms_tasks.scratch.run_folder import kept_folder
from edms_tasks.settings import Settings

_RECOVERY = "recovery.json"  # what `report.write_recovery_report` writes last


def reports(settings: Settings) -> Path:
    """The folder that keeps the evidence."""
    private_folder(settings.workdir)
    folder = private_folder(settings.workdir / "reports")
    folder.chmod(0o700)  # an earlier release made it readable for all
    return folder


def restore_report_folder(settings: Settings) -> AbstractContextManager[Path]:
    """A new folder for the report of a restore. Later restores remove it if this one is killed before its report is complete."""
    return kept_folder(reports(settings), "restore", complete=_RECOVERY)


def new_page(settings: Settings, name: str) -> Path:
    """The path for the page of a run's evidence, in a folder of its own."""
    return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=reports(settings))) / f"{name}.html"
