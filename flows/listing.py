"""List: what the repository holds, read from the manifests alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from edms_tasks.manifest import Manifest
from edms_tasks.repository import Repository
from edms_tasks.settings import Settings


@dataclass(frozen=True)
class ListedSnapshot:
    """A snapshot in one line."""

    id: str
    created: datetime
    tag: str | None
    engine: str
    tables: int
    rows: int
    files: int
    bytes: int
    findings: int

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {**self.__dict__, "created": self.created.isoformat()}


@dataclass(frozen=True)
class Listing:
    """All snapshots, oldest first; a damaged manifest does not hide the others."""

    snapshots: tuple[ListedSnapshot, ...]
    damaged: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {"snapshots": [found.as_json() for found in self.snapshots], "damaged": list(self.damaged)}


def list_snapshots(settings: Settings) -> Listing:
    """Read every manifest."""
    repository = Repository.open(settings.repository)
    found = tuple(_listed(name, read_manifest(repository, name)) for name in repository.snapshots())
    return Listing(snapshots=found, damaged=repository.damaged_snapshots())


def read_manifest(repository: Repository, snapshot_id: str) -> Manifest:
    """A snapshot's manifest, verified against its id."""
    return Manifest.from_json(repository.read_snapshot(snapshot_id), where=f"snapshot {snapshot_id}")


def _listed(snapshot_id: str, manifest: Manifest) -> ListedSnapshot:
    return ListedSnapshot(
        id=snapshot_id,
        created=manifest.created,
        tag=manifest.tag,
        engine=manifest.engine,
        tables=len(manifest.tables),
        rows=manifest.rows,
        files=sum(index.files for index in manifest.files),
        bytes=sum(ref.size for ref in manifest.objects().values()),
        findings=len(manifest.findings),
    )
