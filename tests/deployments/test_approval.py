"""Restores through a real server and worker: planned, suspended, and done only after an approval."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from typer.testing import CliRunner

from edms_tasks.settings import load_settings
from flows.backup import backup
from flows.cli.app import app
from flows.requests import BackupRequest, RestoreRequest
from flows.restore import restore
from flows.running.run import Run
from tests.deployments.plant import EDMS, Plant
from tests.prefect_server import wait_for
from tests.reference_system import EdmsTemplates, ReferenceEdmsFactory

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.prefect_server, pytest.mark.timeout(3600)]


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory, _edms_templates: EdmsTemplates) -> Iterator[Plant]:
    folder = tmp_path_factory.mktemp("approval")
    edms = ReferenceEdmsFactory(_edms_templates, folder / "installations", "approval")("sqlite", documents=5)
    config = edms.settings_file(folder / "etc" / "edms-backup.toml", folder / "repository")
    config.write_text(config.read_text().replace("[edms]\n", f'[edms]\nid = "{EDMS}"\n'))
    made = backup.fn(Run(load_settings(config)), BackupRequest())
    plant = Plant(edms, config, folder / "prefect", made.snapshot_id)
    with plant.running:
        yield plant


def test_a_restore_shows_its_plan_and_waits_for_the_name_of_the_edms_even_over_a_restart(plant: Plant) -> None:
    before = plant.titles()
    plant.change("lost")
    run_id = plant.start("restore", confirm=True)

    plant.reaches(run_id, "PAUSED")
    plan = plant.artifact(run_id, "restore-to-approve")
    assert plant.snapshot in plan
    assert "documents.Document: 0 rows go, 0 come back, 5 change back" in plan.replace("\\", "")
    assert plant.titles() == {"lost"}

    # A newer snapshot does not become the one that was approved.
    newer = backup.fn(Run(plant.settings), BackupRequest()).snapshot_id
    plant.restart()
    assert plant.titles() == {"lost"}
    plant.resume(run_id, edms=EDMS, approved_by="Anna", note="TICKET-7")
    plant.reaches(run_id, "COMPLETED")

    assert plant.titles() == before
    entry = plant.last_logged()
    assert (entry.event, entry.outcome, entry.snapshot) == ("restore", "success", plant.snapshot)
    assert newer != plant.snapshot
    (approval,) = entry.facts["approved_by"]
    assert (approval["by"], approval["checked"], approval["note"]) == ("Anna", False, "TICKET-7")
    restored = {"filter": {"event": {"name": ["edms-backup.restore.success"]}}}
    (event,) = wait_for(lambda: plant.server.ask("/events/filter", **restored)["events"], "the event of the restore")
    assert event["resource"]["prefect.resource.id"] == f"edms-backup.edms.{EDMS}"
    assert event["payload"]["snapshot"] == plant.snapshot

    # A retry of what is done promotes nothing again.
    plant.change("after the restore")
    ended = plant.state(run_id)
    plant.set_state(run_id, type="SCHEDULED", name="AwaitingRetry")
    assert "Already promoted" in plant.reaches(run_id, "COMPLETED", fresh=ended)
    assert plant.titles() == {"after the restore"}


def test_a_wrong_name_refuses_and_a_retry_makes_a_new_plan(plant: Plant) -> None:
    plant.change("still here")
    run_id = plant.start("restore", snapshot=plant.snapshot[:12], confirm=True)
    plant.reaches(run_id, "PAUSED")

    plant.resume(run_id, edms="another-plant", approved_by="Anna")

    assert "Not approved" in plant.reaches(run_id, "FAILED")
    assert plant.titles() == {"still here"}
    assert plant.last_logged().facts["error"] == "not-approved"
    failed = plant.state(run_id)
    plant.set_state(run_id, type="SCHEDULED", name="AwaitingRetry")
    plant.reaches(run_id, "PAUSED", fresh=failed)
    assert plant.titles() == {"still here"}


def test_what_nobody_approves_in_time_fails(plant: Plant) -> None:
    plant.change("nobody answers")
    plant.rules('expires = "0h"')
    try:
        run_id = plant.start("restore", confirm=True)
        assert "never resumed" in plant.reaches(run_id, "FAILED")
    finally:
        plant.rules("")

    assert plant.titles() == {"nobody answers"}
    late = plant.server.api.post(
        f"/flow_runs/{run_id}/resume", json={"run_input": {"edms": EDMS, "approved_by": "Anna"}}
    )
    assert late.json()["status"] != "ACCEPT"


def test_two_persons_approve_each_with_a_code_of_their_own(plant: Plant) -> None:
    secrets = {"anna": "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP", "ben": "KRSXG5CTMVRXEZLUKRSXG5CTMVRXEZLU"}
    plant.rules("persons = 2\napprovers = { " + ", ".join(f'{who} = "{key}"' for who, key in secrets.items()) + " }")
    try:
        plant.change("four eyes")
        run_id = plant.start("restore", snapshot=plant.snapshot, confirm=True)
        plant.reaches(run_id, "PAUSED")
        first = plant.state(run_id)
        plant.resume(run_id, edms=EDMS, approved_by="anna", code=_code(secrets["anna"]))
        plant.reaches(run_id, "PAUSED", fresh=first)
        assert plant.titles() == {"four eyes"}
        plant.resume(run_id, edms=EDMS, approved_by="ben", code=_code(secrets["ben"]))
        plant.reaches(run_id, "COMPLETED")
    finally:
        plant.rules("")

    assert plant.titles() != {"four eyes"}
    assert [one["by"] for one in plant.last_logged().facts["approved_by"]] == ["anna", "ben"]


def test_a_merge_and_a_rollback_wait_too_and_another_settings_file_is_refused(plant: Plant) -> None:
    restore.fn(Run(plant.settings), RestoreRequest(snapshot=plant.snapshot, confirm=True))  # to be rolled back to
    plant.change("before the merge")
    merge = plant.start("merge", snapshot=plant.snapshot, dry_run=False, confirm=True)
    rollback = plant.start("rollback", confirm=True)
    other = plant.start("backup", config="/etc/passwd")

    plant.reaches(merge, "PAUSED")
    plant.reaches(rollback, "PAUSED")
    assert "may not use that settings file" in plant.reaches(other, "FAILED")
    assert plant.titles() == {"before the merge"}
    assert "overwritten" in plant.artifact(merge, "merge-to-approve")
    assert "Would be live" in plant.artifact(rollback, "rollback-to-approve")
    env = {"PREFECT_API_URL": plant.server.env["PREFECT_API_URL"]}
    listed = json.loads(CliRunner().invoke(app, ["approve", "--json"], env=env).stdout)
    assert {merge, rollback} <= {one["id"] for one in listed["waiting"]}
    assert set(listed["waiting"][0]["fields"]) == {"edms", "approved_by", "note"}
    incomplete = CliRunner().invoke(app, ["approve", merge, "--by", "Anna", "--json"], env=env)
    assert (incomplete.exit_code, "--edms" in json.loads(incomplete.stdout)["fix"]) == (2, True)
    sent = CliRunner().invoke(app, ["approve", merge, "--edms", EDMS, "--by", "Anna"], env=env)
    assert sent.exit_code == 0, sent.output
    plant.reaches(merge, "COMPLETED")
    assert plant.titles() != {"before the merge"}
    plant.resume(rollback, edms=EDMS, approved_by="Anna")
    plant.reaches(rollback, "COMPLETED")


def _code(secret: str) -> str:
    return TOTP(base64.b32decode(secret), 6, SHA1(), 30).generate(time.time()).decode()
