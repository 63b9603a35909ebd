"""The machine on which the figures were measured, stored beside them."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path


def write_machine(figures: Path, postgresql: str) -> None:
    """Describe this machine in `machine.json` beside the figures."""
    figures.parent.mkdir(parents=True, exist_ok=True)
    description = {
        "date": datetime.now(UTC).date().isoformat(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9),
        "python": platform.python_version(),
        "postgresql": postgresql,
    }
    _beside(figures).write_text(json.dumps(description, indent=1) + "\n", encoding="utf-8")


def describe(figures: Path) -> str:
    """One sentence about the machine, from the file beside the figures."""
    said: Mapping[str, object] = json.loads(_beside(figures).read_text(encoding="utf-8"))
    server = f", {said['postgresql']}" if said["postgresql"] else ""
    return (
        f"Measured on {said['date']}: {said['cores']} cores, {said['memory_gb']} GB of memory, "
        f"Python {said['python']}{server}."
    )


def _beside(figures: Path) -> Path:
    return figures.with_name("machine.json")
