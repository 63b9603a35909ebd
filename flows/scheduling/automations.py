"""The alarms of EDMSs on a Prefect server, as its automations: made from deployments/automations.yaml and the settings.

They are looked up first, so that deploying again makes none twice. One that is as it was made is left alone: a changed one would
begin to count its hours anew, and lose what was changed in Prefect's UI.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import time
import urllib.error
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from importlib import resources
from string import Template
from typing import Any, Literal
from zoneinfo import ZoneInfo

from ruamel.yaml import YAML

from edms_tasks.errors import TerminalError
from edms_tasks.periods import seconds_of
from flows.running.event_names import resource_of
from flows.running.prefect_api import PrefectApi, ask_api, unusable
from flows.scheduling.prefect_deployments import TAG, DeployedEdms
from flows.scheduling.scheduled_jobs import ScheduledJob, scheduled_jobs

Change = Literal["made", "changed", "unchanged", "removed"]

_DEFINITION = "definition-"
_PAGE = 200
_TRIES = 10
_RUNS_LOOKED_AT = 60
_SLACK = timedelta(days=1)  # a drill takes hours, and may be tried again on the next day
_BY_THEMSELVES = ("backup", "verify-sample", "verify", "copy", "prune", "restore", "merge", "rollback")


@dataclass(frozen=True)
class Alarm:
    """An alarm on the server, and what became of it."""

    edms: str
    name: str
    change: Change


def register_alarms(api: PrefectApi, systems: Sequence[DeployedEdms]) -> list[Alarm]:
    """Make the alarms of EDMSs that are deployed; returns all of them, and those that were removed.

    Raises:
        TransientError: the API cannot be used.
        TerminalError: the server does not know a deployment or a block, or refuses an alarm.
    """
    existing = [one for one in _automations(api) if TAG in one.get("tags", ())]
    return [alarm for edms in systems for alarm in _register(api, edms, existing)]


def what_became_of(alarms: Sequence[Alarm], systems: Sequence[DeployedEdms]) -> Iterator[str]:
    """Lines for people: what became of the alarms, and whose alarms nobody is told of."""
    for one in alarms:
        if one.change != "unchanged":
            yield f"alarm     {one.change}: {one.name}"
    if same := sum(one.change == "unchanged" for one in alarms):
        yield f"alarms    {same} unchanged"
    for edms in systems if alarms else ():
        notify = edms.settings.notify
        if not notify.prefect_block and not notify.tells_people:
            yield f"! Nobody is told of the alarms of {edms.name}; they only show in Prefect's UI."
            yield "  fix: set webhook or email_to in [notify], or prefect_block; then `deploy` again, or start `serve` again"


def _register(api: PrefectApi, edms: DeployedEdms, existing: Sequence[Mapping[str, Any]]) -> Iterator[Alarm]:
    theirs = [one for one in existing if _is_of(one["tags"], edms)]
    wanted = alarms_of(edms, _teller(api, edms))
    for one in wanted:
        same = [found for found in theirs if found["name"] == one["name"]]
        for double in same[1:]:
            _ask(api, f"/automations/{double['id']}", method="DELETE")
        if not same:
            _ask(api, "/automations/", one)
            yield Alarm(edms.name, one["name"], "made")
        elif set(one["tags"]) <= set(same[0]["tags"]):
            yield Alarm(edms.name, one["name"], "unchanged")
        else:
            kept = {"enabled": same[0]["enabled"]}  # somebody may have turned it off
            _ask(api, f"/automations/{same[0]['id']}", one | kept, method="PUT")
            yield Alarm(edms.name, one["name"], "changed")
    names = {one["name"] for one in wanted}
    for old in theirs:
        if old["name"] not in names:
            _ask(api, f"/automations/{old['id']}", method="DELETE")
            yield Alarm(edms.name, old["name"], "removed")


def _is_of(tags: Sequence[str], edms: DeployedEdms) -> bool:
    """Whether an alarm with these tags is of that EDMS."""
    from_earlier = edms.name == TAG and all(tag == TAG or tag.startswith(_DEFINITION) for tag in tags)
    return edms.tag in tags or from_earlier  # earlier releases gave those of `edms-backup` the tag of all


@dataclass(frozen=True)
class Teller:
    """Who tells of an alarm: the server through a block, or a run of the deployment `alarm`; neither: it only shows in the UI."""

    block: str = ""
    deployment: str = ""

    def action(self, alarm: Mapping[str, Any]) -> dict[str, Any]:
        """The action of an alarm."""
        if self.block:
            return {
                "type": "send-notification",
                "block_document_id": self.block,
                "subject": "edms-backup, " + alarm["name"],
                "body": alarm["message"],
            }
        if self.deployment:
            told = {
                name: {"__prefect_kind": "jinja", "template": alarm[name]}
                for name in ("message", "run")
                if name in alarm
            }
            parameters = {"name": alarm["name"], **told}
            return {
                "type": "run-deployment",
                "source": "selected",
                "deployment_id": self.deployment,
                "parameters": parameters,
            }
        return {"type": "do-nothing"}


def alarms_of(edms: DeployedEdms, teller: Teller) -> list[dict[str, Any]]:
    """The alarms of an EDMS as the server takes them."""
    text = resources.files("deployments").joinpath("automations.yaml").read_text(encoding="utf-8")
    facts = _facts(edms)
    known = YAML(typ="safe").load(text)["automations"]
    # What does not run by itself is not missed.
    return [_made(edms, _filled(one, facts), teller) for one in known if facts.get(_waits_for(one), True)]


def _waits_for(alarm: Mapping[str, Any]) -> str:
    """The name of the fact that is the time after which something is missed; "" for an alarm that misses nothing."""
    within = alarm["trigger"]["within"]
    return within.removeprefix("$") if isinstance(within, str) else ""


def _made(edms: DeployedEdms, alarm: dict[str, Any], teller: Teller) -> dict[str, Any]:
    trigger = alarm["trigger"]
    if isinstance(trigger["within"], str):
        trigger["within"] = seconds_of(trigger["within"])
    if isinstance(trigger["match"], str):  # $edms: by its id if it has one, else by the tag of its deployments
        identity = edms.settings.edms.id
        trigger["match"] = {"prefect.resource.id": resource_of(identity) if identity else "edms-backup.edms.*"}
        if not identity:
            tag = f"prefect.tag.{edms.tag}"
            trigger["match_related"] = {"prefect.resource.role": "tag", "prefect.resource.id": tag}
    made = {
        "name": alarm["name"],
        "description": alarm["description"],
        "enabled": True,
        "trigger": trigger,
        "actions": [teller.action(alarm)],
    }
    digest = hashlib.sha256(json.dumps(made, sort_keys=True).encode()).hexdigest()
    return made | {"tags": [TAG, edms.tag, f"{_DEFINITION}{digest[:16]}"]}


def _facts(edms: DeployedEdms) -> dict[str, Any]:
    """What stands in the file as `$name` and the like; an empty time means that nothing is missed."""
    status, jobs = edms.settings.status, {one.name: one for one in scheduled_jobs(edms.settings)}
    return {
        "name": edms.name,
        "runs": [f"{one}-{edms.name}" for one in _BY_THEMSELVES],
        "edms": edms.name,
        "max_age": status.max_age if jobs["backup"].runs else "",
        "max_drill_age": (status.max_drill_age or _longest_between(jobs["drill"], edms)) if jobs["drill"].runs else "",
    }


def _longest_between(job: ScheduledJob, edms: DeployedEdms) -> str:
    """The longest time between two runs of a job, and a day."""
    zone = ZoneInfo(edms.settings.schedule.timezone)
    times = job.next_runs(zone, datetime(2026, 1, 1, tzinfo=UTC), _RUNS_LOOKED_AT)
    longest = max(later - earlier for earlier, later in itertools.pairwise(times))
    return f"{(longest + _SLACK).days + 1}d"


def _filled(value: Any, facts: Mapping[str, Any]) -> Any:
    """The value with what `$name` and the like stand for; a list in a list becomes part of it."""
    if isinstance(value, dict):
        return {name: _filled(one, facts) for name, one in value.items()}
    if isinstance(value, list):
        made = [_filled(one, facts) for one in value]
        return [each for one in made for each in (one if isinstance(one, list) else [one])]
    if isinstance(value, str):
        whole = facts.get(value.removeprefix("$")) if value.startswith("$") else None
        return whole if isinstance(whole, list) else Template(value).safe_substitute(facts)
    return value


def _teller(api: PrefectApi, edms: DeployedEdms) -> Teller:
    notify = edms.settings.notify
    if notify.prefect_block:
        kind, _, name = notify.prefect_block.partition("/")
        path = f"/block_types/slug/{_quoted(kind)}/block_documents/name/{_quoted(name)}"
        found = _ask(api, path, missing=f"the block {notify.prefect_block}")
        return Teller(block=str(found["id"]))
    if notify.tells_people:
        path = f"/deployments/name/edms-alarm/{_quoted(f'alarm-{edms.name}')}"
        found = _ask(api, path, missing=f"the deployment alarm-{edms.name}")
        return Teller(deployment=str(found["id"]))
    return Teller()


def _automations(api: PrefectApi) -> Iterator[Mapping[str, Any]]:
    for page in itertools.count():
        found = _ask(api, "/automations/filter", {"limit": _PAGE, "offset": page * _PAGE})
        yield from found
        if len(found) < _PAGE:
            return


def _ask(api: PrefectApi, path: str, request: object = None, *, method: str = "", missing: str = "") -> Any:
    try:
        for _ in range(_TRIES):
            try:
                return ask_api(api, path, request, method=method)
            except urllib.error.HTTPError as busy:  # while its SQLite database is locked
                if busy.code != HTTPStatus.SERVICE_UNAVAILABLE:
                    raise
                time.sleep(1.0)
        return ask_api(api, path, request, method=method)
    except urllib.error.HTTPError as error:
        if missing and error.code == HTTPStatus.NOT_FOUND:
            raise TerminalError(
                f"Prefect's server does not know {missing}.",
                where=api.display,
                fix="Make it there, or correct [notify] prefect_block: TYPE/NAME, as `prefect block ls` shows them.",
            ) from None
        said = error.read().decode(errors="replace")[:600]
        raise TerminalError(
            "Prefect's server did not accept the alarms.",
            where=api.display,
            why=f"HTTP {error.code}: {said}",
            fix="Deploy without them: --no-automations.",
        ) from None
    except (OSError, ValueError) as error:
        raise unusable(api, str(getattr(error, "reason", error))) from error


def _quoted(text: str) -> str:
    return urllib.parse.quote(text, safe="")
