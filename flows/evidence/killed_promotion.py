"""The entry in the log of a promotion whose run was killed before it could leave one: its retry does, which promotes nothing again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from edms_tasks.errors import AlreadyPromoted, EdmsBackupError
from edms_tasks.package import versions
from edms_tasks.repository import Repository
from edms_tasks.repository.audit_log import AuditLog
from flows.running.run import Run

_OTHER_CLOCKS = timedelta(hours=1)


def note_killed_promotion(run: Run, event: str, done: AlreadyPromoted) -> None:
    """Add the entry if the run has left none; what cannot be written is said."""
    try:
        repository = Repository.open(run.settings.repository)
        if _has_entry(repository.log, event, run.origin.run, done.stamp):
            return
        facts = {
            "verdict": done.verdict or "not known",
            "promoted": True,
            "target": done.where,
            "what": f"Promoted at {done.stamp}. The run was killed before its report; its retry noted this.",
        }
        repository.log.append(
            event,
            "success",
            version=versions()["edms-backup"],
            edms=run.settings.edms.id,
            snapshot=done.snapshot or None,
            facts={**facts, **run.origin.facts()},
        )
    except EdmsBackupError as failure:
        run.say(f"! The promotion is not in the repository's log: {failure.what} {failure.why}".rstrip())


def _has_entry(log: AuditLog, event: str, run: str, stamp: str) -> bool:
    """Whether this run has told of its promotion, in an entry since then."""
    began = datetime.strptime(stamp[:15], "%Y%m%dT%H%M%S").replace(tzinfo=UTC) - _OTHER_CLOCKS
    for entry in log.backwards():
        if entry.at < began:
            return False
        if entry.event == event and entry.facts.get("run") == run and entry.facts.get("promoted"):
            return True
    return False
