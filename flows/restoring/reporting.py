"""The end of a restore: the recovery report, the result, and the evidence in Prefect."""

from __future__ import annotations

from collections.abc import Sequence

from edms_tasks.errors import EdmsBackupError
from edms_tasks.json_text import parsed_json
from edms_tasks.lineage.record_proved import record_proved
from edms_tasks.migrating.migration_outcome import CodeMigration
from edms_tasks.package import versions
from edms_tasks.promotion import Promotion
from edms_tasks.report import RecoveryFacts, write_recovery_report
from edms_tasks.report.drill_facts import DrillFacts
from edms_tasks.repository import Repository
from edms_tasks.shown_manifest import with_shown_findings
from flows.evidence.artifacts import leave_restore
from flows.restoring.erasing import ErasedSnapshot
from flows.restoring.open_restore import Opened
from flows.restoring.promoting import raising_evidence_not_written
from flows.restoring.restore_result import RestoreResult
from flows.restoring.restore_sources import RestoreSource
from flows.restoring.validation import ValidationEvidence
from flows.running.run import Run


def _log_witness(repository: Repository) -> str:
    try:
        return str(repository.log.last() or "")
    except EdmsBackupError:
        return ""  # the restore is in its place, and its report is written without the line


def _repository(repository: Repository, log_witness: str) -> dict[str, str]:
    return {"id": repository.identity, "place": repository.display, "log_before": log_witness}


def report_restore(
    run: Run,
    opened: Opened,
    source: RestoreSource,
    evidence: ValidationEvidence,
    code_migration: CodeMigration | None,
    promotion: Promotion | None,
    not_rebuilt: Sequence[str],
    notes: Sequence[str],
    drill: DrillFacts | None,
    erased: ErasedSnapshot,
) -> RestoreResult:
    """Write the report and Prefect's artifacts. Raises EvidenceNotWritten if this fails after the restore is in place."""
    target = opened.target
    if evidence.verdict == "proved":
        notes = (*notes, *record_proved(opened.repository, opened.snapshot_id, opened.manifest))
    address = target.database.address if target.into is None else target.database.address.renamed(target.into)
    log_witness = _log_witness(opened.repository)
    facts = RecoveryFacts(
        verdict=evidence.verdict,
        snapshot_id=opened.snapshot_id,
        manifest=with_shown_findings(source.whole, run.settings.validate_.sensitive),
        states=evidence.states,
        files=evidence.files,
        validation=evidence.validation,
        differences=evidence.differences,
        findings=with_shown_findings(source.manifest, run.settings.validate_.sensitive).findings,
        seconds=run.seconds,
        target=address.display,
        notes=tuple(notes),
        versions=versions(),
        losses=source.losses,
        masking=evidence.masking,
        erasures=[str(one) for one in erased.applied if one.found],
        code_migration=code_migration,
        converted=target.converts,
        left_out=[one.label for one in source.left_out],
        made_again=not not_rebuilt and not any(one.open for one in source.left_out),
        run={**run.origin.as_json(), "repository": _repository(opened.repository, log_witness)},
        log_witness=log_witness,
        drill=drill,
    )
    with raising_evidence_not_written(facts, promotion, evidence.folder):
        html, json_file = write_recovery_report(facts, evidence.folder)
        result = RestoreResult(
            snapshot_id=opened.snapshot_id,
            verdict=facts.verdict,
            promoted=promotion is not None,
            target=facts.target,
            previous=promotion.previous if promotion is not None and promotion.replaces else None,
            report_html=html,
            report_json=json_file,
            data_docs=evidence.validation.data_docs,
            failures=evidence.failures(),
            notes=tuple(notes),
            rows=sum(state.rows for state in evidence.states.values()),
            files=sum(check.found for check in evidence.files),
            seconds=run.seconds,
            losses=facts.losses,
            erasures=erased.applied,
            without_erasures=erased.without,
            masking=evidence.masking,
            code_migration=code_migration,
            left_out=source.left_out,
            not_rebuilt=tuple(not_rebuilt),
            drill=drill,
        )
        leave_restore(run, facts, result)
        run.evidence.page, run.evidence.data_docs = html, result.data_docs
        run.evidence.details = {"recovery": parsed_json(json_file.read_bytes())}
    return result
