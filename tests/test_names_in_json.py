"""Names in JSON that were replaced: scripts that read the older ones keep working."""

from __future__ import annotations

from edms_tasks.doctor.assessment import Assessment, SettingsFix
from edms_tasks.errors import IncompatibleRows, MigrationsDiverged
from edms_tasks.inventory.model import Finding
from edms_tasks.merging.conflicts import Conflict
from edms_tasks.merging.planning import ModelPlan

FINDING = {
    "code": "link-broken",
    "severity": "warning",
    "subject": "media",
    "message": "It leads to nothing.",
    "fix": "Remove it.",
}


def test_an_error_has_its_older_code_and_the_older_names_of_its_keys() -> None:
    incompatible = IncompatibleRows("Refused.", fix="Shorten it.", incompatible=[{"column": "title"}]).as_json()
    assert (incompatible["error"], incompatible["former_error"]) == ("incompatible-rows", "does-not-fit")
    assert incompatible["incompatible"] == incompatible["misfits"] == [{"column": "title"}]
    assert incompatible["fix"] == incompatible["cure"] == "Shorten it."
    assert MigrationsDiverged("Refused.").as_json()["former_error"] == "migrations-parted"


def test_a_finding_says_what_to_do_under_both_names() -> None:
    found = Finding.model_validate(FINDING).as_json()
    assert found["fix"] == found["cure"] == "Remove it."


def test_a_finding_in_a_manifest_has_the_one_name_that_the_format_defines() -> None:
    written = Finding.model_validate(FINDING).model_dump(mode="json")
    assert "fix" not in written
    assert Finding.model_validate(written).fix == "Remove it."


def test_the_doctor_has_the_setting_under_both_names() -> None:
    setting = SettingsFix(section="exclude", key="files", value=("*.tmp",))
    found = Assessment.model_validate(FINDING | {"settings_fix": setting}).as_json()
    assert found["settings_fix"] == found["remedy"] == {"section": "exclude", "key": "files", "value": ["*.tmp"]}


def test_the_plan_of_a_merge_has_both_names() -> None:
    plan = ModelPlan(
        table_id="t", model="a.T", snapshot_rows=3, target_rows=0, insert=3, update=0, keep=0, same=0, only_in_target=0,
        new_ids=0, orphaned=2, columns={}, inserts=(), updates=(),
    ).model_dump(mode="json")  # fmt: skip
    assert plan["orphaned"] == plan["led_nowhere"] == 2
    conflict = Conflict(code="differs", severity="error", model="a.T", message="It differs.", count=1, fix="Choose.")
    written = conflict.model_dump(mode="json")
    assert written["fix"] == written["cure"] == "Choose."
