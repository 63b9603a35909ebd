"""What an entry of the log says of a run: whose it was, who approved it, and whether the live system was changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from edms_tasks.manifest import CONVERTED
from edms_tasks.repository.audit_log import LogEntry

WhoseRun = Callable[[LogEntry], str | None]

_WRITE_TO_LIVE = ("merge", "rollback")


def whose_run(entries: Sequence[LogEntry], owner: Mapping[str, str]) -> WhoseRun:
    """A function that tells the id of the EDMS of an entry; None for runs that concern the repository as a whole.

    A run about one snapshot belongs to that snapshot's EDMS, whichever settings it was started with; also if the snapshot was converted
    from an old backup. `owner`: snapshots that are there -> id; the log itself tells the owners of those that were pruned.
    """
    made = {one.snapshot: one.edms for one in entries if one.event == "backup" and one.snapshot and one.edms}
    known = {**made, **{snapshot: edms.removeprefix(CONVERTED) for snapshot, edms in owner.items()}}
    return lambda entry: known.get(entry.snapshot or "") or entry.edms


def what_it_touched(entry: LogEntry) -> str:
    """`live` if a run has replaced or changed the live system, `copy` if it made a copy beside it; "" for other runs."""
    if entry.event == "restore" and "promoted" in entry.facts:
        return "live" if entry.facts["promoted"] else "copy"
    return "live" if entry.event in _WRITE_TO_LIVE and entry.outcome == "success" else ""


def approvers_of(entry: LogEntry) -> list[str]:
    """Who approved a run, by its entry. An entry may be forged, so anything may stand there."""
    found = entry.facts.get("approved_by")
    return [_approval(one) for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _approval(one: Mapping[str, Any]) -> str:
    how = "confirmed by a code" if one.get("checked") is True else "as typed, not checked"
    said = [
        f"{one.get('by', '')} ({how})",
        f"on {str(one['at'])[:16]}" if one.get("at") else "",
        str(one.get("note") or ""),
    ]
    return ", ".join(part for part in said if part)
