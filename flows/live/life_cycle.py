"""Whether the bucket of the repository removes objects by itself."""

from __future__ import annotations

from collections.abc import Iterator

from edms_tasks.errors import EdmsBackupError
from edms_tasks.findings import make_finding
from edms_tasks.inventory.model import Finding
from edms_tasks.settings import Settings


def life_cycle_findings(settings: Settings) -> Iterator[Finding]:
    """Rules of the bucket that would remove what snapshots need. An object is as old as its first backup, however new the snapshot is."""
    try:
        from edms_tasks.repository.backends.s3_lifecycle import harmful_rules

        rules = harmful_rules(settings.repository)
    except (EdmsBackupError, ImportError):
        return  # other checks say that the repository cannot be used
    for said in rules:
        yield make_finding("bucket-removes-objects", settings.repository.url, said)
