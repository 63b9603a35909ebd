"""A restore with suites of the owner's: one that is not met stops it, one that cannot be used stops it before it begins."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from edms_tasks.errors import UnusableSuite
from flows.evidence.reports import reports
from tests.independent_comparison import differences, picture
from tests.reference_system import Engine, ReferenceEdmsFactory
from tests.running import Protected, protect, run_doctor, run_restore_plan

pytestmark = pytest.mark.usefixtures("edms_asked_once")

RESTORE_PAGE = Path(__file__).parent.parent / "docs" / "restore.md"


@pytest.mark.parametrize("engine", ["sqlite", pytest.param("postgresql", marks=pytest.mark.long)])
def test_a_suite_that_is_not_met_keeps_the_restore_from_being_promoted(
    engine: Engine, edms_factory: ReferenceEdmsFactory, tmp_path: Path
) -> None:
    system = _protected(edms_factory, tmp_path, engine)
    documented = _documented_suite()
    _write(tmp_path, documented=documented, mine=_rows(documented, 1_000_000))
    system.backup()
    before = picture(system.edms)

    failed = system.restore()
    (tmp_path / "suites/mine.json").unlink()
    passed = system.restore()

    assert (failed.success, failed.promoted) == (False, False)
    assert [line for line in failed.failures if "rows (mine.json)" in line]
    assert "mine.json" in Path(failed.report_html).read_text()
    assert (passed.success, passed.promoted) == (True, True)
    report = json.loads(Path(passed.report_json).read_text())
    assert report["own_suites"] == [
        {
            "suite": f"{documented['name']} (documented.json)",
            "expectations": len(documented["expectations"]),
            "passed": len(documented["expectations"]),
            "success": True,
        }
    ]
    assert differences(before, picture(system.edms)) == []


@pytest.mark.long
def test_a_suite_that_cannot_be_used_is_found_by_backup_doctor_and_plan(
    edms_factory: ReferenceEdmsFactory, tmp_path: Path
) -> None:
    system = _protected(edms_factory, tmp_path, "sqlite")
    suite = _documented_suite() | {"meta": {"table": "documents_gone"}}
    _write(tmp_path, gone=suite, unknown=_documented_suite() | {"expectations": [{"type": "expect_the_best"}]})

    backed_up = system.backup()
    examined = run_doctor(system.settings)

    assert [Path(f.subject).name for f in backed_up.manifest.findings if f.code == "suite-unusable"] == ["gone.json"]
    found = [one for one in examined.diagnosis.assessments if one.code == "suite-unusable"]
    assert {Path(one.subject).name for one in found} == {"gone.json", "unknown.json"}
    for attempt in (system.restore, lambda: run_restore_plan(system.settings)):
        with pytest.raises(UnusableSuite, match="documents_gone"):
            attempt()
    assert not [*reports(system.settings).glob("restore-*")]  # nothing was begun


def _protected(edms_factory: ReferenceEdmsFactory, tmp_path: Path, engine: Engine) -> Protected:
    edms = edms_factory(engine)
    return protect(edms, tmp_path, extra='[validate]\nsuites = "suites"\ndjango_check = false')


def _documented_suite() -> dict[str, Any]:
    section = RESTORE_PAGE.read_text().partition("### Suites of your own")[2]
    example = re.search(r"```json\n(.*?)```", section, re.DOTALL)
    assert example is not None
    suite: dict[str, Any] = json.loads(example.group(1))
    return suite


def _rows(suite: dict[str, Any], rows: int) -> dict[str, Any]:
    return suite | {
        "name": "rows",
        "expectations": [{"type": "expect_table_row_count_to_equal", "kwargs": {"value": rows}}],
    }


def _write(tmp_path: Path, **suites: dict[str, Any]) -> None:
    (tmp_path / "suites").mkdir()
    for name, suite in suites.items():
        (tmp_path / "suites" / f"{name}.json").write_text(json.dumps(suite))
