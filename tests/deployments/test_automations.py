"""The alarms for a Prefect server are ones that Prefect takes, wait for events that runs send, and are made once."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
from prefect.server.events.schemas.automations import AutomationCreate, EventTrigger
from ruamel.yaml import YAML

from edms_tasks.settings import load_settings
from edms_tasks.signal_settings import Level
from edms_tasks.signalling.told_runs import note_told, take_told
from flows.running.event_names import STORAGE_FILLING
from flows.running.prefect_api import PrefectApi
from flows.scheduling import automations
from flows.scheduling.automations import Teller, alarms_of
from flows.scheduling.prefect_deployments import DeployedEdms, prefect_file

ROOT = Path(__file__).resolve().parent.parent.parent
SOMETHING = "00000000-0000-0000-0000-000000000000"
SETTINGS = """
[edms]
{edms}
project = "."
settings = "plant.settings"
[repository]
url = "repository"
"""


def deployed(folder: Path, edms: str = 'id = "plant"', more: str = "", name: str = "plant") -> DeployedEdms:
    config = folder / f"{name}.toml"
    config.write_text(SETTINGS.format(edms=edms) + more)
    return DeployedEdms(name, config, load_settings(config))


def triggers(alarms: list[dict[str, Any]]) -> dict[str, EventTrigger]:
    """Name -> the trigger, as Prefect's server reads it."""
    read = [AutomationCreate.model_validate(one) for one in alarms]
    return {one.name: one.trigger for one in read if isinstance(one.trigger, EventTrigger)}


@pytest.mark.parametrize("teller", [Teller(), Teller(block=SOMETHING), Teller(deployment=SOMETHING)])
def test_prefect_takes_all_alarms_whoever_tells_of_them(tmp_path: Path, teller: Teller) -> None:
    alarms = alarms_of(deployed(tmp_path), teller)

    assert set(triggers(alarms)) == {
        "plant: a run failed",
        "plant: a drill failed",
        "plant: the backups are not well",
        "plant: a run is late",
        "plant: no backup for 26h",
        "plant: no drill for 9d",
        "plant: findings grew",
        "plant: storage is filling",
    }
    assert "$" not in str(alarms)


def test_the_events_and_deployments_that_they_wait_for_exist(tmp_path: Path) -> None:
    edms = deployed(tmp_path)
    verbs = {path.stem for path in (ROOT / "flows").glob("*.py")}
    deployments = {one["name"] for one in YAML(typ="safe").load(prefect_file([edms], "pool"))["deployments"]}

    found = triggers(alarms_of(edms, Teller()))

    ours = {event for one in found.values() for event in one.expect if event.startswith("edms-backup.")} - {
        STORAGE_FILLING
    }
    assert {event.split(".")[1] for event in ours} <= verbs
    assert {event.split(".")[2] for event in ours} <= set(get_args(Level))
    named = re.findall(r"[a-z-]+-plant", str([one.match_related for one in found.values()]))
    assert {"backup-plant", "drill-plant", "status-plant", "restore-plant"} <= set(named) <= deployments
    assert "alarm-plant" not in named  # an alarm that cannot be told would alarm for ever


def test_what_people_approved_is_never_cancelled_by_a_limit_of_the_server(tmp_path: Path) -> None:
    made = YAML(typ="safe").load(prefect_file([deployed(tmp_path)], "pool"))["deployments"]
    limited = {one["name"] for one in made if "concurrency_limit" in one}

    assert limited == {f"{one}-plant" for one in ("backup", "verify-sample", "verify", "drill", "copy", "prune")}


def test_hours_come_from_the_settings(tmp_path: Path) -> None:
    more = '[status]\nmax_age = "50h"\nmax_drill_age = "40d"\n'

    found = triggers(alarms_of(deployed(tmp_path, more=more), Teller()))

    assert found["plant: no backup for 50h"].within == timedelta(hours=50)
    assert found["plant: no drill for 40d"].within == timedelta(days=40)


def test_what_does_not_run_by_itself_is_not_missed(tmp_path: Path) -> None:
    found = triggers(alarms_of(deployed(tmp_path, more='[schedule]\ndrill = ""\nbackup = ""\n'), Teller()))

    assert not [name for name in found if "plant: no " in name]


def test_an_edms_without_an_id_is_known_by_the_tag_of_its_deployments(tmp_path: Path) -> None:
    found = triggers(alarms_of(deployed(tmp_path, edms=""), Teller()))["plant: findings grew"]

    assert "prefect.tag.plant" in str(found.match_related)


def test_one_whose_settings_file_is_named_like_the_program_is_not_taken_for_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All deployments have the tag `edms-backup`: its alarms must neither hear of the backups of others nor replace theirs."""
    plant, named_like_all = deployed(tmp_path), deployed(tmp_path, edms="", name="edms-backup")
    alarms = [
        *alarms_of(plant, Teller()),
        *({**one, "tags": ["edms-backup"]} for one in alarms_of(named_like_all, Teller())),
    ]
    there = [{**one, "id": one["name"]} for one in alarms]
    asked: list[tuple[str, str]] = []
    monkeypatch.setattr(automations, "_automations", lambda api: there)
    monkeypatch.setattr(
        automations, "_ask", lambda api, path, request=None, *, method="POST": asked.append((method, path))
    )

    made = automations.register_alarms(PrefectApi("http://nowhere"), [named_like_all, plant])

    assert {(one.edms, one.change) for one in made} == {("edms-backup", "changed"), ("plant", "unchanged")}
    assert {method for method, _ in asked} == {"PUT"}
    waits = triggers(alarms_of(named_like_all, Teller()))["edms-backup: findings grew"]
    (deployment, *_) = YAML(typ="safe").load(prefect_file([named_like_all], "pool"))["deployments"]
    assert deployment["tags"] == ["edms-backup", "edms-backup.toml"]
    assert "prefect.tag.edms-backup.toml" in str(waits.match_related)


def test_another_definition_has_another_tag(tmp_path: Path) -> None:
    first, again, other = (
        alarms_of(deployed(tmp_path), teller)[0]["tags"] for teller in (Teller(), Teller(), Teller(block=SOMETHING))
    )

    assert first == again != other


def test_a_run_that_told_of_itself_is_not_told_twice_and_is_told_again_after_a_retry(tmp_path: Path) -> None:
    note_told(tmp_path, "run")

    assert take_told(tmp_path, "run")
    assert not take_told(tmp_path, "run")
