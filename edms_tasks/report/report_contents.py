"""The recovery report's contents as plain values, for the JSON and the page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from edms_tasks.inventory.model import Finding
from edms_tasks.manifest import TableEntry
from edms_tasks.proof.measured_table import MeasuredTable
from edms_tasks.report.facts import RecoveryFacts
from edms_tasks.salvage.losses import TableLoss
from edms_tasks.validation_result import FileCheckLike, ValidationResult

_HEADLINES = {
    "proved": ("PROVED", "What came back equals what went in."),
    "salvaged": (
        "SALVAGED",
        "The intact parts of a damaged snapshot were restored. The rest is lost and listed below.",
    ),
    "masked": ("MASKED", "Masked columns hold pseudonyms. Everything else equals what went in."),
    "failed": ("FAILED", "What came back does not equal what went in. The live system is untouched."),
    "not validated": ("NOT VALIDATED", "The data was restored, but not compared with what went in."),
}


def contents(facts: RecoveryFacts) -> dict[str, Any]:
    """The contents of the report, in reading order."""
    manifest = facts.manifest
    models = [_model(entry, facts.states.get(entry.table.id)) for entry in manifest.tables]
    known = {entry.table.id: entry.table.label for entry in manifest.tables}
    counted = _counted_by_the_database(facts.validation)
    references = [
        row for entry in manifest.tables for row in _references(entry, facts.states.get(entry.table.id), counted)
    ]
    findings = list(dict.fromkeys((*manifest.findings, *facts.findings)))
    word, headline = _verdict(facts)
    code_migration = facts.code_migration.as_json() if facts.code_migration else None
    return {
        "report": 1,
        "verdict": facts.verdict,
        "verdict_word": word,
        "headline": headline,
        "finished": facts.finished.isoformat(timespec="seconds"),
        "snapshot": {
            "id": facts.snapshot_id,
            "tag": manifest.tag or "",
            "created": manifest.created.isoformat(timespec="seconds"),
            "engine": manifest.engine,
            "server": manifest.native_schema.server_version,
            "previous": manifest.previous or "",
        },
        "edms": {
            "settings": manifest.edms.settings_module,
            "django": manifest.edms.django,
            "python": manifest.edms.python,
            "migrations": [f"{app}.{name}" for app, name in manifest.edms.migrations_leaves],
        },
        "target": facts.target,
        "drill": facts.drill.as_json() if facts.drill else None,
        "run": dict(facts.run),
        "log_witness": facts.log_witness,
        "converted": facts.converted,
        "crossed": facts.converted,  # its older name
        "totals": {
            "models": len(models),
            "rows_expected": manifest.rows,
            "rows_found": sum(state.rows for state in facts.states.values()),
            "files_expected": sum(index.files for index in manifest.files),
            "files_found": sum(check.found for check in facts.files),
            "file_bytes": sum(index.bytes for index in manifest.files),
            "checks": facts.validation.evaluated if facts.validation else 0,
            "seconds": round(sum(facts.seconds.values()), 3),
        },
        "failures": [*_failures(facts.validation), *_originals(facts)],
        "own_suites": [
            {"suite": suite.title, "expectations": len(suite.checks), "passed": suite.passed, "success": suite.success}
            for suite in (facts.validation.suites if facts.validation else ())
            if suite.owners
        ],
        "differences": [
            {"model": known.get(table_id, table_id), "examples": list(examples)}
            for table_id, examples in facts.differences.items()
            if examples
        ],
        "erasures": list(facts.erasures),
        "masking": facts.masking.as_json() if facts.masking else None,
        "losses": _losses(facts) if facts.losses else None,
        "code_migration": code_migration,
        "following": code_migration,  # its older name
        "models": models,
        "unexpected_tables": sorted(facts.states.keys() - known.keys()),
        "references_checked": sum(row["found"] is not None for row in references),
        "references_not_counted": sum(row["found"] is None for row in references),
        "references": [row for row in references if row["at_source"] or row["found"] or row["match"] is False],
        "content_digests_computed": sum(model["content_digest_found"] is not None for model in models),
        "files": list(_files(facts)),
        "excluded": [_finding(finding) for finding in findings if "exclu" in finding.code],
        "findings": [_finding(finding) for finding in findings if "exclu" not in finding.code],
        "notes": list(facts.notes),
        "seconds": {stage: round(seconds, 3) for stage, seconds in facts.seconds.items()},
        "backup_seconds": {stage: round(seconds, 3) for stage, seconds in manifest.seconds.items()},
        "versions": dict(facts.versions),
        "backup_versions": dict(manifest.versions),
        "data_docs": str(facts.validation.data_docs) if facts.validation else "",
    }


def _failures(validation: ValidationResult | None) -> list[dict[str, str]]:
    return [
        {"subject": failure.subject, "check": failure.check, "message": failure.message}
        for failure in (validation.failures if validation else ())
    ]


def _originals(facts: RecoveryFacts) -> list[dict[str, str]]:
    hits = facts.masking.hits if facts.masking else ()
    return [
        {
            "subject": hit.where,
            "check": "original values",
            "message": f"{hit.rows:,} rows hold a value of a masked column",
        }
        for hit in hits
    ]


def _verdict(facts: RecoveryFacts) -> tuple[str, str]:
    word, headline = _HEADLINES[facts.verdict]
    if facts.erasures and facts.verdict == "proved":
        headline = "What came back equals what went in, without what was erased since then."
    if facts.masking is not None and facts.masking.hits:
        return "FAILED", "The masked copy held original values. It was removed; the live system is untouched."
    if facts.drill is not None and facts.drill.problems:
        return "DRILL FAILED", f"What came back equals what went in, but: {' '.join(facts.drill.problems)}"
    if facts.drill is not None:
        tried = (
            "every acceptance command passed on it"
            if facts.drill.commands
            else "no acceptance command was set to try it"
        )
        return "DRILL PASSED", f"What came back equals what went in, and {tried}."
    if facts.verdict == "proved" and facts.left_out:
        without = ", ".join(facts.left_out)
        how = "which the EDMS's own commands made again" if facts.made_again else "which are still to be made again"
        headline = f"What came back equals what went in, without {without}, {how}."
    return word, headline


def _losses(facts: RecoveryFacts) -> dict[str, Any]:
    """The losses of a salvage, and for each table whether it is whole, partial or lost."""
    assert facts.losses is not None
    lost = {table.table_id: table for table in facts.losses.tables}
    conditions = {
        entry.table.id: _condition(entry, lost.get(entry.table.id), facts.states.get(entry.table.id))
        for entry in facts.manifest.tables
    }
    return {
        **facts.losses.as_json(),
        "conditions": {
            # All its rows are back. If the content digest differs, a row that they refer to is lost.
            table_id: "intact, but refers to something that is lost" if condition == "whole" else condition
            for table_id, condition in conditions.items()
        },
        "models": [
            {
                "model": entry.table.label,
                "rows": entry.state.rows,
                "kept": lost[entry.table.id].kept if entry.table.id in lost else entry.state.rows,
                "condition": conditions[entry.table.id],
            }
            for entry in facts.manifest.tables
        ],
    }


def _condition(entry: TableEntry, loss: TableLoss | None, found: MeasuredTable | None) -> str:
    """`lost`, `partial`, `whole` (the snapshot's digest: all rows and columns are as they were), or `differs`."""
    if loss is not None:
        return "partial" if loss.kept else "lost"
    same = found is not None and (found.rows, found.fingerprint) == (entry.state.rows, entry.state.fingerprint)
    return "whole" if same else "differs"


def _model(entry: TableEntry, found: MeasuredTable | None) -> dict[str, Any]:
    expected = entry.state
    return {
        "model": entry.table.label,
        "table": entry.table.id,
        "natural_key": _readable_key(entry),
        "bytes": entry.stored_bytes,
        "rows": expected.rows,
        "rows_found": found.rows if found else None,
        "content_digest": expected.content_digest,
        "content_digest_found": found.content_digest if found else None,
        "proof": expected.fingerprint,
        "proof_found": found.fingerprint if found else None,
        "exact_digest": expected.fingerprint,  # its older name
        "exact_digest_found": found.fingerprint if found else None,
        "match": found is not None and found.equals(expected),
    }


def _readable_key(entry: TableEntry) -> str:
    key = entry.natural_key
    if key is None:
        return ""
    return key.readable or ", ".join(".".join(path) for path in key.paths)


def _counted_by_the_database(validation: ValidationResult | None) -> dict[tuple[str, str], int]:
    """(table id, reference) -> number of orphaned rows, as far as a suite asked the restored database."""
    return {
        (suite.subject, check.reference): check.counts["dangling"]
        for suite in (validation.suites if validation else ())
        for check in suite.checks
        if check.reference and check.counts and "dangling" in check.counts
    }


def _references(
    entry: TableEntry, found: MeasuredTable | None, counted: Mapping[tuple[str, str], int]
) -> Iterator[dict[str, Any]]:
    """The counts of each reference in the EDMS and, if they were counted again, after the restore."""
    on_rows = found.references or {} if found else {}
    kinds = {reference.name: reference.kind.replace("_", "-") for reference in entry.table.references}
    for reference in entry.state.references:
        now = counted.get((entry.table.id, reference.name))
        if now is None and reference.name in on_rows:
            now = on_rows[reference.name].dangling
        yield {
            "model": entry.table.label,
            "reference": reference.name,
            "kind": kinds.get(reference.name, ""),
            "filled": reference.filled,
            "at_source": reference.dangling,
            "found": now,  # None: not counted
            "match": None if now is None else now == reference.dangling,
        }


def _files(facts: RecoveryFacts) -> Iterator[dict[str, Any]]:
    checks: Mapping[str, FileCheckLike] = {check.root: check for check in facts.files}
    for index in facts.manifest.files:
        check = checks.get(index.root.name)
        yield {
            "root": index.root.name,
            "bytes": index.bytes,
            "expected": check.expected if check else index.files,
            "found": check.found if check else None,
            "digest": index.digest,
            "digest_found": check.found_digest if check else "",
            "missing": list(check.missing) if check else [],
            "missing_count": check.missing_count if check else 0,
            "altered": list(check.altered) if check else [],
            "altered_count": check.altered_count if check else 0,
            "unexpected": list(check.unexpected) if check else [],
            "unexpected_count": check.unexpected_count if check else 0,
            "match": check is not None
            and check.found_digest == index.digest
            and not (check.missing_count or check.altered_count or check.unexpected_count)
            and check.found == check.expected,
        }


def _finding(finding: Finding) -> dict[str, Any]:
    return finding.as_json()
