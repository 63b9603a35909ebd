"""The result of a restore: for the summary, for `--json`, for callers of the flow."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edms_tasks.conversion.left_out import LeftOutTable
from edms_tasks.erasure.applied_erasures import AppliedErasure
from edms_tasks.masking.masking_facts import MaskingFacts
from edms_tasks.migrating.migration_outcome import CodeMigration
from edms_tasks.report import Verdict
from edms_tasks.report.drill_facts import DrillFacts
from edms_tasks.salvage import Losses
from flows.evidence.repository_log import LogFacts
from flows.restoring.erasing import facts_of
from flows.running.flow_decorators import Shortfall


@dataclass(frozen=True)
class RestoreResult:
    """The result of a restore, and its evidence."""

    snapshot_id: str
    verdict: Verdict
    promoted: bool
    target: str
    previous: str | None
    report_html: Path
    report_json: Path
    data_docs: Path
    failures: tuple[str, ...]
    notes: tuple[str, ...]
    rows: int
    files: int
    seconds: dict[str, float]
    losses: Losses | None = None  # of a salvage that found damage
    masking: MaskingFacts | None = None  # of a masked copy
    erasures: tuple[AppliedErasure, ...] = ()  # of the ledger, applied again
    without_erasures: str = ""  # why the ledger was not applied
    # How it was brought to the EDMS's code, if that is of another version than the snapshot's.
    code_migration: CodeMigration | None = None
    left_out: tuple[LeftOutTable, ...] = ()  # of a change of engine: what the EDMS makes again from other tables
    not_rebuilt: tuple[str, ...] = ()  # commands that should have made it again, and failed
    drill: DrillFacts | None = None  # of a drill whose copy was proved: how it was tried

    @property
    def success(self) -> bool:
        """Whether what was restored is as it must be, and what was left out was made again; false for a salvage with losses."""
        return self.verdict in ("proved", "masked") and not self.not_rebuilt

    def shortfall(self) -> Shortfall | None:
        """Why the run counts as failed: what was restored differs from the snapshot, or is incomplete. None if it is equal."""
        if self.losses is not None and self.verdict == "salvaged":
            return Shortfall("The snapshot is damaged: only parts of it were restored.", self.losses.sentences())
        if self.masking is not None and self.masking.hits:
            return Shortfall("The masked copy holds original values. It was removed.", self.failures)
        if self.verdict in ("proved", "masked") and self.not_rebuilt:
            return Shortfall(
                f"The snapshot was restored and {self.verdict}, but derived tables were not rebuilt.", self.not_rebuilt
            )
        if not self.success:
            return Shortfall("The restored data does not equal the snapshot.", self.failures)
        return None

    def log_facts(self) -> LogFacts:
        """What the repository's log says of it."""
        facts: dict[str, Any] = {
            "verdict": self.verdict,
            "promoted": self.promoted,
            "target": self.target,
            "rows": self.rows,
            "files": self.files,
            "seconds": round(sum(self.seconds.values()), 1),
        }
        if self.masking is not None:
            facts |= {
                "masked_columns": len(self.masking.columns),
                "originals_searched_for": self.masking.values,
                "places_with_originals": len(self.masking.hits),
            }
        facts |= facts_of(self.erasures, self.without_erasures)
        return LogFacts(self.success, snapshot=self.snapshot_id, facts=facts)

    def as_json(self) -> dict[str, Any]:
        """The result for `--json`."""
        code_migration = self.code_migration.as_json() if self.code_migration else None
        return {
            "snapshot": self.snapshot_id,
            "success": self.success,
            "verdict": self.verdict,
            "promoted": self.promoted,
            "target": self.target,
            "previous": self.previous,
            "report_html": str(self.report_html),
            "report_json": str(self.report_json),
            "data_docs": str(self.data_docs),
            "failures": list(self.failures),
            "notes": list(self.notes),
            "rows": self.rows,
            "files": self.files,
            "seconds": self.seconds,
            "losses": self.losses.as_json() if self.losses else None,
            "masking": self.masking.as_json() if self.masking else None,
            "erasures": [
                {
                    "id": one.id,
                    "found": one.found,
                    "deleted": one.deleted,
                    "masked": one.masked,
                    "unlinked": one.unlinked,
                }
                for one in self.erasures
            ],
            "without_erasures": self.without_erasures,
            "left_out": [
                {"name": one.label, "rows": one.rows, "fix": one.fix, "remedy": one.fix} for one in self.left_out
            ],
            "not_rebuilt": list(self.not_rebuilt),
            "code_migration": code_migration,
            "following": code_migration,  # its older name
        }
