"""A system with a repository that an earlier release wrote, packed beside the tests of its format (`ENGINE.tar.xz`, `ENGINE.json`)."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

from tests.reference_system import Engine, ReferenceEdmsFactory
from tests.running import Protected, protect


def empty_system(edms_factory: ReferenceEdmsFactory, engine: Engine, packed: Path, into: Path) -> Protected:
    """An empty EDMS whose repository has snapshots of another installation, made by an earlier release."""
    protected = protect(edms_factory(engine, populate=False), into, extra="[validate]\ndjango_check = false")
    with tarfile.open(packed / f"{engine}.tar.xz") as archive:
        archive.extractall(into, filter="data")
    return protected


def recorded_snapshots(engine: Engine, packed: Path) -> list[dict[str, Any]]:
    """The snapshots, oldest first: their ids, and hashes of what the EDMS held."""
    found: list[dict[str, Any]] = json.loads((packed / f"{engine}.json").read_bytes())
    return found
