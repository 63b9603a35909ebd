"""The recovery report: the verdict first, everything an auditor asks for, one file that needs nothing else."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from edms_tasks.inventory.model import Finding
from edms_tasks.manifest import Chunk, ObjectRef
from edms_tasks.report import RecoveryFacts, write_recovery_report
from edms_tasks.validation_result import CheckResult, Failure, SuiteResult, ValidationResult
from tests.expectations.small_edms import FoundFiles, manifest, states, states_of_equal_rows

HOSTILE = "<script>alert('x')</script>"
ELSEWHERE = re.compile(r"""(?:src|href|action|data)\s*=|url\(|@import|<script|<link|<iframe""", re.IGNORECASE)


def facts(tmp_path: Path, **changed: Any) -> RecoveryFacts:
    usual: dict[str, Any] = {
        "verdict": "proved",
        "snapshot_id": "3f" * 32,
        "manifest": manifest(),
        "states": states(),
        "files": [FoundFiles()],
        "validation": ValidationResult(True, (), (), tmp_path / "data_docs/index.html", 3.0),
        "target": "postgresql://edms@db.example/edms",
        "seconds": {"restore": 5.25, "validate": 7.5},
        "versions": {"edms-backup": "0.1.0"},
    }
    return RecoveryFacts(**usual | changed)


def written(tmp_path: Path, **changed: Any) -> tuple[str, dict[str, Any]]:
    html, machine = write_recovery_report(facts(tmp_path, **changed), tmp_path / "report")
    return html.read_text(), json.loads(machine.read_text())


def test_a_proved_restore_says_so_before_anything_else(tmp_path: Path) -> None:
    page, machine = written(tmp_path)

    body = page[page.index("<body>") :]
    assert body.index("PROVED.") < body.index("What came back equals what went in") < body.index("What was restored")
    assert (machine["verdict"], machine["totals"]["rows_found"]) == ("proved", 21)
    assert "✗ differs</td>" not in page


def test_a_failed_restore_names_what_failed_and_says_that_the_live_system_is_untouched(tmp_path: Path) -> None:
    failure = Failure("documents.Document", "rows", "expected rows: 4, found rows: 3")

    page, machine = written(
        tmp_path,
        verdict="failed",
        states=states(doc={"rows": 3, "content_digest": "0" * 32}),
        validation=ValidationResult(False, (), (failure,), tmp_path / "index.html", 3.0),
        differences={"doc": ("row 2: number 'SOP-2' became 'SOP-3'",)},
    )

    assert "FAILED." in page
    assert "The live system is untouched." in page
    assert "row 2: number &#39;SOP-2&#39; became &#39;SOP-3&#39;" in page
    assert machine["failures"] == [
        {"subject": "documents.Document", "check": "rows", "message": "expected rows: 4, found rows: 3"}
    ]
    assert [m["model"] for m in machine["models"] if not m["match"]] == ["documents.Document"]


def test_without_a_validation_nothing_is_called_proved(tmp_path: Path) -> None:
    page, machine = written(tmp_path, verdict="not validated", validation=None)

    assert "NOT VALIDATED." in page
    assert "<b>PROVED" not in page
    assert machine["data_docs"] == ""


def test_expected_and_found_stand_side_by_side_for_every_model(tmp_path: Path) -> None:
    measured = states()
    del measured["audit"]

    page, machine = written(tmp_path, verdict="failed", states=measured | {"intruder": states()["doc"]})

    models = {model["model"]: model for model in machine["models"]}
    assert (models["documents.Version"]["rows"], models["documents.Version"]["rows_found"]) == (3, 3)
    assert models["audit.AuditTrail"]["rows_found"] is None
    assert machine["unexpected_tables"] == ["intruder"]
    assert "✗ not measured" in page
    assert "✗ unexpected" in page


def test_dangling_references_are_shown_as_expected_and_found(tmp_path: Path) -> None:
    _, machine = written(tmp_path)

    rows = {(row["model"], row["reference"]): (row["at_source"], row["found"]) for row in machine["references"]}
    assert rows == {("documents.Document", "author_id"): (1, 1), ("audit.AuditTrail", "content_object"): (2, 2)}


def test_values_that_were_not_computed_are_not_shown(tmp_path: Path) -> None:
    page, machine = written(tmp_path, states=states_of_equal_rows())

    model = next(model for model in machine["models"] if model["model"] == "documents.Document")
    assert (model["proof_found"], model["content_digest_found"]) == (model["proof"], None)
    assert model["match"] is True
    assert not any(str(entry.state.content_digest)[:10] in page for entry in manifest().tables)
    assert all(entry.state.fingerprint[:10] in page for entry in manifest().tables)
    assert {row["found"] for row in machine["references"]} == {None}
    assert "not counted again" in page and "✓ same" not in page


def test_counts_of_the_restored_database_are_shown_as_found(tmp_path: Path) -> None:
    check = CheckResult("foreign reference author_id", "", True, False, "", "", "", "author_id", {"dangling": 1})
    suite = SuiteResult("doc", "documents.Document", 1, 1, 0, (check,))
    validation = ValidationResult(True, (suite,), (), tmp_path / "index.html", 3.0)

    _, machine = written(tmp_path, states=states_of_equal_rows(), validation=validation)

    assert machine["references_checked"] == 1
    assert [(row["reference"], row["found"], row["match"]) for row in machine["references"]] == [
        ("author_id", 1, True),
        ("content_object", None, None),
    ]


def test_files_that_differ_are_named(tmp_path: Path) -> None:
    page, machine = written(tmp_path, verdict="failed", files=[FoundFiles(missing=("SOP-9.pdf",), found=2)])

    assert "missing: SOP-9.pdf" in page
    assert not machine["files"][0]["match"]


def test_findings_exclusions_notes_and_versions_are_shown(tmp_path: Path) -> None:
    findings = (
        Finding(code="missing-file", severity="warning", subject="documents.Document.file", message="is not there"),
        Finding(code="excluded-table", severity="info", subject="sessions.Session", message="left out by [exclude]"),
    )

    page, machine = written(tmp_path, findings=findings, notes=("Forward migration skipped.",))

    assert [f["subject"] for f in machine["findings"]] == ["documents.Document.file"]
    assert [f["subject"] for f in machine["excluded"]] == ["sessions.Session"]
    for text in ("is not there", "left out by [exclude]", "Forward migration skipped.", "26.0.1", "nightly"):
        assert text in page


def test_a_finding_that_backup_and_restore_have_is_shown_once(tmp_path: Path) -> None:
    finding = Finding(code="orphan-file", severity="info", subject="media", message="no row names it")

    _, machine = written(tmp_path, manifest=manifest().model_copy(update={"findings": (finding,)}), findings=(finding,))

    assert len(machine["findings"]) == 1


def test_the_picture_shows_rows_and_bytes_and_sums_up_the_small_models(tmp_path: Path) -> None:
    entry = manifest().tables[2]
    chunk = Chunk(
        object=ObjectRef(sha256="a" * 64, size=2_500_000), rows=4, exact_digest="0" * 32, content_digest="0" * 32
    )
    many = tuple(
        entry.model_copy(
            update={"table": entry.table.model_copy(update={"id": f"t{n}", "model": f"app.M{n}"}), "chunks": (chunk,)}
        )
        for n in range(20)
    )

    page, _ = written(tmp_path, manifest=manifest().model_copy(update={"tables": many}))

    assert page.count("<svg") == 2
    assert page.count("6 more models") == 4  # a tooltip and a label in each picture
    assert "2.5 MB" in page


@pytest.mark.parametrize("where", ["model", "finding", "difference", "note", "target", "file"])
def test_hostile_text_is_shown_and_not_run(tmp_path: Path, where: str) -> None:
    entry = manifest().tables[2]
    hostile_entry = entry.model_copy(update={"table": entry.table.model_copy(update={"model": HOSTILE})})
    finding = Finding(code="x", severity="info", subject=HOSTILE, message=HOSTILE, examples=(HOSTILE,), fix=HOSTILE)
    change: dict[str, dict[str, Any]] = {
        "model": {"manifest": manifest().model_copy(update={"tables": (hostile_entry,)})},
        "finding": {"findings": (finding,)},
        "difference": {"differences": {"doc": (HOSTILE,)}},
        "note": {"notes": (HOSTILE,)},
        "target": {"target": HOSTILE},
        "file": {"files": [FoundFiles(missing=(HOSTILE, "\udcff.pdf"))]},
    }

    page, _ = written(tmp_path, **change[where])

    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_the_page_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    page, _ = written(tmp_path)

    assert not ELSEWHERE.search(page)
    assert "@media print" in page
