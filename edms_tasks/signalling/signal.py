"""What is told of a run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from edms_tasks.signal_settings import Level

FORMAT = 1
ALARM = "alarm"
"""What stands as the verb of an alarm of a Prefect server."""


@dataclass(frozen=True)
class Signal:
    """How a run ended. `docs/signals.md` describes the JSON.

    Args:
        verb: backup, restore, drill, …
        level: failure, warning or success.
        at: when it ended.
        seconds: how long it took.
        edms: id of the EDMS; "" if the settings name none.
        host: the machine.
        run: its id, which log and report have.
        verdict: what the report says, a few words.
        what: what failed; "" if nothing did.
        snapshot: id of the snapshot; "" if there is none.
        entry: number of its entry in the log; None if it has none.
        new_findings: how many findings are new, or more, since the last run of the verb.
    """

    verb: str
    level: Level
    at: datetime
    seconds: float
    edms: str
    host: str
    run: str
    verdict: str
    what: str = ""
    snapshot: str = ""
    entry: int | None = None
    new_findings: int = 0

    def as_json(self) -> dict[str, Any]:
        """The body of the webhook."""
        return {
            "edms_backup": FORMAT,
            "verb": self.verb,
            "level": self.level,
            "at": self.at.isoformat(timespec="seconds"),
            "seconds": self.seconds,
            "edms": self.edms,
            "host": self.host,
            "run": self.run,
            "verdict": self.verdict,
            "what": self.what,
            "snapshot": self.snapshot,
            "log_entry": self.entry,
            "new_findings": self.new_findings,
            "text": self.line,
        }

    @property
    def line(self) -> str:
        """All of it in one line, for chats and the subject of an e-mail."""
        where = f"{self.edms or 'EDMS'} on {self.host}"
        words = {"failure": "FAILED", "warning": "done, with new findings", "success": "done"}[self.level]
        said = self.what or self.verdict
        how = "ALARM" if self.verb == ALARM else f"{self.verb} {words}"
        return " ".join(f"{where}: {how}{f': {said}' if said else ''}".split())[:300]

    @property
    def text(self) -> str:
        """The text of an e-mail."""
        facts = {
            "Verdict": self.verdict,
            "What failed": self.what,
            "Ended": f"{self.at:%Y-%m-%d %H:%M:%S} UTC, after {self.seconds:.0f} s",
            "Host": self.host,
            "EDMS": self.edms,
            "Snapshot": self.snapshot,
            "New findings": self.new_findings or "",
            "Run": self.run,
            "Entry in the log": self.entry if self.entry is not None else "none",
        }
        lines = [f"{name + ':':<18}{value}" for name, value in facts.items() if value not in ("", None)]
        report = f"\n\nThe report: edms-backup log {self.entry}\n" if self.entry is not None else "\n"
        return f"{self.line}\n\n" + "\n".join(lines) + report
