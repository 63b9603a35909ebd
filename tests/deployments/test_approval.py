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
    note = [
        "sh",
        "-c",
        'echo "$EDMS_BACKUP_VERB $EDMS_BACKUP_HOOK $EDMS_BACKUP_OUTCOME" >> "$0"',
        f"{folder}/hooks.log",
    ]
    moments = [
        f"{moment}_{verb}" for verb in ("restore", "merge", "rollback") for moment in ("before", "after", "error")
    ]
    hooks = "[hooks]\n" + "\n".join(f"{one} = [{note!r}]" for one in moments)
    config = edms.settings_file(folder / "etc" / "edms-backup.toml", folder / "repository", extra=hooks)
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
    assert _noted(plant) == []  # the EDMS is not stopped while the run waits

    # A newer snapshot does not become the one that was approved.
    newer = backup.fn(Run(plant.settings), BackupRequest()).snapshot_id
    plant.restart()
    assert plant.titles() == {"lost"}
    plant.resume(run_id, edms=EDMS, approved_by="Anna", note="TICKET-7")
    plant.reaches(run_id, "COMPLETED")

    assert plant.titles() == before
    assert _noted(plant) == ["restore before ", "restore after success"]
    report = json.loads((plant.settings.workdir / "reports" / "latest" / "restore.json").read_bytes())
    assert report["run"]["approved_by"][0]["by"] == "Anna"
    assert "documents.Document: 0 rows go, 0 come back, 5 change back" in report["run"]["approved_plan"]
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
    noted = _noted(plant)
    run_id = plant.start("restore", snapshot=plant.snapshot[:12], confirm=True)
    plant.reaches(run_id, "PAUSED")

    plant.resume(run_id, edms="another-plant", approved_by="Anna")

    assert "Not approved" in plant.reaches(run_id, "FAILED")
    assert plant.titles() == {"still here"}
    assert plant.last_logged().facts["error"] == "not-approved"
    assert _noted(plant) == noted  # nothing was stopped, so nothing is started
    failed = plant.state(run_id)
    plant.set_state(run_id, type="SCHEDULED", name="AwaitingRetry")
    plant.reaches(run_id, "PAUSED", fresh=failed)
    assert plant.titles() == {"still here"}


def test_what_nobody_approves_in_time_fails(plant: Plant) -> None:
    plant.change("nobody answers")
    noted = _noted(plant)
    plant.rules('expires = "0h"')
    try:
        run_id = plant.start("restore", confirm=True)
        assert "never resumed" in plant.reaches(run_id, "FAILED")
    finally:
        plant.rules("")

    assert plant.titles() == {"nobody answers"}
    assert _noted(plant) == noted
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
    noted = _noted(plant)
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
    assert _noted(plant)[len(noted) :] == ["merge before ", "merge after success"]
    assert plant.titles() != {"before the merge"}
    plant.resume(rollback, edms=EDMS, approved_by="Anna")
    plant.reaches(rollback, "COMPLETED")


def _noted(plant: Plant) -> list[str]:
    """What the hooks noted."""
    path = plant.config.parent.parent / "hooks.log"
    return path.read_text().splitlines() if path.exists() else []


def _code(secret: str) -> str:
    return TOTP(base64.b32decode(secret), 6, SHA1(), 30).generate(time.time()).decode()
