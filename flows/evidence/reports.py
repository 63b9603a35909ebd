"""The folder that keeps the evidence of runs."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edms_tasks.durable import keep_private, private_folder
from edms_tasks.settings import Settings


def reports(settings: Settings) -> Path:
    """The folder that keeps the evidence."""
    private_folder(settings.workdir)
    folder = private_folder(settings.workdir / "reports")
    folder.chmod(0o700)  # an earlier release made it for all to read
    return folder


def new_page(settings: Settings, name: str) -> Path:
    """Where the page of a run's evidence will stand, in a folder of its own."""
    return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=reports(settings))) / f"{name}.html"


def keep_page(page: Path, text: str, facts: Mapping[str, Any]) -> None:
    """Write the page, and the same as JSON beside it; both are their owner's alone."""
    page.write_text(text, encoding="utf-8", errors="backslashreplace")
    page.with_suffix(".json").write_text(
        json.dumps(facts, indent=1, ensure_ascii=False), encoding="utf-8", errors="backslashreplace"
    )
    keep_private(page.parent)
