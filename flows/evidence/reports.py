"""The folder that keeps the evidence of runs."""

from __future__ import annotations

import tempfile
from pathlib import Path

from edms_tasks.durable import private_folder
from edms_tasks.settings import Settings


def reports(settings: Settings) -> Path:
    """The folder that keeps the evidence."""
    private_folder(settings.workdir)
    folder = private_folder(settings.workdir / "reports")
    folder.chmod(0o700)  # an earlier release made it readable for all
    return folder


def new_page(settings: Settings, name: str) -> Path:
    """The path for the page of a run's evidence, in a folder of its own."""
    return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=reports(settings))) / f"{name}.html"
