"""Systems that tell how their runs end, and what docs/signals.md says of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edms_tasks.settings import Settings
from edms_tasks.signal_settings import MetricsSettings, NotifySettings
from tests.running import Protected

ROOT = Path(__file__).resolve().parents[2]


def telling(protected: Protected, metrics: Path | None = None, **notify: Any) -> Settings:
    told = NotifySettings.model_validate({"timeout": 5, **notify})
    return protected.settings.model_copy(update={"notify": told, "metrics": MetricsSettings(file=metrics)})


def break_database(protected: Protected) -> None:
    protected.edms.database_path.write_bytes(b"no database")


def section(heading: str) -> str:
    """A section of docs/signals.md."""
    return (ROOT / "docs" / "signals.md").read_text().split(heading, 1)[1].split("\n## ", 1)[0]
