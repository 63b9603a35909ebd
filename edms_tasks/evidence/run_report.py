"""The report of a run as JSON. Its page shows the same."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from edms_tasks.evidence.body import Body, Gathered
from edms_tasks.evidence.origin import Origin
from edms_tasks.json_text import parsed_json
from edms_tasks.repository.audit_log import Outcome

REPORT = "edms-backup/run"
FORMAT = 1


@dataclass(frozen=True)
class RunOutcome:
    """How a run ended."""

    event: str  # the verb
    outcome: Outcome
    at: datetime
    seconds: Mapping[str, float]
    error: Mapping[str, Any] | None = None  # what failed, where, why, fix


@dataclass(frozen=True)
class Place:
    """What a run was about: the repository, the EDMS, the snapshot; and how the log ended before it."""

    repository: str  # its id; "" if it could not be opened
    display: str
    edms: str | None
    snapshot: str | None
    log_before: str  # NUMBER:SHA-256; "" if there was none


def make_report(
    origin: Origin,
    ended: RunOutcome,
    place: Place,
    evidence: Gathered,
    versions: Mapping[str, str],
    said: Mapping[str, Any],
    previous: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """The report, in reading order.

    Args:
        origin, ended, place: of the run.
        evidence: what the run left.
        versions: of the programs.
        said: what the log says of it.
        previous: the report of the last run of the verb on this machine; None if there is none.
    """
    body = (evidence.body or _of_the_log(ended, said)).as_json()
    if ended.error is not None:
        body["verdict"] = "STOPPED" if ended.outcome == "stopped" else "FAILED"
        body["explanation"] = str(ended.error.get("what", ""))
    return {
        "report": REPORT,
        "format": FORMAT,
        "event": ended.event,
        "outcome": ended.outcome,
        **body,
        "error": dict(ended.error) if ended.error is not None else None,
        "run": {
            **origin.as_json(),
            "ended": ended.at.isoformat(timespec="seconds"),
            "seconds": {stage: round(taken, 3) for stage, taken in ended.seconds.items()},
        },
        "repository": {"id": place.repository, "place": place.display, "log_before": place.log_before},
        "edms": place.edms,
        "snapshot": place.snapshot,
        "versions": {**versions, "python": platform.python_version(), **evidence.versions},
        "findings_change": findings_change(body["findings"], previous, place),
        "data_docs": str(evidence.data_docs) if evidence.data_docs is not None else "",
        "details": dict(evidence.details),
    }


def report_in(data: bytes) -> dict[str, Any]:
    """A report from its JSON; empty if it is none, as of a release that is not known."""
    try:
        found = parsed_json(data)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def findings_change(
    now: Sequence[Mapping[str, Any]], previous: Mapping[str, Any] | None, place: Place
) -> dict[str, Any] | None:
    """Which findings are new, gone, or of another count since the last run of the verb; None if there is nothing to compare with."""
    if previous is None or (previous.get("repository") or {}).get("id") != place.repository:
        return None
    if previous.get("edms") != place.edms:
        return None
    before = {_key(one): one for one in previous.get("findings") or ()}
    after = {_key(one): one for one in now}
    return {
        "since": {"run": previous["run"]["id"], "ended": previous["run"]["ended"]},
        "new": [dict(after[key]) for key in after if key not in before],
        "gone": [dict(before[key]) for key in before if key not in after],
        "changed": [
            {**after[key], "count_before": before[key]["count"]}
            for key in after
            if key in before and before[key]["count"] != after[key]["count"]
        ],
    }


def _key(finding: Mapping[str, Any]) -> tuple[str, str]:
    return str(finding["code"]), str(finding["subject"])


def _of_the_log(ended: RunOutcome, said: Mapping[str, Any]) -> Body:
    """The body for a verb that measures nothing: what the log says of it."""
    facts = tuple((name.replace("_", " ").capitalize(), value) for name, value in said.items())
    return Body("Done" if ended.outcome == "success" else "FAILED", facts)
