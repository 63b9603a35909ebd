"""The facts of a finished restore: everything that the recovery report shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from edms_tasks.inventory.model import Finding
from edms_tasks.manifest import Manifest
from edms_tasks.masking.masking_facts import MaskingFacts
from edms_tasks.migrating.migration_outcome import CodeMigration
from edms_tasks.proof.measured_table import MeasuredTable
from edms_tasks.report.drill_facts import DrillFacts
from edms_tasks.salvage.losses import Losses
from edms_tasks.validation_result import FileCheckLike, ValidationResult

Verdict = Literal["proved", "salvaged", "masked", "failed", "not validated"]


@dataclass(frozen=True)
class RecoveryFacts:
    """The facts of a finished restore."""

    verdict: Verdict
    snapshot_id: str
    manifest: Manifest  # of the whole snapshot, even if only a part of it was restored
    states: Mapping[str, MeasuredTable]  # table id -> what was measured in the restored database
    files: Sequence[FileCheckLike]
    validation: ValidationResult | None
    target: str  # for people; contains no secret
    seconds: Mapping[str, float]  # stage of the restore -> duration
    differences: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # table id -> examples
    findings: Sequence[Finding] = ()  # of the restore; those of the backup are in the manifest
    notes: Sequence[str] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    losses: Losses | None = None  # what a salvage could not restore
    masking: MaskingFacts | None = None  # of a masked copy: what was masked, and which originals were found in it
    erasures: Sequence[str] = ()  # a sentence for each erasure of the ledger that was applied again
    # Result of migrating to the EDMS's code after validation, if the snapshot was made under another version.
    code_migration: CodeMigration | None = None
    converted: bool = False  # restored into the other engine: what was read back was converted to the snapshot's form
    left_out: Sequence[
        str
    ] = ()  # names of tables that a change of engine left out, because the EDMS can make them again
    made_again: bool = False  # whether its own commands did so
    drill: DrillFacts | None = None  # of a drill: how the copy was tried
    run: Mapping[str, Any] = field(default_factory=dict)  # who started it, why, where; empty if that is not known
    log_witness: str = ""  # NUMBER:SHA-256 of the last entry of the repository's log when the report was written
    finished: datetime = field(default_factory=lambda: datetime.now(UTC))
