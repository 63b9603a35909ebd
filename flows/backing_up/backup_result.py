"""The result of a backup: for the summary, for `--json`, for callers of the flow."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from edms_tasks.evidence.log_facts import LogFacts
from edms_tasks.manifest import Manifest
from edms_tasks.repository.audit_log import Witness
from flows.running.flow_decorators import Shortfall


@dataclass(frozen=True)
class BackupResult:
    """The snapshot that a backup made, whether it was verified, and notes."""

    snapshot_id: str
    manifest: Manifest
    verified: bool
    problems: tuple[str, ...]
    seconds: dict[str, float]
    stored_bytes: int
    objects_read: int  # objects that were read again after they were written
    objects_unread: int  # objects of earlier backups, which read them again then
    notes: tuple[str, ...] = ()  # such as that a repository was created
    not_read_back: str = ""  # why nothing was read again, where this machine may write only; "" if it was
    witness: Witness | None = None  # the entry of it in the repository's log; None if it could not be written

    def shortfall(self) -> Shortfall | None:
        """Why the run counts as failed: the snapshot could not be verified. None if it was, or if this machine may write only."""
        return (
            None
            if self.verified or self.not_read_back
            else Shortfall("The snapshot was written, but its verification failed.", self.problems)
        )

    def log_facts(self) -> LogFacts:
        """What the repository's log says of it."""
        manifest = self.manifest
        facts = {
            "number": manifest.number,
            "tag": manifest.tag,
            "rows": manifest.rows,
            "files": sum(index.files for index in manifest.files),
            "verified": self.verified,
            "findings": len(manifest.findings),
            "stored_bytes": self.stored_bytes,
        }
        edms = manifest.identity.id if manifest.identity is not None else None
        return LogFacts(not self.problems, edms, self.snapshot_id, facts)

    def with_witness(self, witness: Witness | None) -> BackupResult:
        """The same with its entry in the log."""
        return replace(self, witness=witness)

    def as_json(self) -> dict[str, Any]:
        """The result for `--json`."""
        return {
            "snapshot": self.snapshot_id,
            "tag": self.manifest.tag,
            "verified": self.verified,
            "not_read_back": self.not_read_back or None,
            "witness": str(self.witness) if self.witness else None,
            "problems": list(self.problems),
            "rows": self.manifest.rows,
            "tables": len(self.manifest.tables),
            "files": sum(index.files for index in self.manifest.files),
            "stored_bytes": self.stored_bytes,
            "objects_read": self.objects_read,
            "objects_unread": self.objects_unread,
            "findings": [finding.as_json() for finding in self.manifest.findings],
            "notes": list(self.notes),
            "seconds": self.seconds,
        }
